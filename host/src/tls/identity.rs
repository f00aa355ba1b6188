//! Client certificates with their private keys, as an instance of a flow has them.

use super::provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The client certificates of one instance, by the names that its connector knows.
pub type Identities = BTreeMap<String, Identity>;

/// Bytes of a PEM file: a chain of certificates has a few thousand.
const FILE_LIMIT: u64 = 1024 * 1024;

/// A client certificate, the chain to its root, and its private key, which never shows.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// What something was read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The certificate with its chain.
    Certificate,
    /// The private key.
    Key,
}

/// Where a certificate or a key is from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// A text that the program has itself.
    Text(Part),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Text(Part::Certificate) => formatter.write_str("the certificate's text"),
            Self::Text(Part::Key) => formatter.write_str("the key's text"),
        }
    }
}

/// Why there is no client certificate. Never holds anything of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("the file {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// For what it was read.
        part: Part,
        /// Which.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// Not PEM.
    #[error("{origin} is not PEM text (RFC 7468): {reason}")]
    NotPem {
        /// For what it was read.
        part: Part,
        /// Where it is from.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
    /// There is no certificate.
    #[error("there is no certificate in {0}: it has to hold `-----BEGIN CERTIFICATE-----`")]
    NoCertificate(Origin),
    /// There is no private key.
    #[error("there is no private key in {0}: it has to hold `-----BEGIN PRIVATE KEY-----`")]
    NoKey(Origin),
    /// The private key has a password.
    #[error(
        "the private key in {0} is encrypted: decrypt it first, for example with `openssl pkey -in KEY -out NEW`"
    )]
    Encrypted(Origin),
    /// A key of a kind that is not supported, or a damaged one.
    #[error(
        "the private key in {0} cannot be used: it has to be an RSA (2048 to 8192 bits), ECDSA (P-256, P-384) or Ed25519 key"
    )]
    UnusableKey(Origin),
    /// A damaged certificate.
    #[error("the certificate in {0} cannot be read")]
    BadCertificate(Origin),
    /// The key belongs to another certificate.
    #[error("the private key in {key} does not belong to the first certificate in {certificate}")]
    Mismatch {
        /// Where the key is from.
        key: Origin,
        /// Where the certificate is from.
        certificate: Origin,
    },
}

impl IdentityError {
    /// Whether the private key is what is wrong, rather than the certificate.
    #[must_use]
    pub fn is_of_key(&self) -> bool {
        match self {
            Self::Unreadable { part, .. } | Self::NotPem { part, .. } => *part == Part::Key,
            Self::NoKey(_) | Self::Encrypted(_) | Self::UnusableKey(_) | Self::Mismatch { .. } => true,
            Self::NoCertificate(_) | Self::BadCertificate(_) => false,
        }
    }
}

impl Identity {
    /// Reads a certificate, with its chain behind it, and its private key (PKCS #8, PKCS #1 or SEC 1), both PEM. They
    /// may be in the same file.
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let chain = read(Part::Certificate, certificate)?;
        let private = read(Part::Key, key)?;
        Self::of(
            (&chain, Origin::File(certificate.to_owned())),
            (&private, Origin::File(key.to_owned())),
        )
    }

    /// The same of texts that the program has itself.
    ///
    /// # Errors
    /// When they are not what they have to be, or do not belong together.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, IdentityError> {
        Self::of(
            (certificate.as_bytes(), Origin::Text(Part::Certificate)),
            (key.as_bytes(), Origin::Text(Part::Key)),
        )
    }

    fn of(
        (chain, certificate): (&[u8], Origin),
        (private, key): (&[u8], Origin),
    ) -> Result<Self, IdentityError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| not_pem(Part::Certificate, certificate.clone(), &error))?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate(certificate));
        }
        let private = private_key(private, &key)?;
        let unusable = |error| match error {
            rustls::Error::InconsistentKeys(_) => IdentityError::Mismatch { key, certificate },
            rustls::Error::InvalidCertificate(_) => IdentityError::BadCertificate(certificate),
            _ => IdentityError::UnusableKey(key),
        };
        let certified = CertifiedKey::from_der(chain, private, &provider()).map_err(unusable)?;
        Ok(Self(Arc::new(certified)))
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

fn private_key(text: &[u8], origin: &Origin) -> Result<PrivateKeyDer<'static>, IdentityError> {
    // Both the label of PKCS #8 and the header of the older form (RFC 1421) are known by this word.
    let encrypted = String::from_utf8_lossy(text)
        .lines()
        .any(|line| line.starts_with("-----BEGIN ENCRYPTED") || line.starts_with("Proc-Type: 4,ENCRYPTED"));
    if encrypted {
        return Err(IdentityError::Encrypted(origin.clone()));
    }
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(IdentityError::NoKey(origin.clone())),
        Err(error) => Err(not_pem(Part::Key, origin.clone(), &error)),
    }
}

fn read(part: Part, path: &Path) -> Result<Vec<u8>, IdentityError> {
    let unreadable = |reason: String| IdentityError::Unreadable {
        part,
        path: path.to_owned(),
        reason,
    };
    let size = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if size.len() > FILE_LIMIT {
        return Err(unreadable(format!("it has more than {FILE_LIMIT} bytes")));
    }
    fs::read(path).map_err(|error| unreadable(error.to_string()))
}

fn not_pem(part: Part, origin: Origin, error: &pem::Error) -> IdentityError {
    // The kind alone: what else an error of PEM holds are lines of the file, and one with a key is not to be shown.
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "an `-----END …-----` line is missing",
        pem::Error::IllegalSectionStart { .. } => "a `-----BEGIN …-----` line is malformed",
        pem::Error::Base64Decode(_) => "its Base64 text is malformed",
        _ => "it is malformed",
    };
    IdentityError::NotPem {
        part,
        origin,
        reason: reason.to_owned(),
    }
}
