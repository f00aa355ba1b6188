//! A case as its file has it.
//!
//! Texts may hold `${NAME.WHAT}` for what is known only when the case is played (see `values`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::protocol::contract::{Earlier, Error, LogLevel, Offer};
use crate::protocol::event::{Counted, FailedKind, Gone};
use crate::protocol::request::{Limits, Policy};

/// One thing that a host must do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `AREA/NAME`. The area is that of its file.
    pub id: String,
    /// The sentence of the contract that it checks, word by word as it stands in `wit/`.
    pub sentence: String,
    /// What is loaded.
    #[serde(default)]
    pub component: Component,
    /// What there is to talk to, by name.
    #[serde(default)]
    pub servers: BTreeMap<String, Server>,
    /// What comes of loading it.
    #[serde(default)]
    pub load: Loading,
    /// How its instances are started.
    #[serde(default)]
    pub start: Start,
    /// What is asked for, one after another.
    #[serde(default)]
    pub requests: Vec<Request>,
    /// All at once instead; each needs an `instance` of its own.
    #[serde(default)]
    pub together: bool,
}

/// What is loaded.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// The probe.
    #[default]
    Probe,
    /// The FTP connector.
    Ftp,
    /// `tests/conformance/components/minimal.wat`, with texts of it replaced.
    Minimal(Vec<(String, String)>),
    /// These bytes.
    Bytes(String),
}

/// What a connector talks to.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// An FTP server that tells what it saw.
    Ftp(Ftp),
    /// A real one, by the name of its kind, with FTPS where `tls` says so.
    Real(Real),
    /// Says what it hears.
    Echo {},
    /// The same in TLS.
    TlsEcho(TlsEcho),
    /// Accepts connections and says nothing.
    Silent {},
    /// A port that nobody listens on.
    Closed {},
}

/// A scripted FTP server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ftp {
    /// By path.
    pub files: BTreeMap<String, Content>,
    /// `explicit` or `implicit`.
    pub tls: Option<String>,
    /// Says nothing to these commands.
    pub silent_at: Option<String>,
}

/// A real FTP server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Real {
    /// `embedded`, `vsftpd`, …
    pub kind: String,
    /// `explicit` or `implicit`.
    pub tls: Option<String>,
    /// The one version that it offers: 1.2 or 1.3.
    pub version: Option<String>,
    /// By path.
    #[serde(default)]
    pub files: BTreeMap<String, Content>,
}

/// An echo in TLS.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsEcho {
    /// Which certificate it shows: the name of a function of `pki`; `good` without.
    pub certificate: Option<String>,
    /// The one version that it offers: 1.2 or 1.3.
    pub version: Option<String>,
    /// Whether clients need a certificate.
    pub demanding: bool,
    /// Has the key of another certificate.
    pub liar: bool,
}

/// Bytes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// These.
    Text(String),
    /// So many of the probe's pattern.
    Pattern(u64),
    /// The pattern, however long.
    PatternOfAnyLength {},
}

/// What comes of loading.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loading {
    /// It is loaded.
    Loaded {
        /// With these endpoints, where they are named.
        #[serde(default)]
        endpoints: Option<Vec<String>>,
        /// And members of the descriptor like these.
        #[serde(default)]
        descriptor: Map<String, Value>,
    },
    /// It is refused.
    Refused {
        /// With a reason that has all of these words.
        words: Vec<String>,
    },
}

impl Default for Loading {
    fn default() -> Self {
        Self::Loaded {
            endpoints: None,
            descriptor: Map::new(),
        }
    }
}

/// How instances are started.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Start {
    /// What the operator allows.
    pub policy: Policy,
    /// What it may use.
    pub limits: Limits,
    /// The quietest level of lines.
    pub log_threshold: LogLevel,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            limits: Limits::default(),
            log_threshold: LogLevel::Debug,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call of an endpoint.
    #[default]
    Call,
    /// The plan of one.
    Plan,
    /// A check.
    Check,
}

/// One request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// Which.
    #[serde(rename = "do")]
    pub kind: Kind,
    /// Of which instance; started when it is named first.
    pub instance: String,
    /// Within which run; that of the case without.
    pub run: Option<String>,
    /// The endpoint. Null for the plan of a check.
    pub endpoint: Option<String>,
    /// Connection settings.
    pub connection: Value,
    /// Connection settings as text, which may be anything.
    pub connection_text: Option<String>,
    /// The options.
    pub options: Value,
    /// The option `script`.
    pub script: Option<Value>,
    /// What is handed in; the trigger without.
    pub incoming: Option<Vec<Incoming>>,
    /// Which try.
    pub attempt: u32,
    /// How long it may take.
    pub limit_ms: u64,
    /// Of a check.
    pub probe_write: bool,
    /// What the flow does.
    pub flow: Flow,
    /// What has to come of it.
    pub expect: Expect,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            kind: Kind::Call,
            instance: "it".to_owned(),
            run: None,
            endpoint: Some("run".to_owned()),
            connection: Value::Object(Map::new()),
            connection_text: None,
            options: Value::Object(Map::new()),
            script: None,
            incoming: None,
            attempt: 1,
            limit_ms: 20_000,
            probe_write: false,
            flow: Flow::default(),
            expect: Expect::default(),
        }
    }
}

/// A payload that is handed in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    /// Its metadata: members of the contract's record; the id has to be there.
    pub metadata: Map<String, Value>,
    /// Its options; those of the call without.
    pub options: Option<Value>,
    /// Its body.
    pub body: Option<Content>,
    /// What is known of an earlier try.
    pub earlier: Option<Earlier>,
}

/// What the flow does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flow {
    /// What offers are answered, one after another; the last answer holds for all that follow. Accepts all without.
    pub offers: Vec<Answer<Offer>>,
    /// What finished payloads are answered, in the same way.
    pub finishes: Vec<Answer<bool>>,
    /// What notes are answered, in the same way.
    pub notes: Vec<Answer<bool>>,
    /// How long the answer to a finished payload, or a note, takes. Nothing may happen meanwhile.
    pub hold_ms: u64,
    /// A command that the server `ftp` must not have had when a payload is accepted.
    pub not_before_acceptance: Option<String>,
    /// How bodies are taken; all at once without.
    pub take: Option<Taking>,
    /// Cancels so long after the connector's first word (an event), or after the call was made when it says none.
    pub cancel_after_ms: Option<u64>,
}

/// An answer of the flow.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Answer<T> {
    /// As it is wanted.
    Word(T),
    /// No.
    Error {
        /// Why.
        error: Error,
    },
}

/// How a body is taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taking {
    /// Nothing before.
    #[serde(default)]
    pub first_after_ms: u64,
    /// So much at once.
    pub piece: u64,
    /// And so long until the next.
    #[serde(default)]
    pub pause_ms: u64,
}

/// What has to come of a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// How it fails; well without.
    pub failed: Option<FailedKind>,
    /// Words of the failure's message.
    pub words: Vec<String>,
    /// Members of the connector's error.
    pub error: Map<String, Value>,
    /// Members of the summary.
    pub summary: Map<String, Value>,
    /// Whether the host calls it well.
    pub well: Option<bool>,
    /// What was handed in and not settled, and how it is counted.
    pub unsettled: Option<Vec<(String, Counted)>>,
    /// What was accepted, in this order.
    pub accepted: Option<Vec<Made>>,
    /// What will not come.
    pub gone: Option<Vec<Lost>>,
    /// What was settled.
    pub settled: Option<Vec<Settled>>,
    /// What was reported: the id, and the kind of error.
    pub reported: Option<Vec<(String, String)>>,
    /// What was noted: the id, and the text.
    pub noted: Option<Vec<(String, String)>>,
    /// Lines of the log, `LEVEL: MESSAGE`, among others in this order.
    pub log: Option<Vec<String>>,
    /// Words that no line of the log has.
    pub log_lacks: Vec<String>,
    /// Progress, `WHAT: DONE of TOTAL`, among others in this order.
    pub progress: Option<Vec<String>>,
    /// The plan: members of each part.
    pub egress: Option<Vec<Map<String, Value>>>,
    /// The check: the status of each step, by its name.
    pub steps: Option<Vec<(String, String)>>,
    /// It ends within this time.
    pub within_ms: Option<u64>,
    /// What the server `ftp` has at the end, by path.
    pub files: BTreeMap<String, Content>,
    /// What it has not.
    pub files_lack: Vec<String>,
    /// How many connections the servers have had, by name.
    pub connections: BTreeMap<String, usize>,
}

/// A payload that was accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Members of its metadata.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Its bytes.
    pub body: Option<Content>,
}

/// A payload that will not come.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    /// Its id.
    pub id: String,
    /// Who says so.
    pub how: Gone,
    /// The kind of the reason.
    pub reason: Option<String>,
}

/// A payload that was settled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    /// Its id.
    pub id: String,
    /// `pass`, `consume`, `fail KIND`, or `fail KIND EFFECT`.
    #[serde(rename = "as")]
    pub outcome: String,
    /// Members of the metadata that it goes on with.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}
