//! Client TLS that the host holds: `wit/connector/tls.wit` says how its records are carried.

pub use crate::bindings::flow::connector::tls::{
    Certificate, Context, Error, Info, Reason, Received, Session, Trust,
};

/// Trust, and the sessions that may be resumed: one for each control connection, or what corresponds to it.
/// `client_certificate` names one that the host holds for this instance.
///
/// # Errors
/// `invalid` or `denied`; natively there is nobody who holds sessions, so always `denied`.
#[expect(clippy::result_large_err, reason = "the contract's type")]
pub fn create(trust: &Trust, client_certificate: Option<&str>) -> Result<Context, Error> {
    crate::sys::tls_context(trust, client_certificate)
}
