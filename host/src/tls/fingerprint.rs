//! What an FTP server shows of itself: its certificate, without trust in it.
//!
//! For who has to decide whether to trust it. Nothing is signed in to, and no secret is sent.

mod place;

pub use place::{Mode, NoPlace, Place};

use super::fault::fault;
use super::refusal::carried;
use super::text::shown;
use super::verify::Verifier;
use super::{Context, Session, SystemTrust, TlsPolicy};
use crate::contract::tls::{Error, Info, Reason, Trust};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::UnixTime;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long each answer may take.
const WAIT: Duration = Duration::from_secs(10);
/// Bytes of one reply of the server. Greetings have some lines of legal notices.
const REPLY_LIMIT: usize = 32 * 1024;
/// Bytes of a handshake; chains of certificates have some thousand.
const HANDSHAKE_LIMIT: usize = 1024 * 1024;
/// Characters of a reply that a message repeats.
const REPLY_SHOWN: usize = 200;

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// The session, with the certificate.
    pub info: Info,
    /// Why this host would not trust the certificate for this name; none when it would.
    pub refusal: Option<Box<Error>>,
}

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// No connection.
    #[error("{place} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        place: Place,
        /// The system's reason.
        reason: String,
    },
    /// No answer in time.
    #[error("{place} did not answer within {} s: {hint}", WAIT.as_secs())]
    Silent {
        /// Where.
        place: Place,
        /// What was awaited, and what may be wrong.
        hint: &'static str,
    },
    /// The connection ended.
    #[error("{place} ended the connection {when}{}", reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Ended {
        /// Where.
        place: Place,
        /// At what moment.
        when: &'static str,
        /// The system's reason, where there is one.
        reason: Option<String>,
    },
    /// Not the reply that leads to TLS.
    #[error("{place} answered {reply:?} {when}: {hint}")]
    Reply {
        /// Where.
        place: Place,
        /// What it said, cut.
        reply: String,
        /// To what.
        when: &'static str,
        /// What would be right.
        hint: &'static str,
    },
    /// No TLS session.
    #[error("{}{hint}", error.message)]
    Tls {
        /// Why not.
        error: Box<Error>,
        /// What may help.
        hint: &'static str,
    },
}

/// Connects, and looks at what the server shows.
///
/// # Errors
/// When there is nothing to see.
pub async fn look(place: &Place) -> Result<Seen, LookError> {
    let policy = TlsPolicy {
        insecure: true,
        ..TlsPolicy::default()
    };
    let system = SystemTrust::default();
    let tls = |error| LookError::Tls { error, hint: "" };
    let context = Context::new(&Trust::Insecure, None, &policy, &system).map_err(tls)?;
    let mut session = context.open(&place.host).map_err(tls)?;
    let connect = TcpStream::connect((place.host.as_str(), place.port));
    let socket = match timeout(WAIT, connect).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            return Err(LookError::Unreachable {
                place: place.clone(),
                reason: error.to_string(),
            });
        }
        Err(_) => {
            let hint = "no connection came about; a firewall may be in between";
            return Err(LookError::Silent {
                place: place.clone(),
                hint,
            });
        }
    };
    let mut line = Line {
        place,
        socket,
        unread: Vec::new(),
    };
    if place.mode == Mode::Explicit {
        line.ask_for_tls().await?;
    }
    line.shake(&mut session).await?;
    let info = session.info().ok_or_else(|| {
        tls(fault(
            Reason::Protocol,
            "The handshake came to nothing.".to_owned(),
        ))
    })?;
    Ok(Seen {
        info,
        refusal: judge(&session, &policy, &system),
    })
}

/// Why the host's own trust would refuse what the server showed.
fn judge(session: &Session, policy: &TlsPolicy, system: &SystemTrust) -> Option<Box<Error>> {
    let own = match Verifier::new(&Trust::HostDefault, policy, system) {
        Ok(own) => own,
        Err(error) => return Some(error),
    };
    let (leaf, rest) = session.chain().split_first()?;
    let verified = own.verify_server_cert(leaf, rest, session.server_name(), &[], UnixTime::now());
    let error = verified.err()?;
    let refusal = carried(&error).map(|error| Box::new(error.clone()));
    refusal.or_else(|| Some(fault(Reason::BadCertificate, error.to_string())))
}

/// The control connection.
struct Line<'a> {
    place: &'a Place,
    socket: TcpStream,
    /// What arrived and was not read yet.
    unread: Vec<u8>,
}

impl Line<'_> {
    async fn ask_for_tls(&mut self) -> Result<(), LookError> {
        let silent = "no greeting came. Where TLS begins with the connection, the server waits for the client: try \
                      `--tls implicit`";
        let greeting = self.reply("before its greeting", silent).await?;
        self.expect(
            &greeting,
            "220",
            "for a greeting",
            "an FTP server greets with 220 when it is ready",
        )?;
        self.send(b"AUTH TLS\r\n", "when it was asked for TLS").await?;
        let reply = self
            .reply("when it was asked for TLS", "no answer to AUTH TLS came")
            .await?;
        self.expect(
            &reply,
            "234",
            "to AUTH TLS",
            "234 would agree to TLS (RFC 4217); without it the server has no explicit TLS at this port, or has it \
             switched off",
        )
    }

    fn expect(
        &self,
        reply: &str,
        code: &str,
        when: &'static str,
        hint: &'static str,
    ) -> Result<(), LookError> {
        if reply.starts_with(code) {
            return Ok(());
        }
        Err(LookError::Reply {
            place: self.place.clone(),
            reply: shown(&reply.trim_end().replace("\r\n", " "), REPLY_SHOWN),
            when,
            hint,
        })
    }

    /// A whole reply (RFC 959, section 4.2), also one of several lines.
    async fn reply(&mut self, when: &'static str, silent: &'static str) -> Result<String, LookError> {
        loop {
            if let Some(end) = reply_end(&self.unread) {
                let reply: Vec<u8> = self.unread.drain(..end).collect();
                return Ok(String::from_utf8_lossy(&reply).into_owned());
            }
            if self.unread.len() > REPLY_LIMIT {
                return Err(LookError::Reply {
                    place: self.place.clone(),
                    reply: shown(&String::from_utf8_lossy(&self.unread), REPLY_SHOWN),
                    when: "and went on",
                    hint: "a reply of FTP has an end",
                });
            }
            let arrived = self.receive(when, silent).await?;
            self.unread.extend(arrived);
        }
    }

    async fn shake(&mut self, session: &mut Session) -> Result<(), LookError> {
        const WHEN: &str = "in the middle of the TLS handshake";
        const SILENT: &str = "the TLS handshake does not go on. Where TLS begins later, the server may wait for a \
                              command: try `--tls explicit`";
        let place = self.place.clone();
        let tls = |error: Box<Error>| {
            let hint = match (error.reason, place.mode) {
                (Reason::NotTls, Mode::Implicit) => " Try `--tls explicit`.",
                _ => "",
            };
            LookError::Tls { error, hint }
        };
        let hello = session.encrypt(&[]).map_err(tls)?;
        self.send(&hello, WHEN).await?;
        let mut arrived = std::mem::take(&mut self.unread);
        let mut total = 0;
        loop {
            total += arrived.len();
            let received = session.decrypt(arrived);
            if received.is_err() {
                // The server is told why; that it has gone is no news.
                let _ = self.send(&session.close(), WHEN).await;
            }
            let received = received.map_err(tls)?;
            self.send(&received.reply, WHEN).await?;
            if !received.handshaking {
                let _ = self.send(&session.close(), WHEN).await;
                return Ok(());
            }
            if total > HANDSHAKE_LIMIT {
                let message = format!("The TLS handshake with {place} has no end.");
                return Err(tls(fault(Reason::Protocol, message)));
            }
            arrived = self.receive(WHEN, SILENT).await?;
        }
    }

    /// What arrives next, within the time limit.
    async fn receive(&mut self, when: &'static str, silent: &'static str) -> Result<Vec<u8>, LookError> {
        let mut buffer = Vec::with_capacity(16 * 1024);
        match timeout(WAIT, self.socket.read_buf(&mut buffer)).await {
            Err(_) => Err(LookError::Silent {
                place: self.place.clone(),
                hint: silent,
            }),
            Ok(Ok(0)) => Err(self.ended(when, None)),
            Ok(Ok(_)) => Ok(buffer),
            Ok(Err(error)) => Err(self.ended(when, Some(&error))),
        }
    }

    async fn send(&mut self, bytes: &[u8], when: &'static str) -> Result<(), LookError> {
        match timeout(WAIT, self.socket.write_all(bytes)).await {
            Err(_) => Err(LookError::Silent {
                place: self.place.clone(),
                hint: "it does not take what is sent",
            }),
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.ended(when, Some(&error))),
        }
    }

    fn ended(&self, when: &'static str, error: Option<&io::Error>) -> LookError {
        LookError::Ended {
            place: self.place.clone(),
            when,
            reason: error.map(ToString::to_string),
        }
    }
}

/// Where a reply ends; none when it is not whole. What is no reply of FTP ends with its first line.
fn reply_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut code: Option<&[u8]> = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            return None;
        }
        at += line.len();
        match (code, line) {
            (None, [first, second, third, b'-', ..])
                if [first, second, third].iter().all(|digit| digit.is_ascii_digit()) =>
            {
                code = line.get(..3);
            }
            (None, _) => return Some(at),
            (Some(code), _) => {
                if line.starts_with(code) && line.get(3) == Some(&b' ') {
                    return Some(at);
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_may_have_several_lines() {
        assert_eq!(reply_end(b"220 Hello\r\n16"), Some(11));
        assert_eq!(reply_end(b"220 Hell"), None);
        assert_eq!(reply_end(b"220-Hello\r\n 220 not yet\r\n"), None);
        assert_eq!(reply_end(b"220-Hello\r\n221 no\r\n220 now\r\n"), Some(28));
        assert_eq!(reply_end(b"SSH-2.0\r\n"), Some(9));
    }
}
