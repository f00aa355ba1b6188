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
    imports: {
        // What may have to wait: for the disk, or for another connector.
        "flow:connector/exchange.begin": async | trappable,
        "flow:connector/exchange.next": async | trappable,
        "flow:connector/exchange.[static]writer.finish": async | trappable,
        "flow:connector/exchange.[method]reader.note": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "flow:connector/exchange.writer": crate::imports::exchange::Writer,
        "flow:connector/exchange.reader": crate::imports::exchange::Reader,
        "flow:connector/tls.context": crate::tls::Context,
        "flow:connector/tls.session": crate::tls::Session,
    },
});
