//! What runs keep on disk: the state folder.
//!
//! `ledger.db` is the [`ledger`], `spool/` has a folder for the large bodies of each run ([`spool`], [`body`]; [`pipe`] is for
//! bodies that are not stored), and
//! `locks/` says which process does what ([`lock`]). [`store`] is all of it together.

pub mod body;
pub mod ledger;
pub mod lock;
pub mod pipe;
pub mod spool;
pub mod store;
