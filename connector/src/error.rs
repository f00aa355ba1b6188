//! Every failure of the connector. Which reply code means what is in `table`.

mod table;
mod tls;

use std::fmt::Write as _;
use std::io;

pub use flow_connector::{Effect, Kind, Retry};

use crate::encoding::{Unencodable, carried};
use crate::transport::{REPLY_TIMES, Stop};

use table::{classify, hint};

pub use tls::is_not_tls;

/// What was being done. Together with the reply code it decides the kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Opening the control connection and reading the greeting.
    Connect,
    /// AUTH, PBSZ, PROT, and handshakes.
    Secure,
    /// USER and PASS.
    SignIn,
    /// FEAT, TYPE, OPTS and the like.
    SetUp,
    /// CWD.
    EnterFolder,
    /// MLSD, LIST or NLST.
    List,
    /// SIZE, MDTM, MLST.
    Stat,
    /// RETR.
    Read,
    /// STOR under a temporary name.
    Store,
    /// APPE.
    Append,
    /// RNFR.
    RenameFrom,
    /// RNTO.
    RenameTo,
    /// DELE.
    Delete,
    /// MKD.
    MakeFolder,
    /// RMD.
    RemoveFolder,
    /// SITE CHMOD.
    Chmod,
    /// MFMT, or MDTM with a time.
    SetModified,
}

impl Op {
    /// The operation in words that fit after "cannot".
    fn words(self) -> &'static str {
        match self {
            Self::Connect => "connect to",
            Self::Secure => "encrypt the connection to",
            Self::SignIn => "sign in to",
            Self::SetUp => "set up the session with",
            Self::EnterFolder => "enter folder",
            Self::List => "list folder",
            Self::Stat => "look at",
            Self::Read => "read",
            Self::Store => "store",
            Self::Append => "append to",
            Self::RenameFrom => "rename",
            Self::RenameTo => "rename to",
            Self::Delete => "delete",
            Self::MakeFolder => "make folder",
            Self::RemoveFolder => "remove folder",
            Self::Chmod => "set the visibility of",
            Self::SetModified => "set the time of",
        }
    }

    /// What a reply that never came leaves behind. `Store` writes a temporary name, which is removed.
    fn effect_of_lost_reply(self) -> Effect {
        match self {
            Self::Append | Self::RenameTo | Self::Delete => Effect::Unknown,
            Self::Store => Effect::Partial,
            _ => Effect::None,
        }
    }
}

/// A failure. `message` is one sentence for a person and never carries a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What went wrong.
    pub kind: Kind,
    /// What failed, where, and what would be right.
    pub message: String,
    /// The FTP reply code.
    pub code: Option<u16>,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What was left behind.
    pub effect: Effect,
    /// JSON Pointer to the setting that is to be changed.
    pub field: Option<String>,
    /// The session cannot be used any more.
    pub session_lost: bool,
    /// The call as a whole cannot go on, so there is no use in trying the next payload.
    pub ends_call: bool,
}

impl Error {
    /// A failure that no retry helps and that leaves nothing behind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            code: None,
            retry: Retry::Never,
            effect: Effect::None,
            field: None,
            session_lost: false,
            ends_call: false,
        }
    }

    /// A wrong setting. `field` is its JSON Pointer, for example `/options/path`.
    pub fn setting(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..Self::new(Kind::InvalidSettings, message)
        }
    }

    /// The host asked to stop.
    pub fn cancelled() -> Self {
        Self {
            session_lost: true,
            ends_call: true,
            ..Self::new(Kind::Cancelled, "The call was cancelled.")
        }
    }

    /// The same failure with trying again allowed.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self {
            retry: Retry::Backoff,
            ..self
        }
    }

    /// The same failure, after which the session is not to be used.
    #[must_use]
    pub fn losing_session(self) -> Self {
        Self {
            session_lost: true,
            ..self
        }
    }

    /// The same failure as the end of the whole call.
    #[must_use]
    pub fn ending_call(self) -> Self {
        Self {
            ends_call: true,
            ..self
        }
    }

    /// The same failure after part of the work was done, which stays.
    #[must_use]
    pub fn after_a_part(self) -> Self {
        let effect = match self.effect {
            Effect::None => Effect::Partial,
            effect => effect,
        };
        self.leaving(effect)
    }

    /// The same failure with another effect.
    #[must_use]
    pub fn leaving(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    /// What a reply code says about an operation on `subject`. `text` is the server's own, unchecked.
    pub fn reply(op: Op, subject: &str, code: u16, text: &str) -> Self {
        let (kind, retry) = classify(op, code);
        let mut message = format!(
            "The server refused to {} `{}`: {code}",
            op.words(),
            printable(subject)
        );
        let text = printable(text);
        let text = text.trim_end_matches('.');
        if !text.is_empty() {
            message.push_str(", \"");
            message.push_str(text);
            message.push('"');
        }
        message.push('.');
        if let Some(hint) = hint(op, kind) {
            message.push(' ');
            message.push_str(hint);
        }
        Self {
            code: Some(code),
            retry,
            // 421 closes the control connection; 530 in the middle means that we are signed out.
            session_lost: matches!(code, 421 | 530),
            ..Self::new(kind, message)
        }
    }

    /// A command has a character that the server's encoding has not got, so it was not sent.
    fn unencodable(op: Op, what: &str, missing: &Unencodable) -> Self {
        // What cannot be sent while signing in may be part of a secret.
        let character = if op == Op::SignIn {
            "a character of it".to_owned()
        } else {
            format!("the character `{}`", printable(&missing.character.to_string()))
        };
        Self::setting(
            "/connection/encoding",
            format!(
                "{what}: {character} is not in {}, which the setting `encoding` names.",
                missing.encoding
            ),
        )
    }

    /// What a failure of the byte stream says about an operation on `subject`.
    pub fn io(op: Op, subject: &str, error: &io::Error) -> Self {
        let what = format!("Cannot {} `{}`", op.words(), printable(subject));
        if let Some(missing) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::unencodable(op, &what, missing);
        }
        if let Some(failure) = tls::failure_of(error) {
            return Self::tls(op, &what, failure);
        }
        let lost = |kind, message: String| Self {
            effect: op.effect_of_lost_reply(),
            session_lost: true,
            ..Self::new(kind, message)
        };
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Stop>()) {
            Some(Stop::Cancelled) => {
                return Self {
                    effect: op.effect_of_lost_reply(),
                    ..Self::cancelled()
                };
            }
            Some(Stop::TimedOut(limit)) => {
                let seconds = limit.as_secs_f64();
                return lost(Kind::Timeout, format!("{what}: no answer within {seconds:.0} s.")).retryable();
            }
            Some(Stop::Unfinished { heard, within }) => {
                let seconds = within.as_secs_f64();
                let message = format!(
                    "{what}: the server sent {heard} bytes in {seconds:.0} s and came to no end; a reply, a handshake \
                     and a line of a listing must be whole within {REPLY_TIMES} times the setting `timeout`."
                );
                return lost(Kind::Timeout, message).retryable();
            }
            Some(Stop::CallOver) => {
                return lost(
                    Kind::Timeout,
                    format!("{what}: the time that the host gives this call is up."),
                )
                .ending_call();
            }
            Some(Stop::Unresolved(name)) => {
                return lost(
                    Kind::Unreachable,
                    format!(
                        "{what}: the name `{}` does not resolve; check the setting `host`.",
                        printable(name)
                    ),
                );
            }
            None => {}
        }
        match error.kind() {
            io::ErrorKind::InvalidData => lost(
                Kind::Protocol,
                format!(
                    "{what}: the server's answer is not FTP ({}); check `host` and `port`.",
                    printable(&error.to_string())
                ),
            ),
            io::ErrorKind::PermissionDenied => lost(
                Kind::DeniedByHost,
                format!("{what}: the host's policy does not allow this connection."),
            ),
            io::ErrorKind::InvalidInput => Self::new(
                Kind::InvalidSettings,
                format!("{what}: it cannot be part of an FTP command."),
            ),
            io::ErrorKind::ConnectionRefused => {
                lost(Kind::Unreachable, format!("{what}: the connection was refused.")).retryable()
            }
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => {
                lost(Kind::Unreachable, format!("{what}: the connection broke.")).retryable()
            }
            _ => lost(
                Kind::Unreachable,
                format!("{what}: {}.", printable(&error.to_string())),
            )
            .retryable(),
        }
    }
}

impl From<Error> for flow_connector::Error {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind,
            message: error.message,
            code: error.code.map(|code| code.to_string()),
            retry: error.retry,
            effect: error.effect,
            field: error.field,
            ends_call: error.ends_call,
        }
    }
}

/// A failure that has nothing to do with a session.
impl From<flow_connector::Error> for Error {
    fn from(error: flow_connector::Error) -> Self {
        Self {
            kind: error.kind,
            message: error.message,
            code: error.code.and_then(|code| code.parse().ok()),
            retry: error.retry,
            effect: error.effect,
            field: error.field,
            session_lost: false,
            ends_call: error.ends_call,
        }
    }
}

/// Text that came from outside, made fit for a log line: no control characters, bytes that were no text as
/// `\xNN`, bounded.
pub fn printable(text: &str) -> String {
    if !text.contains(|c| carried(c).is_some()) {
        return flow_connector::printable(text);
    }
    let shown = text.chars().fold(String::new(), |mut shown, c| {
        match carried(c) {
            Some(byte) => {
                let _ = write!(shown, "\\x{byte:02X}");
            }
            None => shown.push(c),
        }
        shown
    });
    flow_connector::printable(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_no_control_characters() {
        let error = Error::reply(Op::Read, "a\r\nb", 550, "no\tsuch\u{1b}[31m file\r\n");
        assert!(!error.message.chars().any(char::is_control), "{}", error.message);
        assert_eq!(error.code, Some(550));
    }

    #[test]
    fn a_byte_that_is_no_text_is_shown_as_one() {
        assert_eq!(printable("Gr\u{EFFC}\u{EFDF}e.csv"), "Gr\\xFC\\xDFe.csv");
        assert!(printable(&"x".repeat(1000)).ends_with('…'));
    }

    #[test]
    fn a_character_that_cannot_be_sent_is_named_unless_it_may_be_secret() {
        let missing = Unencodable {
            character: '文',
            encoding: "windows-1252",
        };
        let error = io::Error::new(io::ErrorKind::InvalidInput, missing);
        let told = Error::io(Op::Read, "文.csv", &error);
        assert_eq!(told.kind, Kind::InvalidSettings);
        assert_eq!(told.field.as_deref(), Some("/connection/encoding"));
        assert!(told.message.contains("`文`") && told.message.contains("windows-1252"));
        assert!(!told.session_lost);
        assert!(!Error::io(Op::SignIn, "h:21", &error).message.contains('文'));
    }

    #[test]
    fn a_lost_reply_says_what_is_not_known() {
        let broken = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(Error::io(Op::Delete, "a", &broken).effect, Effect::Unknown);
        assert_eq!(Error::io(Op::RenameTo, "a", &broken).effect, Effect::Unknown);
        assert_eq!(Error::io(Op::Append, "a", &broken).effect, Effect::Unknown);
        assert_eq!(Error::io(Op::Read, "a", &broken).effect, Effect::None);
        assert!(Error::io(Op::Read, "a", &broken).session_lost);
    }

    #[test]
    fn a_harmless_refusal_keeps_the_session() {
        assert!(!Error::reply(Op::Read, "a", 550, "").session_lost);
        assert!(Error::reply(Op::Read, "a", 421, "").session_lost);
    }
}
