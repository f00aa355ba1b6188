//! TLS as the connector knows it: sessions that somebody else holds, and what they tell. The host holds them in
//! the component (`held`); `secured` carries their records over a socket.

pub mod secured;
#[cfg(test)]
pub mod tests;

use std::fmt;

pub use flow_connector::tls::{Certificate, Info, Reason, Received};

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

/// A server's certificate as the setting `tls_trust` takes it: its hash. Its texts are the server's own, unchecked.
pub fn pin(certificate: &Certificate) -> String {
    certificate
        .sha256
        .iter()
        .fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
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
