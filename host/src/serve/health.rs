//! How the flows are, for monitors.

use crate::flow::Problem;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// How the flows are.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// All of them together.
    pub status: Overall,
    /// Each of them.
    pub flows: Vec<FlowHealth>,
}

/// How all of them are together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overall {
    /// All is well.
    Ok,
    /// Something has to be looked at.
    Broken,
    /// The end has begun.
    Stopping,
}

/// How one is.
#[derive(Debug, Clone, Serialize)]
pub struct FlowHealth {
    /// The flow's name; none while its file has never been right.
    pub name: Option<String>,
    /// Its file.
    pub file: String,
    /// What it does.
    pub state: State,
    /// What is wrong with its file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Why nobody knows which process runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The run that has ended last, of those that this process has run.
    pub last_run: Option<LastRun>,
    /// When the time asks for a run next.
    #[serde(serialize_with = "when")]
    pub next: Option<Timestamp>,
}

/// What a flow does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// This process runs it when its time comes.
    Leading,
    /// Another process does.
    Standby,
    /// A run is going.
    Running,
    /// Its file is wrong. What was loaded before is served nevertheless.
    Broken,
}

/// A run that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct LastRun {
    /// Identifies it.
    pub run: String,
    /// `ok`, `empty` or `failed`.
    pub status: &'static str,
    /// When.
    #[serde(serialize_with = "time")]
    pub began: Timestamp,
    /// When.
    #[serde(serialize_with = "time")]
    pub ended: Timestamp,
    /// Payloads that it made.
    pub payloads: u64,
    /// Payloads and steps that failed, and problems with payloads that did not.
    pub failed: u64,
}

/// RFC 3339.
fn time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[expect(clippy::ref_option, reason = "serde passes it so")]
fn when<S: Serializer>(when: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match when {
        Some(when) => time(when, serializer),
        None => serializer.serialize_none(),
    }
}
