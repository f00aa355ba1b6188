//! FTP over TLS (RFC 4217): AUTH TLS, and the protection of data connections.
//!
//! There is no way from here to plain FTP: a server that refuses to encrypt is an error, whatever FEAT says, since
//! anybody in between could have said it. Nor is the control connection ever brought back to clear text (CCC).

use std::io;

use crate::data::Transfer;
use crate::error::{Error, Kind, Op, is_not_tls};
use crate::session::Session;
use crate::settings::{Connection, DataProtection, Tls, Trust};
use crate::tls::{Context, Info};
use crate::transport::Host;

/// What helps where a server refuses data in clear text.
const WANTS_PRIVATE: &str = "It wants data connections to be encrypted: set `data_protection: private`.";

/// What a session is encrypted with.
#[derive(Debug)]
pub struct Protection {
    /// Data connections resume the session of the control connection: both come from here. Many servers insist, so
    /// that nobody else can connect to the port that they have named.
    context: Box<dyn Context>,
    server_name: String,
    /// Whether data connections are encrypted, as far as the server was told.
    data: bool,
    /// What the last data connection came to.
    pub last: Option<Info>,
    /// The server has said once that a data connection was at its end, and not only closed it.
    pub ends_are_said: bool,
    /// It was told already that it does not.
    pub told_of_open_ends: bool,
}

impl Protection {
    /// As the settings say; none for plain FTP.
    pub fn new(settings: &Connection, host: Host) -> Result<Option<Self>, Error> {
        if settings.tls == Tls::None {
            return Ok(None);
        }
        let certificate = settings.tls_client_certificate.as_deref();
        let context = (host.tls)(&settings.tls_trust, certificate).map_err(|failure| {
            // The host does not say which of the two it is. What is pinned was checked already.
            let field = match (&settings.tls_trust, certificate) {
                (Trust::HostDefault | Trust::Pinned(_), Some(_)) => "tls_client_certificate",
                _ => "tls_trust",
            };
            Error::tls_setting(&failure, field).ending_call()
        })?;
        Ok(Some(Self {
            context,
            server_name: settings.server_name().to_owned(),
            data: false,
            last: None,
            ends_are_said: false,
            told_of_open_ends: false,
        }))
    }
}

impl Session {
    /// What the control connection's TLS came to, when it has one.
    pub fn encryption(&self) -> Option<Info> {
        self.control.stream().info()
    }

    /// AUTH TLS, and the handshake.
    pub(crate) fn upgrade(&mut self, settings: &Connection) -> Result<(), Error> {
        let server = self.server.clone();
        let reply = self
            .command(Op::Secure, &server, "AUTH TLS")
            .map_err(Error::ending_call)?;
        if reply.code != 234 {
            let error = Error::reply(Op::Secure, &server, reply.code, &reply.text)
                .losing_session()
                .ending_call();
            return Err(match error.kind {
                Kind::Busy | Kind::Unreachable => error,
                _ => Error {
                    kind: Kind::Tls,
                    field: Some("/connection/tls".to_owned()),
                    message: format!(
                        "{} No password was sent. If the server speaks TLS from the first byte, set `tls: implicit`; \
                         plain FTP (`tls: none`) shows everything to everybody on the way.",
                        error.message
                    ),
                    ..error
                },
            });
        }
        if self.control.has_more() {
            // They are from before the handshake: from anybody (CVE-2011-0411 and its kin).
            let message = format!(
                "`{server}` said more in clear text after it had agreed to encrypt: somebody on the way may have put \
                 it there. Nothing was sent."
            );
            return Err(Error::new(Kind::Tls, message).losing_session().ending_call());
        }
        self.encrypt(settings)
    }

    /// Encrypts the control connection.
    pub(crate) fn encrypt(&mut self, settings: &Connection) -> Result<(), Error> {
        let Some(protection) = &self.tls else {
            return Ok(());
        };
        let opened = protection.context.open(&protection.server_name);
        let session =
            opened.map_err(|failure| Error::tls_setting(&failure, "tls_server_name").ending_call())?;
        let stream = self.control.stream();
        self.patience
            .for_a_reply(|| stream.secure(session))
            .map_err(|io| {
                let error = Error::io(Op::Secure, &self.server, &io).losing_session().ending_call();
                if settings.tls == Tls::Explicit || !is_not_tls(&io) {
                    return error;
                }
                Error {
                    message: format!(
                        "{} `tls: implicit` is for ports that speak TLS from the first byte, usually 990; most \
                         servers want `tls: explicit`, on port 21.",
                        error.message
                    ),
                    field: Some("/connection/tls".to_owned()),
                    ..error
                }
            })?;
        if let Some(info) = self.encryption() {
            self.control.trace.secured(&info);
        }
        Ok(())
    }

    /// PBSZ and PROT: whether data connections are encrypted. After signing in, where all servers take it.
    pub fn protect_data(&mut self, settings: &Connection) -> Result<(), Error> {
        if self.tls.is_none() {
            return Ok(());
        }
        let server = self.server.clone();
        // RFC 4217 section 9 wants it before PROT, and gives it no meaning. What counts is the answer to PROT.
        self.command(Op::Secure, &server, "PBSZ 0")
            .map_err(Error::ending_call)?;
        let (command, protects) = match settings.data_protection {
            DataProtection::Private => ("PROT P", true),
            DataProtection::Clear => ("PROT C", false),
        };
        let reply = self
            .command(Op::Secure, &server, command)
            .map_err(Error::ending_call)?;
        let agreed = match reply.code {
            200..=299 => true,
            // Data is protected from the start there, and some servers do not know the command.
            500 | 502 | 503 | 504 => settings.tls == Tls::Implicit && protects,
            _ => false,
        };
        if !agreed {
            let error = Error::reply(Op::Secure, &server, reply.code, &reply.text);
            let advice = if protects {
                "It does not encrypt data connections (PROT P). With `data_protection: clear` files and listings \
                 would go in clear text."
            } else {
                WANTS_PRIVATE
            };
            return Err(Error {
                kind: Kind::Tls,
                field: Some("/connection/data_protection".to_owned()),
                message: format!("{} {advice}", error.message),
                ..error
            }
            .losing_session()
            .ending_call());
        }
        if let Some(protection) = &mut self.tls {
            protection.data = protects;
        }
        Ok(())
    }

    /// A refusal that is about data in clear text, where that was asked for (RFC 4217 section 10.2 has 521 and 522).
    pub(crate) fn wanting_protection(&self, refusal: Error) -> Error {
        let in_clear = self.tls.as_ref().is_some_and(|protection| !protection.data);
        if !in_clear || !matches!(refusal.code, Some(521 | 522)) {
            return refusal;
        }
        Error {
            kind: Kind::Tls,
            field: Some("/connection/data_protection".to_owned()),
            message: format!("{} {WANTS_PRIVATE}", refusal.message),
            ..refusal
        }
    }

    /// Encrypts a data connection, when they are.
    pub(crate) fn protect(&mut self, transfer: &Transfer) -> io::Result<()> {
        let Some(protection) = self.tls.as_mut().filter(|protection| protection.data) else {
            return Ok(());
        };
        let session = protection.context.open(&protection.server_name)?;
        self.patience.for_a_reply(|| transfer.secure(session))?;
        protection.last = transfer.info();
        if let Some(info) = &protection.last {
            self.control.trace.secured(info);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Failure, Reason};

    /// A host that takes none of these settings.
    const STRICT: Host = Host {
        tls: |_, _| {
            Err(Failure {
                reason: Reason::Invalid,
                message: String::new(),
                certificate: None,
            })
        },
        ..Host::CALM
    };

    #[test]
    fn a_setting_that_the_host_does_not_take_is_named() {
        let pin = format!(r#""tls_trust":{{"pinned":"{}"}}"#, "00".repeat(32));
        let roots = r#""tls_trust":{"roots":"-----BEGIN CERTIFICATE-----"}"#;
        let certificate = r#""tls_client_certificate":"c""#;
        for (more, field) in [
            (roots.to_owned(), "tls_trust"),
            (r#""tls_trust":"insecure""#.to_owned(), "tls_trust"),
            (certificate.to_owned(), "tls_client_certificate"),
            (format!("{pin},{certificate}"), "tls_client_certificate"),
        ] {
            let json = format!(r#"{{"host":"h","tls":"explicit",{more}}}"#);
            let error = Protection::new(&Connection::parse(&json).unwrap(), STRICT).unwrap_err();
            assert_eq!(error.field, Some(format!("/connection/{field}")), "{more}");
            assert!(error.ends_call);
        }
    }
}
