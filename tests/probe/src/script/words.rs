//! The contract's words in scripts: metadata, errors, log levels, and how a call ends.

use serde::Deserialize;

use crate::bindings::flow::connector::context::LogLevel;
use crate::bindings::flow::connector::types::{Effect, Error, ErrorKind, Metadata, Retry, Summary};

/// Metadata, of which only the id has to be there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    id: String,
    version: Option<String>,
    name: Option<String>,
    content_type: Option<String>,
    size: Option<u64>,
    modified_ms: Option<u64>,
    attributes: Vec<(String, String)>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            id: "a".to_owned(),
            version: None,
            name: None,
            content_type: None,
            size: None,
            modified_ms: None,
            attributes: Vec::new(),
        }
    }
}

impl From<&Facts> for Metadata {
    fn from(facts: &Facts) -> Self {
        let facts = facts.clone();
        Self {
            id: facts.id,
            version: facts.version,
            name: facts.name,
            content_type: facts.content_type,
            size: facts.size,
            modified_ms: facts.modified_ms,
            attributes: facts.attributes,
        }
    }
}

/// Bytes: a text, or so many of the pattern (see [`crate::bodies::pattern`]).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// These.
    Text(String),
    /// So many.
    Pattern(u64),
}

/// How a payload is settled.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the contract's words")]
pub enum Ending {
    Pass,
    Consume,
    Fail,
}

/// An error, of which only the kind has to be there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    kind: String,
    #[serde(default)]
    message: String,
    code: Option<String>,
    #[serde(default)]
    retry: Again,
    #[serde(default)]
    effect: Left,
    details: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Again {
    #[default]
    Never,
    Backoff,
    AfterMs(u64),
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Left {
    #[default]
    None,
    Partial,
    Unknown,
}

/// The kinds by their names.
const KINDS: [(&str, ErrorKind); 15] = [
    ("invalid-settings", ErrorKind::InvalidSettings),
    ("authentication", ErrorKind::Authentication),
    ("permission", ErrorKind::Permission),
    ("not-found", ErrorKind::NotFound),
    ("conflict", ErrorKind::Conflict),
    ("unreachable", ErrorKind::Unreachable),
    ("timeout", ErrorKind::Timeout),
    ("busy", ErrorKind::Busy),
    ("tls", ErrorKind::Tls),
    ("protocol", ErrorKind::Protocol),
    ("data", ErrorKind::Data),
    ("denied-by-host", ErrorKind::DeniedByHost),
    ("cancelled", ErrorKind::Cancelled),
    ("unsupported", ErrorKind::Unsupported),
    ("internal", ErrorKind::Internal),
];

impl From<&Fault> for Error {
    fn from(fault: &Fault) -> Self {
        let kind = KINDS.iter().find(|(name, _)| *name == fault.kind);
        Self {
            // A name that is not there would show as this.
            kind: kind.map_or(ErrorKind::Internal, |(_, kind)| *kind),
            message: fault.message.clone(),
            code: fault.code.clone(),
            retry: match fault.retry {
                Again::Never => Retry::Never,
                Again::Backoff => Retry::Backoff,
                Again::AfterMs(pause) => Retry::AfterMs(pause),
            },
            effect: match fault.effect {
                Left::None => Effect::None,
                Left::Partial => Effect::Partial,
                Left::Unknown => Effect::Unknown,
            },
            details: fault.details.clone(),
        }
    }
}

/// What a step saw of an error: `error KIND`.
#[must_use]
pub fn seen(error: &Error) -> String {
    let name = KINDS.iter().find(|(_, kind)| *kind == error.kind);
    format!("error {}", name.map_or("?", |(name, _)| name))
}

/// How the call ends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With an error.
    Error(Fault),
    /// Well, with these counts.
    Summary {
        /// The counts of the contract's `summary`.
        payloads: u64,
        /// Bytes.
        bytes: u64,
        /// Skipped.
        skipped: u64,
        /// Failed.
        failed: u64,
    },
}

impl End {
    /// The endpoint's result.
    ///
    /// # Errors
    /// When it is one.
    pub fn result(&self) -> Result<Summary, Error> {
        match self {
            Self::Error(fault) => Err(fault.into()),
            &Self::Summary {
                payloads,
                bytes,
                skipped,
                failed,
            } => Ok(Summary {
                payloads,
                bytes,
                skipped,
                failed,
            }),
        }
    }
}

/// A log level by its name.
///
/// # Errors
/// When there is none of the name.
pub fn level(name: &str) -> Result<LogLevel, String> {
    [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warn,
        LogLevel::Error,
    ]
    .into_iter()
    .find(|level| level_name(*level) == name)
    .ok_or_else(|| format!("there is no log level {name:?}"))
}

/// The name of a log level.
#[must_use]
pub fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
