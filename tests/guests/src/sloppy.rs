//! A connector that keeps the contract, to a store that speaks a protocol of a few lines, and breaks it in one way when its
//! options or settings name a sin: for the checks of `flowhost conformance connector`, each of which must be able to fail.
//!
//! `make` makes a payload of each thing in the store, `pass` puts each payload into it, and `misbehave` makes a payload of
//! everything that is there, also of what is half done.

mod about;
mod calls;
mod checks;
mod settings;
mod store;
mod taking;

pub use about::describe;
pub use calls::{make, misbehave};
pub use checks::check;
pub use settings::plan;
pub use taking::pass;
