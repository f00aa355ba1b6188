//! Steps of TLS. The probe carries the records between the host's sessions and its sockets, as every connector does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::bindings::flow::connector::tls::{self, Reason};
use crate::bodies::pattern;
use crate::expect;
use crate::script::{Content, TlsStep, Trust};
use crate::slots::{Slots, get};

/// How much is read from a socket at once.
const PIECE: usize = 16 << 10;

/// Does a step.
///
/// # Errors
/// When it goes otherwise.
pub fn perform(step: &TlsStep, slots: &mut Slots) -> Result<(), String> {
    match step {
        TlsStep::TlsContext {
            trust,
            client_certificate,
            place,
            expect: expected,
        } => {
            let trust = match trust {
                Trust::HostDefault => tls::Trust::HostDefault,
                Trust::Roots(pem) => tls::Trust::Roots(pem.clone()),
                Trust::Pinned(pins) => tls::Trust::Pinned(pins.iter().map(|pin| bytes(pin)).collect()),
                Trust::Insecure => tls::Trust::Insecure,
            };
            let came = match tls::Context::create(&trust, client_certificate.as_deref()) {
                Ok(context) => {
                    slots.contexts.insert(place.clone(), context);
                    "done".to_owned()
                }
                Err(error) => seen(&error),
            };
            expect(expected, &came)
        }
        TlsStep::TlsSession {
            of,
            server_name,
            place,
            expect: expected,
        } => {
            let came = match get(&mut slots.contexts, of)?.open(server_name) {
                Ok(session) => {
                    slots.sessions.insert(place.clone(), session);
                    "done".to_owned()
                }
                Err(error) => seen(&error),
            };
            expect(expected, &came)
        }
        _ => in_session(step, slots),
    }
}

/// Does a step of a session that is there.
fn in_session(step: &TlsStep, slots: &mut Slots) -> Result<(), String> {
    match step {
        TlsStep::TlsContext { .. } | TlsStep::TlsSession { .. } => unreachable!("these make one"),
        TlsStep::TlsEncrypt {
            of,
            text,
            expect: expected,
        } => expect(
            expected,
            &match get(&mut slots.sessions, of)?.encrypt(text.as_bytes()) {
                Ok(records) => amount(&records),
                Err(error) => seen(&error),
            },
        ),
        TlsStep::TlsDecrypt {
            of,
            text,
            expect: expected,
        } => expect(
            expected,
            &match get(&mut slots.sessions, of)?.decrypt(text.as_bytes()) {
                Ok(_) => "done".to_owned(),
                Err(error) => seen(&error),
            },
        ),
        TlsStep::TlsClose { of, expect: expected } => {
            expect(expected, &amount(&get(&mut slots.sessions, of)?.close()))
        }
        TlsStep::TlsInfo {
            of,
            expect: expected,
            resumed,
        } => {
            let info = get(&mut slots.sessions, of)?.info();
            if let (Some(info), Some(resumed)) = (&info, resumed) {
                expect(
                    &format!("resumed: {resumed}"),
                    &format!("resumed: {}", info.resumed),
                )?;
                if !info.version.starts_with("TLSv1.") || info.cipher.is_empty() {
                    return Err(format!("version {:?}, cipher {:?}", info.version, info.cipher));
                }
            }
            expect(expected, if info.is_some() { "info" } else { "none" })
        }
        TlsStep::TlsConnect {
            of,
            on,
            pieces,
            expect: expected,
        } => {
            let line = get(&mut slots.lines, on)?;
            let session = get(&mut slots.sessions, of)?;
            let came = match shake(session, line, pieces.unwrap_or(PIECE)) {
                Ok(()) => "done".to_owned(),
                Err(Broken::Tls(error)) => {
                    // The peer is told.
                    let _ = line.write_all(&session.close());
                    seen(&error)
                }
                Err(Broken::Line(reason)) => reason,
            };
            expect(expected, &came)
        }
        TlsStep::TlsTalk { of, on, content, end } => {
            let line = get(&mut slots.lines, on)?;
            let session = get(&mut slots.sessions, of)?;
            let text = match content {
                Content::Text(text) => text.clone().into_bytes(),
                Content::Pattern(length) => pattern(0, usize::try_from(*length).unwrap_or_default()),
            };
            talk(session, line, &text, *end).map_err(|broken| match broken {
                Broken::Tls(error) => seen(&error),
                Broken::Line(reason) => reason,
            })
        }
    }
}

enum Broken {
    Tls(Box<tls::Error>),
    Line(String),
}

impl From<tls::Error> for Broken {
    fn from(error: tls::Error) -> Self {
        Self::Tls(Box::new(error))
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Line(error.to_string())
    }
}

fn shake(session: &tls::Session, line: &mut TcpStream, piece: usize) -> Result<(), Broken> {
    line.write_all(&session.encrypt(&[])?)?;
    let mut buffer = vec![0; PIECE];
    loop {
        let count = line.read(&mut buffer)?;
        if count == 0 {
            return Err(Broken::Line("the server ended the connection".to_owned()));
        }
        let mut handshaking = true;
        for part in buffer[..count].chunks(piece.max(1)) {
            let received = session.decrypt(part)?;
            line.write_all(&received.reply)?;
            handshaking = received.handshaking;
        }
        if !handshaking {
            return Ok(());
        }
    }
}

fn talk(session: &tls::Session, line: &mut TcpStream, text: &[u8], end: bool) -> Result<(), Broken> {
    // Word by word, so that neither side has to store what the other does not read.
    let mut buffer = vec![0; PIECE];
    for piece in text.chunks(PIECE) {
        line.write_all(&session.encrypt(piece)?)?;
        let mut heard = Vec::new();
        while heard.len() < piece.len() {
            let count = line.read(&mut buffer)?;
            if count == 0 {
                return Err(Broken::Line("the server ended the connection".to_owned()));
            }
            let received = session.decrypt(&buffer[..count])?;
            line.write_all(&received.reply)?;
            heard.extend(received.plaintext);
        }
        if heard != piece {
            return Err(Broken::Line("the echo is another".to_owned()));
        }
    }
    if !end {
        return Ok(());
    }
    line.write_all(&session.close())?;
    loop {
        let count = line.read(&mut buffer)?;
        let received = session.decrypt(&buffer[..count])?;
        if received.closed {
            return Ok(());
        }
        if count == 0 {
            return Err(Broken::Line("the connection ended, and TLS did not".to_owned()));
        }
    }
}

fn amount(records: &[u8]) -> String {
    if records.is_empty() { "nothing" } else { "records" }.to_owned()
}

/// Bytes of hexadecimal digits, of which a wrong one counts as 0.
fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal
        .chars()
        .filter_map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit))
        .collect()
}

fn seen(error: &tls::Error) -> String {
    let reason = match error.reason {
        Reason::Expired => "expired",
        Reason::NotYetValid => "not-yet-valid",
        Reason::WrongName => "wrong-name",
        Reason::UnknownIssuer => "unknown-issuer",
        Reason::SelfSigned => "self-signed",
        Reason::NotPinned => "not-pinned",
        Reason::Revoked => "revoked",
        Reason::BadCertificate => "bad-certificate",
        Reason::NoCommonVersion => "no-common-version",
        Reason::ClientCertificate => "client-certificate",
        Reason::NotTls => "not-tls",
        Reason::Protocol => "protocol",
        Reason::Denied => "denied",
        Reason::Invalid => "invalid",
    };
    format!("error {reason}")
}
