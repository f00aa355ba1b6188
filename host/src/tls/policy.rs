//! What the host's operator says about TLS, whatever flows and connectors ask for.

use super::verify;
use crate::contract::tls::Error;
use std::fmt;

/// The oldest version that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246). Older ones are broken, and this host has none of them.
    #[default]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}

/// The operator's say. The default is the safe one.
#[derive(Debug, Clone, Default)]
pub struct TlsPolicy {
    /// The oldest version that a server may choose.
    pub minimum: TlsVersion,
    /// Whether a connector may ask for no check of certificates at all.
    pub insecure: bool,
    /// SHA-256 hashes of certificates, or of their public keys (`SubjectPublicKeyInfo`), that nobody trusts any more:
    /// neither for a server nor for an authority between it and its root.
    pub distrusted: Vec<[u8; 32]>,
    /// PEM text (RFC 7468) of the authorities that the host believes, in place of those of its operating system.
    pub roots: Option<String>,
}

impl TlsPolicy {
    /// With these authorities in place of the system's.
    ///
    /// # Errors
    /// When the text holds no certificates, or one that cannot be read.
    pub fn with_roots(self, pem: String) -> Result<Self, Box<Error>> {
        verify::check_roots(&pem)?;
        Ok(Self {
            roots: Some(pem),
            ..self
        })
    }
}
