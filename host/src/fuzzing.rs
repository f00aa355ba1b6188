//! What is not the library's to offer, opened for the fuzz targets in `fuzz/`, and for nobody else.

use crate::contract::tls::{Error, Trust};
use crate::tls::{Context, SystemTrust, TlsPolicy};

/// Client TLS that trusts these certificates (PEM), as a connector may have it.
///
/// # Errors
/// When there is none in the text.
pub fn tls_context(roots: &str) -> Result<Context, Box<Error>> {
    let trust = Trust::Roots(roots.to_owned());
    Context::new(&trust, None, &TlsPolicy::default(), &SystemTrust::default())
}
