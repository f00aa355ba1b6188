//! The connector kit: what a connector in Rust needs beside its own work.
//!
//! A connector is one WebAssembly component that speaks the contract in `wit/connector`. This crate has the bindings of
//! that contract, and everything around them that is the same for each connector, so that a connector is its settings,
//! its endpoints, and one call of [`connector!`]. `docs/new-connector.md` makes one from nothing.
//!
//! # A tour
//!
//! - [`Connector`] and [`Endpoint`]: what a connector says of itself and what it does; [`connector!`] makes the
//!   component's exports of them
//! - [`settings`]: connection settings and options from JSON, and the schemas that forms show
//! - [`exchange`]: payloads in and out: [`Reader`] with its [`Body`] (a [`std::io::Read`]), [`Writer`] (a
//!   [`std::io::Write`])
//! - [`Error`]: a failure as hosts understand it; [`Metadata`]: what is known of a payload
//! - [`context`], [`log!`]: the run: cancellation, time, log, progress
//! - [`tls`]: the TLS sessions that the host holds
//! - [`harness`]: runs the same connector natively in tests, without wasm and without a host
//! - [`glue`]: what [`connector!`] calls
//!
//! Natively none of the host's functions exist; the harness stands in for them. Below the public modules only `sys`
//! knows which of the two it is.

#[allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    rustdoc::all,
    reason = "generated; its unsafe code is the calling convention of the component model"
)]
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["../wit/deps/io", "wit/clocks", "../wit/connector", "wit/kit"],
        world: "flow:kit/kit",
        generate_all,
        // No function of this world has a summary; those of the endpoints have.
        generate_unused_types: true,
        additional_derives: [PartialEq, Eq],
        // They hold resources, and those are not compared.
        additional_derives_ignore: ["offer", "stream-error"],
    });
}

pub mod context;
mod error;
pub mod exchange;
mod export;
pub mod glue;
#[cfg(not(target_family = "wasm"))]
pub mod harness;
mod metadata;
pub mod settings;
mod sys;
mod text;
pub mod tls;
mod traits;

#[doc(hidden)]
pub use schemars;
#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use wit_bindgen;

pub use bindings::exports::flow::connector::connector::{
    CheckStatus, CheckStep, Descriptor, Direction, Egress,
};
pub use bindings::flow::connector::types::{Metadata, Summary};
pub use context::Level;
pub use error::{Effect, Error, Kind, Retry};
pub use exchange::{Body, Done, Offer, Offered, Reader, Writer};
pub use text::printable;
pub use traits::{Call, Connector, Endpoint};
