//! The words of the contract (`wit/connector/types.wit`, `connector.wit`, `tls.wit`) for the rest of the host.

use crate::bindings;
use crate::text::on_one_line;

pub use bindings::exports::flow::connector::connector::{
    CheckStatus, CheckStep, Descriptor, Direction, Egress, Endpoint,
};
pub use bindings::flow::connector::context::LogLevel;
pub use bindings::flow::connector::exchange::{Earlier, Outcome};
pub use bindings::flow::connector::types::{Call, Effect, Error, ErrorKind, Metadata, Retry, Summary};

/// The words of `tls.wit`.
pub mod tls {
    pub use crate::bindings::flow::connector::tls::{Certificate, Error, Info, Reason, Received, Trust};
}

/// The version of `flow:connector` that this host implements.
pub const CONTRACT_VERSION: &str = "0.1.1";

impl ErrorKind {
    /// The kind's name as the contract writes it, for example `not-found`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidSettings => "invalid-settings",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Data => "data",
            Self::DeniedByHost => "denied-by-host",
            Self::Cancelled => "cancelled",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

impl tls::Reason {
    /// The reason's name as the contract writes it, for example `wrong-name`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongName => "wrong-name",
            Self::UnknownIssuer => "unknown-issuer",
            Self::SelfSigned => "self-signed",
            Self::NotPinned => "not-pinned",
            Self::Revoked => "revoked",
            Self::BadCertificate => "bad-certificate",
            Self::NoCommonVersion => "no-common-version",
            Self::ClientCertificate => "client-certificate",
            Self::NotTls => "not-tls",
            Self::Protocol => "protocol",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
        }
    }
}

impl LogLevel {
    /// The level's name as the contract writes it, for example `warn`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Whether a line of this level is kept where `threshold` is the quietest that is.
    #[must_use]
    pub fn reaches(self, threshold: Self) -> bool {
        // The contract lists the levels from the quietest to the loudest.
        self as u8 >= threshold as u8
    }
}

impl Error {
    /// An error of the host's own side of the exchange: nothing was done, and trying again does not help.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            code: None,
            retry: Retry::Never,
            effect: Effect::None,
            details: None,
        }
    }

    /// The same without what a connector might do to a log or a terminal with it: no control characters, and not without
    /// end.
    #[must_use]
    pub fn tamed(self) -> Self {
        const CODE: usize = 100;
        const DETAILS_BYTES: usize = 64 * 1024;
        Self {
            message: self.shown(),
            code: self.code.map(|code| on_one_line(&code, CODE)),
            details: self.details.filter(|details| details.len() <= DETAILS_BYTES),
            ..self
        }
    }

    /// The message on one line, without control characters, and not without end.
    #[must_use]
    pub fn shown(&self) -> String {
        /// Characters: a few sentences, with what was wrong quoted.
        const MOST: usize = 4_000;
        on_one_line(&self.message, MOST)
    }

    /// The JSON Pointer of the setting to change, where the error names one (`details.field`).
    #[must_use]
    pub fn field(&self) -> Option<String> {
        let details: serde_json::Value = serde_json::from_str(self.details.as_deref()?).ok()?;
        Some(details.get("field")?.as_str()?.to_owned())
    }
}

impl Metadata {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}
