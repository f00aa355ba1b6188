//! The host's functions: the contract's imports in a component, and natively what stands in for them in tests. Both
//! have the same names and types, so nothing above asks which of the two it is.

#[cfg(not(target_family = "wasm"))]
pub use crate::harness::imports::{InputStream, OutputStream, StreamError, context, exchange, tls_context};

#[cfg(target_family = "wasm")]
mod component {
    use crate::bindings::flow::connector::tls;
    pub use crate::bindings::flow::connector::{context, exchange};
    pub use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};

    pub fn tls_context(
        trust: &tls::Trust,
        client_certificate: Option<&str>,
    ) -> Result<tls::Context, tls::Error> {
        tls::Context::create(trust, client_certificate)
    }
}

#[cfg(target_family = "wasm")]
pub use component::{InputStream, OutputStream, StreamError, context, exchange, tls_context};
