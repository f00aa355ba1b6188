//! TLS as the connector knows it: sessions that somebody else holds, and what they tell. The host holds them in
//! the component (`held`); `secured` carries their records over a socket.

pub mod secured;
#[cfg(test)]
pub mod tests;

use std::fmt;

use crate::settings::Trust;

/// Trust, and the sessions that the data connections of one control connection resume.
pub trait Context: fmt::Debug + Send {
    /// A session with the server of this name.
    fn open(&self, server_name: &str) -> Result<Box<dyn Session>, Failure>;
}

/// Makes a context: whom to believe, and which client certificate to show.
pub type Hold = fn(&Trust, Option<&str>) -> Result<Box<dyn Context>, Failure>;

/// One TLS connection without I/O: `wit/connector/tls.wit` says what each function does.
pub trait Session: fmt::Debug + Send {
    /// Takes bytes as they came from the socket.
    fn decrypt(&mut self, records: &[u8]) -> Result<Received, Failure>;
    /// Gives the records for data, or what is to be sent anyhow.
    fn encrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, Failure>;
    /// Gives the records that say that no more is sent.
    fn close(&mut self) -> Vec<u8>;
    /// What was agreed on.
    fn info(&self) -> Option<Info>;
}

/// What came of records that arrived.
#[derive(Debug, Default)]
pub struct Received {
    /// What they said.
    pub plaintext: Vec<u8>,
    /// Records to be sent.
    pub reply: Vec<u8>,
    /// The handshake goes on.
    pub handshaking: bool,
    /// The peer has said that it sends no more.
    pub closed: bool,
}

/// What a session came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// `TLSv1.2`, `TLSv1.3`.
    pub version: String,
    /// The cipher suite's IANA name.
    pub cipher: String,
    /// An earlier session was resumed.
    pub resumed: bool,
    /// The server's.
    pub certificate: Option<Certificate>,
}

/// A server's certificate. Its texts are the server's own, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the certificate.
    pub sha256: Vec<u8>,
    /// SHA-256 of its public key.
    pub public_key_sha256: Vec<u8>,
    /// Whose it is.
    pub subject: String,
    /// Who says so.
    pub issuer: String,
    /// When its validity ends, in milliseconds since 1970.
    pub not_after_ms: i64,
    /// The names it is for.
    pub names: Vec<String>,
}

impl Certificate {
    /// Its hash as the setting `tls_trust` takes it.
    pub fn pin(&self) -> String {
        self.sha256
            .iter()
            .fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// Why there is no session. The contract says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Expired,
    NotYetValid,
    WrongName,
    UnknownIssuer,
    SelfSigned,
    NotPinned,
    Revoked,
    BadCertificate,
    NoCommonVersion,
    ClientCertificate,
    NotTls,
    Protocol,
    Denied,
    Invalid,
}

/// A failure of TLS. Travels inside an `io::Error`; `error` says what it means to people.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// Which check failed, in the words of who holds the session.
    pub message: String,
    /// The certificate that was refused.
    pub certificate: Option<Box<Certificate>>,
}

impl From<Failure> for std::io::Error {
    fn from(failure: Failure) -> Self {
        Self::other(failure)
    }
}

/// The connection ended without the peer's word that it was the end (`close_notify`, RFC 8446 section 6.1): somebody
/// in between may have cut it. Travels inside an `io::Error`.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection ended without the end of its TLS session")]
pub struct Cut;
