//! A failure as hosts understand it.

use std::io;

use serde_json::{Value, json};

use crate::bindings::flow::connector::types;
pub use crate::bindings::flow::connector::types::{Effect, ErrorKind as Kind, Retry};

/// A failure. `message` is one sentence for a person: what failed, where, and what would be right. It never carries a
/// secret.
///
/// Unless told otherwise no retry helps, nothing is left behind, and only the payload at hand has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What went wrong, by who has to act.
    pub kind: Kind,
    /// For a person.
    pub message: String,
    /// The remote system's own code.
    pub code: Option<String>,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What was left behind.
    pub effect: Effect,
    /// JSON Pointer to the setting that is to be changed: below `/connection` or `/options`.
    pub field: Option<String>,
    /// The call as a whole cannot go on, so there is no use in taking the next payload.
    pub ends_call: bool,
}

/// A constructor for each kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $kind:ident,)*) => {
        impl Error {
            $($(#[$doc])*
            pub fn $name(message: impl Into<String>) -> Self {
                Self::new(Kind::$kind, message)
            })*
        }
    };
}

kinds! {
    /// The remote system does not accept the account.
    authentication => Authentication,
    /// The account may not do this.
    permission => Permission,
    /// What was asked for is not there.
    not_found => NotFound,
    /// Something is in the way.
    conflict => Conflict,
    /// No connection, or it broke.
    unreachable => Unreachable,
    /// No answer within the time that the settings allow.
    timeout => Timeout,
    /// The remote system has no room for us now.
    busy => Busy,
    /// TLS failed.
    tls => Tls,
    /// The remote system broke its protocol.
    protocol => Protocol,
    /// Bytes are missing or wrong.
    data => Data,
    /// The host's policy forbids it.
    denied_by_host => DeniedByHost,
    /// The remote system, or this version of the connector, does not offer this.
    unsupported => Unsupported,
    /// A fault of the connector.
    internal => Internal,
}

impl Error {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            code: None,
            retry: Retry::Never,
            effect: Effect::None,
            field: None,
            ends_call: false,
        }
    }

    /// A wrong setting. `field` is its JSON Pointer (RFC 6901), for example `/options/path`.
    pub fn setting(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..Self::new(Kind::InvalidSettings, message)
        }
    }

    /// The host asked to stop.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "The call was cancelled.").ending_call()
    }

    /// The same failure with the remote system's own code.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self {
            code: Some(code.into()),
            ..self
        }
    }

    /// The same failure with trying again allowed, after a pause that grows.
    #[must_use]
    pub fn retryable(self) -> Self {
        Self {
            retry: Retry::Backoff,
            ..self
        }
    }

    /// The same failure with trying again allowed after this many milliseconds.
    #[must_use]
    pub fn retryable_after_ms(self, ms: u64) -> Self {
        Self {
            retry: Retry::AfterMs(ms),
            ..self
        }
    }

    /// The same failure with another effect.
    #[must_use]
    pub fn leaving(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    /// The same failure as the end of the whole call.
    #[must_use]
    pub fn ending_call(self) -> Self {
        Self {
            ends_call: true,
            ..self
        }
    }
}

impl Error {
    /// The failure as the contract tells it.
    pub(crate) fn as_told(error: types::Error) -> Self {
        let details: Option<Value> = error.details.and_then(|json| serde_json::from_str(&json).ok());
        let field = details.as_ref().and_then(|details| details["field"].as_str());
        Self {
            kind: error.kind,
            message: error.message,
            code: error.code,
            retry: error.retry,
            effect: error.effect,
            field: field.map(str::to_owned),
            ends_call: error.kind == Kind::Cancelled,
        }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind,
            message: error.message,
            code: error.code,
            retry: error.retry,
            effect: error.effect,
            details: error.field.map(|field| json!({ "field": field }).to_string()),
        }
    }
}

/// A failure that the host reports to us. It is not to be tried again here: what a host refuses once it refuses again.
impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        Self {
            retry: Retry::Never,
            effect: Effect::None,
            ..Self::as_told(error)
        }
    }
}

/// A failure of a stream or a socket. One of ours that travelled inside comes out as it was.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Io;
        let told = format!("{}.", crate::printable(&error.to_string()));
        let kind = match error.kind() {
            Io::NotFound => Kind::NotFound,
            // What a sandbox says of an address that its policy does not allow.
            Io::PermissionDenied => Kind::DeniedByHost,
            Io::TimedOut => Kind::Timeout,
            Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::BrokenPipe
            | Io::NotConnected
            | Io::HostUnreachable
            | Io::NetworkUnreachable => Kind::Unreachable,
            Io::InvalidData | Io::UnexpectedEof => Kind::Data,
            Io::Unsupported => Kind::Unsupported,
            _ => match error.downcast::<Self>() {
                Ok(ours) => return ours,
                Err(_) => Kind::Internal,
            },
        };
        let error = Self::new(kind, told);
        match kind {
            Kind::Timeout | Kind::Unreachable => error.retryable(),
            _ => error,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_names_its_field_to_programs() {
        let told = types::Error::from(Error::setting("/options/a~1b", "It is wrong."));
        assert_eq!(told.details.as_deref(), Some(r#"{"field":"/options/a~1b"}"#));
        assert_eq!(Error::from(told).field.as_deref(), Some("/options/a~1b"));
    }

    #[test]
    fn what_the_host_refuses_is_not_tried_again_here() {
        let told = types::Error::from(Error::busy("The disk is full.").retryable());
        assert_eq!(told.retry, Retry::Backoff);
        let heard = Error::from(told);
        assert_eq!((heard.retry, heard.ends_call), (Retry::Never, false));
        assert!(Error::from(types::Error::from(Error::cancelled())).ends_call);
    }

    #[test]
    fn ours_comes_out_of_an_io_error_as_it_went_in() {
        let ours = Error::data("Line 7 has no end.").leaving(Effect::Partial);
        assert_eq!(Error::from(io::Error::from(ours.clone())), ours);
        let broken = Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!((broken.kind, broken.retry), (Kind::Unreachable, Retry::Backoff));
        assert_eq!(Error::from(io::Error::other("x")).kind, Kind::Internal);
    }
}
