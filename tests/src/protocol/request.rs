//! What the suite writes.

use super::contract::{Earlier, Error, LogLevel, Metadata, Offer};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A line of the suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// Something to do; it gets one reply.
    Request(Request),
    /// What the suite says to an event with an `ask`.
    Answer(Answer),
    /// How much more of a body it takes.
    Take(Take),
}

impl Line {
    /// Reads a line: what it is, is told by its members.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        let members: Map<String, Value> = serde_json::from_str(text)?;
        let (is_request, is_answer) = (members.contains_key("do"), members.contains_key("answer"));
        let is_take = members.contains_key("take");
        let value = Value::Object(members);
        if is_request {
            serde_json::from_value(value).map(Self::Request)
        } else if is_answer {
            serde_json::from_value(value).map(Self::Answer)
        } else if is_take {
            serde_json::from_value(value).map(Self::Take)
        } else {
            let message = "a line has `do` (a request), `answer`, or `take`";
            Err(serde_json::Error::custom(message))
        }
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Not used twice.
    pub id: u64,
    /// What.
    #[serde(flatten)]
    pub task: Task,
}

/// What a request wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Task {
    /// The first request.
    Hello {
        /// The version of the protocol.
        protocol: u32,
    },
    /// Loads a component.
    Load {
        /// What it is called from now on.
        #[serde(rename = "as")]
        name: String,
        /// Its file.
        component: PathBuf,
    },
    /// Makes one live connector for one instance within one run.
    Start(Start),
    /// Asks for the plan of a call, or of a check.
    Plan {
        /// The instance's name.
        instance: String,
        /// None for the plan of `check`.
        #[serde(default)]
        endpoint: Option<String>,
        /// JSON text.
        connection: String,
        /// JSON text.
        options: String,
    },
    /// Lets the connector check its settings.
    Check {
        /// The instance's name.
        instance: String,
        /// JSON text.
        connection: String,
        /// Whether it may try what only writing can tell.
        probe_write: bool,
        /// How long it may take.
        limit_ms: u64,
    },
    /// Calls an endpoint.
    Call(Call),
    /// Asks a call or check to end.
    Cancel {
        /// The request's id.
        call: u64,
    },
    /// Ends an instance.
    End {
        /// The instance's name.
        instance: String,
    },
}

/// `start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// What it is called from now on.
    pub instance: String,
    /// The name of `load`.
    pub connector: String,
    /// The run's id.
    pub run: String,
    /// What the operator allows.
    #[serde(default)]
    pub policy: Policy,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// The quietest level of lines that are kept.
    pub log_threshold: LogLevel,
}

/// What the operator allows. The default allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// `HOST:PORT`, `HOST:FIRST-LAST`, or `*`.
    pub allow: Vec<String>,
    /// Whether it may listen where its plan asks for it.
    pub listen: bool,
    /// Whether it may trust anybody.
    pub insecure_tls: bool,
    /// Those that it may use, by name.
    pub client_certificates: BTreeMap<String, ClientCertificate>,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// PEM.
    pub certificate: String,
    /// PEM.
    pub key: String,
}

/// What a live connector may use; the host's own where it is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one payload that it makes.
    pub body: Option<u64>,
    /// Bytes of one payload's metadata or note.
    pub metadata: Option<u64>,
    /// Payloads made in a call.
    pub payloads: Option<u64>,
}

/// `call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The instance's name.
    pub instance: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// JSON text.
    pub connection: String,
    /// JSON text.
    pub options: String,
    /// The first is 1.
    pub attempt: u32,
    /// How long it may take.
    pub limit_ms: u64,
    /// What is handed in, in order.
    pub incoming: Vec<Incoming>,
}

/// A payload that is handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incoming {
    /// What is known of it.
    pub metadata: Metadata,
    /// JSON text, its templates filled in.
    pub options: String,
    /// None for the trigger of a run.
    #[serde(default)]
    pub body: Option<Body>,
    /// What is known of an earlier try.
    #[serde(default)]
    pub earlier: Option<Earlier>,
}

/// The bytes of a payload that is handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// These.
    Text(String),
    /// Those of a file.
    File(PathBuf),
}

/// What the suite says to an event with an `ask`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The event's `ask`.
    pub answer: u64,
    /// What.
    #[serde(flatten)]
    pub word: Word,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// To `offered`.
    Offer(Offer),
    /// To `finishing`: it is accepted for good. Always true.
    Finish(bool),
    /// To `noted`: it is kept. Always true.
    Note(bool),
    /// No, to any of them.
    Error(Error),
}

/// How much more of a body the suite takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// The number of the payload, as `offered` gave it.
    pub take: u64,
    /// How many bytes more.
    pub bytes: u64,
}
