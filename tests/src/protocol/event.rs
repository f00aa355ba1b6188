//! What an adapter writes.

use super::base64_text;
use super::contract::{CheckStep, Descriptor, Egress, Error, LogLevel, Metadata, Outcome, Summary};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A line of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// What a connector does.
    Told(Told),
    /// The end of a request.
    Reply(Reply),
}

impl Line {
    /// Reads a line: what it is, is told by its members.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        let members: Map<String, Value> = serde_json::from_str(text)?;
        let (is_event, is_reply) = (members.contains_key("event"), members.contains_key("id"));
        let value = Value::Object(members);
        if is_event {
            serde_json::from_value(value).map(Self::Told)
        } else if is_reply {
            serde_json::from_value(value).map(Self::Reply)
        } else {
            let message = "a line has `event`, or `id` (a reply)";
            Err(serde_json::Error::custom(message))
        }
    }
}

/// What a connector does in a call or check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The request's id.
    pub call: u64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that a connector does. Where it has `ask`, the connector waits for the suite's
/// [`Answer`](super::request::Answer).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It offers a payload (`begin`).
    Offered {
        /// To be answered with `offer`.
        ask: u64,
        /// What is known of it.
        metadata: Metadata,
        /// The number of what comes of it.
        payload: u64,
    },
    /// Bytes of a payload.
    Data {
        /// The payload's number.
        payload: u64,
        /// At least one, and no more than was asked for.
        #[serde(with = "base64_text")]
        data: Vec<u8>,
    },
    /// A payload is whole (`finish`).
    Finishing {
        /// To be answered with `finish`.
        ask: u64,
        /// The payload's number.
        payload: u64,
    },
    /// A payload will not come.
    Gone {
        /// The payload's number.
        payload: u64,
        /// Who says so.
        how: Gone,
        /// Why; none when it was dropped.
        #[serde(default)]
        reason: Option<Error>,
    },
    /// It notes something (`reader.note`).
    Noted {
        /// To be answered with `note`.
        ask: u64,
        /// The incoming payload's id.
        id: String,
        /// What.
        text: String,
    },
    /// It is through with a payload that was handed in (`settle`).
    Settled {
        /// The incoming payload's id.
        id: String,
        /// As the host counts it.
        outcome: Outcome,
    },
    /// There is a problem with an accepted payload (`report`).
    Reported {
        /// The payload's id.
        id: String,
        /// What is wrong.
        error: Error,
    },
    /// A line of the log.
    Log {
        /// How loud it is.
        level: LogLevel,
        /// The line.
        message: String,
    },
    /// How far it is.
    Progress {
        /// What is counted.
        what: String,
        /// How many so far.
        done: u64,
        /// How many there will be.
        #[serde(default)]
        total: Option<u64>,
    },
}

/// How a payload was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gone {
    /// The connector gave it up (`abort`).
    Aborted,
    /// The connector dropped its writer, or the call ended before it was finished.
    Dropped,
    /// `finish` failed in the host.
    Refused,
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The request's.
    pub id: u64,
    /// What came of it: [`Hello`], [`Loaded`], [`Planned`], [`Checked`], [`Called`], or an empty object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<Value>,
    /// Why nothing came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// Of a call that failed: what was handed in and not settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsettled: Vec<Unsettled>,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// What failed.
    pub kind: FailedKind,
    /// Why, for a person.
    pub message: String,
    /// What the connector returned, for [`FailedKind::Connector`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<Error>>,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedKind {
    /// It cannot be loaded, its settings or options do not fit, or the endpoint or instance is unknown.
    Refused,
    /// The connector returned an error.
    Connector,
    /// Its plan is not allowed.
    Policy,
    /// It trapped.
    Trap,
    /// It did not end in time.
    TimeOut,
    /// It was ended by force after a `cancel`.
    Cancelled,
    /// It used up what it may have.
    Limit,
    /// Anything else.
    Host,
}

/// To `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The host's name.
    pub name: String,
    /// The host's version.
    pub version: String,
    /// The version of `flow:connector` that it implements.
    pub contract: String,
    /// The version of the protocol.
    pub protocol: u32,
}

/// To `load`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Those that were found by type.
    pub endpoints: Vec<String>,
    /// What `describe` gave.
    pub descriptor: Descriptor,
}

/// To `plan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What it will reach.
    pub egress: Vec<Egress>,
}

/// To `check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// What was found.
    pub steps: Vec<CheckStep>,
}

/// To `call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// What it did.
    pub summary: Summary,
    /// Whether the host calls it well.
    pub well: bool,
    /// What was handed in and not settled.
    pub unsettled: Vec<Unsettled>,
}

/// A payload that a connector took and did not settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsettled {
    /// Its id.
    pub id: String,
    /// How the host counts it.
    #[serde(rename = "as")]
    pub counted: Counted,
}

/// How a host counts what was not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// It may be handed out again.
    Untouched,
    /// It failed, and nobody knows what was done.
    Unknown,
}
