//! The words of the contract (`wit/connector/types.wit`, `connector.wit`, `exchange.wit`, `context.wit`) as JSON: names
//! of members with `_` in place of `-`, cases as in the WIT.

use serde::{Deserialize, Serialize};

/// `types.error-kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub enum ErrorKind {
    InvalidSettings,
    Authentication,
    Permission,
    NotFound,
    Conflict,
    Unreachable,
    Timeout,
    Busy,
    Tls,
    Protocol,
    Data,
    DeniedByHost,
    Cancelled,
    Unsupported,
    Internal,
}

/// `types.retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub enum Retry {
    Never,
    Backoff,
    AfterMs(u64),
}

/// `types.effect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub enum Effect {
    None,
    Partial,
    Unknown,
}

/// `types.error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    #[serde(default)]
    pub code: Option<String>,
    pub retry: Retry,
    pub effect: Effect,
    /// JSON text.
    #[serde(default)]
    pub details: Option<String>,
}

/// `types.metadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub struct Metadata {
    pub id: String,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub content_type: Option<String>,
    #[serde(default)]
    pub size: Option<u64>,
    #[serde(default)]
    pub modified_ms: Option<u64>,
    #[serde(default)]
    pub attributes: Vec<(String, String)>,
}

/// `types.summary`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub struct Summary {
    pub payloads: u64,
    pub bytes: u64,
    pub skipped: u64,
    pub failed: u64,
}

/// `connector.direction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub enum Direction {
    Connect,
    Accept,
}

/// `connector.egress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub struct Egress {
    pub host: String,
    pub first_port: u16,
    pub last_port: u16,
    pub direction: Direction,
    pub secondary: bool,
    pub reason: String,
}

/// `connector.check-status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub enum CheckStatus {
    Passed,
    Warning,
    Failed,
}

/// `connector.check-step`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub struct CheckStep {
    pub name: String,
    pub status: CheckStatus,
    pub message: String,
    /// JSON text.
    #[serde(default)]
    pub details: Option<String>,
}

/// `connector.endpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub struct Endpoint {
    pub name: String,
    pub title: String,
    pub description: String,
    /// JSON text.
    pub options_schema: String,
}

/// `connector.descriptor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub struct Descriptor {
    pub id: String,
    pub version: String,
    pub title: String,
    pub description: String,
    /// JSON text.
    pub connection_schema: String,
    pub endpoints: Vec<Endpoint>,
    /// JSON text.
    #[serde(default)]
    pub details: Option<String>,
}

/// `context.log-level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// `exchange.earlier`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub struct Earlier {
    #[serde(default)]
    pub note: Option<String>,
}

/// `exchange.outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub enum Outcome {
    Pass(Metadata),
    Consume,
    Fail(Error),
}

/// The cases of `exchange.offer`, without the writer that the host makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are those of the WIT")]
pub enum Offer {
    Accept,
    Skip,
    Accepted,
    Stop,
}
