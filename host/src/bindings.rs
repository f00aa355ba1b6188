//! The only `bindgen!` of the host: the contract in `wit/` as Rust types.
//!
//! Generated types stop here; the rest of the host names them through [`crate::contract`].

#![allow(
    missing_docs,
    clippy::pedantic,
    reason = "generated; the WIT files carry the documentation"
)]

wasmtime::component::bindgen!({
    path: ["../wit/deps/io", "../wit/connector"],
    world: "flow:connector/connector-base",
    imports: { default: trappable },
    exports: { default: async },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "flow:connector/exchange.writer": crate::imports::exchange::Writer,
        "flow:connector/exchange.reader": crate::imports::exchange::Reader,
        "flow:connector/tls.context": crate::tls::Context,
        "flow:connector/tls.session": crate::tls::Session,
    },
});
