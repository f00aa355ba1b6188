//! The script: what the probe does, step by step.
//!
//! A step is an object with one member, which names it: `{"begin": {"as": "a"}}`. What a step calls a thing (`as`) is how
//! later ones name it (`of`, `on`). `expect` is what has to come of it, in one or two words: `done`, `accept`,
//! `error data`.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::bindings::flow::connector::context::LogLevel;
use crate::bindings::flow::connector::types::{Effect, Error, ErrorKind, Metadata, Retry, Summary};

/// The options of `run`.
#[derive(Debug, Deserialize)]
pub struct Options {
    /// The steps.
    #[serde(default)]
    pub script: Vec<Step>,
}

/// One step.
#[derive(Debug)]
pub enum Step {
    /// Of the exchange.
    Payload(PayloadStep),
    /// Of bodies.
    Body(BodyStep),
    /// Of the context.
    Context(ContextStep),
    /// Of sockets, and of all else that WASI has.
    Network(NetworkStep),
    /// Of TLS.
    Tls(TlsStep),
    /// What no connector should do.
    Wrong(WrongStep),
    /// Ends the call.
    Return(End),
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let step = Map::<String, Value>::deserialize(deserializer)?;
        let name = step.keys().next().cloned().unwrap_or_default();
        let step = Value::Object(step);
        macro_rules! family {
            ($($family:ident has [$($known:literal),* $(,)?])*) => {
                match name.as_str() {
                    $($($known)|* => serde_json::from_value(step).map(Self::$family),)*
                    "return" => serde_json::from_value(step["return"].clone()).map(Self::Return),
                    other => return Err(D::Error::custom(format!("there is no step {other:?}"))),
                }
            };
        }
        family! {
            Payload has ["begin", "finish", "abort", "drop", "next", "metadata", "options", "earlier", "note", "settle", "report"]
            Body has ["body", "write", "fill", "close", "read", "open", "read_some", "no_body"]
            Context has ["run_id", "attempt", "remaining", "cancelled", "wait_for_cancel", "threshold", "log", "progress", "wait"]
            Network has ["connect", "send", "receive", "hang_up", "listen", "resolve", "datagram", "environment", "files", "input"]
            Tls has ["tls_context", "tls_session", "tls_encrypt", "tls_decrypt", "tls_close", "tls_info", "tls_connect", "tls_talk"]
            Wrong has ["panic", "compute", "wait_for_ever"]
        }
        .map_err(|error| D::Error::custom(format!("step {name:?}: {error}")))
    }
}

impl Step {
    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        let text = match self {
            Self::Payload(step) => format!("{step:?}"),
            Self::Body(step) => format!("{step:?}"),
            Self::Context(step) => format!("{step:?}"),
            Self::Network(step) => format!("{step:?}"),
            Self::Tls(step) => format!("{step:?}"),
            Self::Wrong(step) => format!("{step:?}"),
            Self::Return(_) => "return".to_owned(),
        };
        let end = text.find([' ', '{', '(']).unwrap_or(text.len());
        text[..end].to_lowercase()
    }
}

fn word(text: &'static str) -> impl Fn() -> String {
    move || text.to_owned()
}

macro_rules! defaults {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(fn $name() -> String { word($text)() })*
    };
}

defaults!(
    writer = "out",
    reader = "in",
    stream = "body",
    line = "line",
    trust_place = "trust",
    session = "session",
    accept = "accept",
    done = "done",
    payload = "payload",
    records = "records",
    a_stream = "stream",
    info = "info",
);

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

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the functions that they call")]
pub enum PayloadStep {
    Begin {
        #[serde(default = "writer", rename = "as")]
        place: String,
        #[serde(default)]
        metadata: Facts,
        /// Makes the metadata so many bytes larger.
        #[serde(default)]
        padding: usize,
        #[serde(default = "accept")]
        expect: String,
    },
    Finish {
        #[serde(default = "writer")]
        of: String,
        #[serde(default = "done")]
        expect: String,
    },
    Abort {
        #[serde(default = "writer")]
        of: String,
        reason: Fault,
    },
    /// Drops a writer or a reader.
    Drop {
        of: String,
    },
    Next {
        #[serde(default = "reader", rename = "as")]
        place: String,
        #[serde(default = "payload")]
        expect: String,
    },
    /// Compares the members of the metadata that are named.
    Metadata {
        #[serde(default = "reader")]
        of: String,
        expect: Map<String, Value>,
    },
    Options {
        #[serde(default = "reader")]
        of: String,
        expect: Value,
    },
    /// `none`, `unknown` (without a note) or `note TEXT`.
    Earlier {
        #[serde(default = "reader")]
        of: String,
        expect: String,
    },
    Note {
        #[serde(default = "reader")]
        of: String,
        #[serde(default)]
        text: String,
        /// Makes the text so many bytes larger.
        #[serde(default)]
        padding: usize,
        #[serde(default = "done")]
        expect: String,
    },
    Settle {
        #[serde(default = "reader")]
        of: String,
        outcome: Ending,
        /// Passed on in place of what it came with.
        metadata: Option<Facts>,
        error: Option<Fault>,
    },
    Report {
        id: String,
        problem: Fault,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the functions that they call")]
pub enum BodyStep {
    /// Asks a writer for its stream.
    Body {
        #[serde(default = "writer")]
        of: String,
    },
    /// Writes, and asks for the stream where that has not been done.
    Write {
        #[serde(default = "writer")]
        to: String,
        content: Content,
        #[serde(default = "done")]
        expect: String,
    },
    /// Writes the pattern until there has been no room for so long.
    Fill {
        #[serde(default = "writer")]
        to: String,
        at_most: u64,
        quiet_ms: u64,
    },
    /// Drops a stream: of a writer, or one that was opened.
    Close {
        #[serde(default = "writer")]
        of: String,
    },
    /// Reads a new stream of a reader to its end, and compares.
    Read {
        #[serde(default = "reader")]
        of: String,
        content: Content,
        /// Reads with `read` and `poll` in place of `blocking-read`.
        #[serde(default)]
        polling: bool,
    },
    NoBody {
        #[serde(default = "reader")]
        of: String,
    },
    /// Opens a stream of a reader.
    Open {
        #[serde(default = "reader")]
        of: String,
        #[serde(default = "stream", rename = "as")]
        place: String,
        #[serde(default = "a_stream")]
        expect: String,
    },
    /// Reads the next bytes of a stream, or its end where the text is empty.
    ReadSome {
        #[serde(default = "stream")]
        from: String,
        text: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the functions that they call")]
pub enum ContextStep {
    RunId {
        expect: String,
    },
    Attempt {
        expect: u32,
    },
    Remaining {
        at_least: u64,
        at_most: u64,
    },
    Cancelled {
        expect: bool,
    },
    WaitForCancel {
        within_ms: u64,
    },
    Threshold {
        expect: String,
    },
    Log {
        level: String,
        message: String,
    },
    Progress {
        what: String,
        done: u64,
        total: Option<u64>,
    },
    Wait {
        ms: u64,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as what they do")]
pub enum NetworkStep {
    /// `done`, `access-denied`, `refused`, or what the error says.
    Connect {
        to: String,
        #[serde(default = "line", rename = "as")]
        place: String,
        #[serde(default = "done")]
        expect: String,
    },
    Send {
        #[serde(default = "line")]
        on: String,
        text: String,
    },
    /// Receives these bytes, or the end where the text is empty.
    Receive {
        #[serde(default = "line")]
        on: String,
        text: String,
    },
    HangUp {
        #[serde(default = "line")]
        on: String,
    },
    Listen {
        on: String,
        #[serde(default = "done")]
        expect: String,
    },
    Resolve {
        name: String,
        #[serde(default = "done")]
        expect: String,
    },
    Datagram {
        to: String,
    },
    /// There are no variables and no arguments.
    Environment {},
    /// There are no folders.
    Files {},
    /// There is nothing to be read.
    Input {},
}

/// Whom to trust.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the contract's words")]
pub enum Trust {
    HostDefault,
    Roots(String),
    /// Hexadecimal.
    Pinned(Vec<String>),
    Insecure,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as the functions that they call")]
pub enum TlsStep {
    TlsContext {
        trust: Trust,
        client_certificate: Option<String>,
        #[serde(default = "trust_place", rename = "as")]
        place: String,
        #[serde(default = "done")]
        expect: String,
    },
    TlsSession {
        #[serde(default = "trust_place")]
        of: String,
        server_name: String,
        #[serde(default = "session", rename = "as")]
        place: String,
        #[serde(default = "done")]
        expect: String,
    },
    TlsEncrypt {
        #[serde(default = "session")]
        of: String,
        text: String,
        #[serde(default = "records")]
        expect: String,
    },
    TlsDecrypt {
        #[serde(default = "session")]
        of: String,
        text: String,
        #[serde(default = "done")]
        expect: String,
    },
    TlsClose {
        #[serde(default = "session")]
        of: String,
        #[serde(default = "records")]
        expect: String,
    },
    TlsInfo {
        #[serde(default = "session")]
        of: String,
        #[serde(default = "info")]
        expect: String,
        resumed: Option<bool>,
    },
    /// Shakes hands over a connection.
    TlsConnect {
        #[serde(default = "session")]
        of: String,
        #[serde(default = "line")]
        on: String,
        /// Hands what arrives to the host in pieces of so many bytes.
        pieces: Option<usize>,
        #[serde(default = "done")]
        expect: String,
    },
    /// Says something and hears it again, and with `end` sees the peer close.
    TlsTalk {
        #[serde(default = "session")]
        of: String,
        #[serde(default = "line")]
        on: String,
        content: Content,
        #[serde(default)]
        end: bool,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "named as what they do")]
pub enum WrongStep {
    Panic {},
    /// Without end.
    Compute {},
    /// In a function of the host.
    WaitForEver {},
}
