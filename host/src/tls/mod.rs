//! Client TLS that the host holds for its connectors: trust, keys, and the records; no I/O.
//!
//! - [`policy`]: the operator's say. [`identity`]: client certificates with their keys.
//! - [`Context`]: whom one control connection trusts, and the sessions that its data connections resume.
//!   [`Session`]: one connection, bytes in and bytes out.
//! - [`fingerprint`]: what a server shows of itself, for who has to decide whether to trust it.

mod certificate;
mod context;
mod fault;
pub mod fingerprint;
pub mod identity;
pub mod policy;
mod records;
mod refusal;
mod session;
mod text;
mod tickets;
mod verify;

pub use context::Context;
pub(crate) use context::NAME_SHOWN;
pub use identity::{Identities, Identity};
pub use policy::{TlsPolicy, TlsVersion};
pub use session::Session;
pub(crate) use text::shown;
pub use text::{date, fingerprint_text, parse_fingerprint};
pub(crate) use verify::SystemTrust;

use rustls::crypto::CryptoProvider;
use std::sync::{Arc, LazyLock};

/// The ciphers and algorithms of all sessions: what ring has.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests;
