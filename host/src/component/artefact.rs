//! The bytes of a connector with their digest, which is of these bytes and no others.

use crate::flow::problem;
use crate::tls::fingerprint_text;
use crate::{FTP_COMPONENT, FTP_DIGEST};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fs;
use std::path::Path;

/// Connectors that the host knows by name.
const BUILT_IN: [(&str, &[u8], &[u8; 32]); 1] = [("ftp", FTP_COMPONENT, FTP_DIGEST)];

/// A component as it was read, once: what is compared with a pinned digest is what is compiled.
#[derive(Clone)]
pub struct Artefact<'a> {
    bytes: Cow<'a, [u8]>,
    digest: [u8; 32],
}

/// No connector under a name or path.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// Neither a built-in name nor a path.
    #[error(
        "`{name}` is not a connector that the host knows by name{hint}. Any other is given as the path of its `.wasm` file"
    )]
    Unknown {
        /// The name.
        name: String,
        /// What there is.
        hint: String,
    },
    /// The file cannot be read.
    #[error("the connector {path} cannot be read: {reason}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        reason: String,
    },
}

impl<'a> Artefact<'a> {
    /// Bytes that the caller has.
    #[must_use]
    pub fn new(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        let bytes = bytes.into();
        let digest = Sha256::digest(&bytes).into();
        Self { bytes, digest }
    }

    /// The component.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its SHA-256.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl Artefact<'static> {
    /// A built-in connector by its name, or a `.wasm` file by its path, relative to `folder`.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(name: &str, folder: &Path) -> Result<Self, ConnectorError> {
        if let Some((_, bytes, digest)) = BUILT_IN.iter().find(|(built_in, ..)| *built_in == name) {
            return Ok(Self {
                bytes: Cow::Borrowed(bytes),
                digest: **digest,
            });
        }
        let is_path = name.contains(['/', '\\']) || Path::new(name).extension().is_some();
        if !is_path {
            let hint = problem::hint(name, BUILT_IN.iter().map(|(name, ..)| *name));
            return Err(ConnectorError::Unknown {
                name: name.to_owned(),
                hint,
            });
        }
        let path = folder.join(name);
        fs::read(&path)
            .map(Self::new)
            .map_err(|error| ConnectorError::File {
                path: path.display().to_string(),
                reason: error.to_string(),
            })
    }
}

/// A digest in 64 hexadecimal digits.
pub(crate) fn hexadecimal(digest: &[u8; 32]) -> String {
    let text = fingerprint_text(digest);
    text.strip_prefix("sha256:").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_the_bytes() {
        let built_in = Artefact::find("ftp", Path::new("")).expect("it is built in");
        assert_eq!(built_in.digest(), Artefact::new(FTP_COMPONENT).digest());
        assert_eq!(
            hexadecimal(Artefact::new(&b"abc"[..]).digest()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
