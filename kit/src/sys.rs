//! The host's functions: the contract's imports in a component, and natively what stands in for them in tests. Both
//! have the same names and types, so nothing above asks which of the two it is.

#[cfg(not(target_family = "wasm"))]
pub use crate::harness::imports::{
    InputStream, OutputStream, StreamError, context, exchange, tls_context, wait,
};

#[cfg(target_family = "wasm")]
mod component {
    use crate::bindings::flow::connector::tls;
    pub use crate::bindings::flow::connector::{context, exchange};
    use crate::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
    use crate::bindings::wasi::io::poll::{Pollable, poll};
    pub use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
    use crate::error::Error;

    /// The longest wait between two looks at `cancelled`, in nanoseconds; the contract asks for 250 ms or less.
    const SLICE: u64 = 200_000_000;

    /// Waits for a stream, unless the call is to end.
    pub fn wait(stream: &Pollable) -> Result<(), Error> {
        loop {
            let slice = subscribe_duration(SLICE);
            if poll(&[stream, &slice]).contains(&0) {
                return Ok(());
            }
            crate::context::check()?;
        }
    }

    pub fn tls_context(
        trust: &tls::Trust,
        client_certificate: Option<&str>,
    ) -> Result<tls::Context, tls::Error> {
        tls::Context::create(trust, client_certificate)
    }
}

#[cfg(target_family = "wasm")]
pub use component::{InputStream, OutputStream, StreamError, context, exchange, tls_context, wait};
