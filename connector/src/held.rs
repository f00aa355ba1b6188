//! The TLS sessions that the host holds, as `tls` knows them.

use crate::bindings::flow::connector::tls as host;
use crate::settings::Trust;
use crate::tls::{Certificate, Context, Failure, Info, Reason, Received, Session};

/// Trust, and the sessions of one control connection. The host looks for the client certificate among those that
/// it holds for this instance.
pub fn context(trust: &Trust, client_certificate: Option<&str>) -> Result<Box<dyn Context>, Failure> {
    let trust = match trust {
        Trust::HostDefault => host::Trust::HostDefault,
        Trust::Roots(pem) => host::Trust::Roots(pem.clone()),
        Trust::Pinned(pins) => host::Trust::Pinned(pins.iter().map(|pin| pin.bytes().to_vec()).collect()),
        Trust::Insecure => host::Trust::Insecure,
    };
    Ok(Box::new(host::Context::create(&trust, client_certificate)?))
}

impl Context for host::Context {
    fn open(&self, server_name: &str) -> Result<Box<dyn Session>, Failure> {
        Ok(Box::new(Self::open(self, server_name)?))
    }
}

impl Session for host::Session {
    fn decrypt(&mut self, records: &[u8]) -> Result<Received, Failure> {
        let received = Self::decrypt(self, records)?;
        Ok(Received {
            plaintext: received.plaintext,
            reply: received.reply,
            handshaking: received.handshaking,
            closed: received.closed,
        })
    }

    fn encrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(Self::encrypt(self, data)?)
    }

    fn close(&mut self) -> Vec<u8> {
        Self::close(self)
    }

    fn info(&self) -> Option<Info> {
        let info = Self::info(self)?;
        Some(Info {
            version: info.version,
            cipher: info.cipher,
            resumed: info.resumed,
            certificate: info.certificate.map(Into::into),
        })
    }
}

impl From<host::Certificate> for Certificate {
    fn from(certificate: host::Certificate) -> Self {
        Self {
            sha256: certificate.sha256,
            public_key_sha256: certificate.public_key_sha256,
            subject: certificate.subject,
            issuer: certificate.issuer,
            not_after_ms: certificate.not_after_ms,
            names: certificate.names,
        }
    }
}

impl From<host::Error> for Failure {
    fn from(error: host::Error) -> Self {
        Self {
            reason: error.reason.into(),
            message: error.message,
            certificate: error.certificate.map(|certificate| Box::new(certificate.into())),
        }
    }
}

impl From<host::Reason> for Reason {
    fn from(reason: host::Reason) -> Self {
        match reason {
            host::Reason::Expired => Self::Expired,
            host::Reason::NotYetValid => Self::NotYetValid,
            host::Reason::WrongName => Self::WrongName,
            host::Reason::UnknownIssuer => Self::UnknownIssuer,
            host::Reason::SelfSigned => Self::SelfSigned,
            host::Reason::NotPinned => Self::NotPinned,
            host::Reason::Revoked => Self::Revoked,
            host::Reason::BadCertificate => Self::BadCertificate,
            host::Reason::NoCommonVersion => Self::NoCommonVersion,
            host::Reason::ClientCertificate => Self::ClientCertificate,
            host::Reason::NotTls => Self::NotTls,
            host::Reason::Protocol => Self::Protocol,
            host::Reason::Denied => Self::Denied,
            host::Reason::Invalid => Self::Invalid,
        }
    }
}
