//! The host, as the FTP side knows it: its functions, and the TLS sessions that it holds.

use flow_connector::context as run;
use flow_connector::tls as host;

use crate::settings::Trust;
use crate::tls::{Context, Failure, Info, Received, Session};
use crate::transport::{Host, Level};

/// The host's functions.
pub const HOST: Host = Host {
    cancelled: run::cancelled,
    remaining: run::remaining,
    traces: || run::keeps(Level::Trace),
    log: run::log,
    progress: run::progress,
    tls: context,
};

/// Trust, and the sessions of one control connection. The host looks for the client certificate among those that
/// it holds for this instance.
fn context(trust: &Trust, client_certificate: Option<&str>) -> Result<Box<dyn Context>, Failure> {
    let trust = match trust {
        Trust::HostDefault => host::Trust::HostDefault,
        Trust::Roots(pem) => host::Trust::Roots(pem.clone()),
        Trust::Pinned(pins) => host::Trust::Pinned(pins.iter().map(|pin| pin.bytes().to_vec()).collect()),
        Trust::Insecure => host::Trust::Insecure,
    };
    Ok(Box::new(host::create(&trust, client_certificate)?))
}

impl Context for host::Context {
    fn open(&self, server_name: &str) -> Result<Box<dyn Session>, Failure> {
        Ok(Box::new(Self::open(self, server_name)?))
    }
}

impl Session for host::Session {
    fn decrypt(&mut self, records: &[u8]) -> Result<Received, Failure> {
        Ok(Self::decrypt(self, records)?)
    }

    fn encrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(Self::encrypt(self, data)?)
    }

    fn close(&mut self) -> Vec<u8> {
        Self::close(self)
    }

    fn info(&self) -> Option<Info> {
        Self::info(self)
    }
}

impl From<host::Error> for Failure {
    fn from(error: host::Error) -> Self {
        Self {
            reason: error.reason,
            message: error.message,
            certificate: error.certificate.map(Box::new),
        }
    }
}
