//! The flow file as it is written, before anything in it is resolved.
//!
//! The schema that checks it is generated from these types.

use super::schema::{Schema, SchemaError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A whole flow file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowFile {
    /// Names the flow in reports.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What it is for. Nothing depends on it.
    #[expect(dead_code, reason = "for the reader of the file")]
    description: Option<String>,
    /// Values that templates see as `vars.NAME`; the command line may replace them.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Connectors with their settings.
    #[serde(default)]
    pub instances: BTreeMap<String, InstanceFile>,
    /// What happens when the flow is to run while a run of it goes on; `skip` when not given.
    #[serde(default)]
    pub overlap: Overlap,
    /// What is done, in this order.
    #[schemars(length(min = 1))]
    pub steps: Vec<StepFile>,
    /// When `flowhost serve` runs the flow. `flowhost run` does not ask.
    #[serde(default)]
    pub triggers: Vec<TriggerFile>,
}

/// What starts a run. Exactly one of `cron`, `every`, `poll` and `http`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerFile {
    /// Minute, hour, day of the month, month, day of the week; a sixth field before them is the second.
    #[schemars(length(min = 1), extend("examples" = ["*/5 8-18 * * MON-FRI"]))]
    pub cron: Option<String>,
    /// The time zone in which `cron` is meant, by its IANA name; UTC when not given.
    #[schemars(length(min = 1), extend("examples" = ["Europe/Zurich"]))]
    pub zone: Option<String>,
    /// The time from start to start.
    #[schemars(extend("examples" = ["30s"]))]
    pub every: Option<String>,
    /// The same, for a flow that looks for files: a run that finds none is not told.
    #[schemars(extend("examples" = ["10s"]))]
    pub poll: Option<String>,
    /// Whoever knows the token may start a run over HTTP.
    pub http: Option<HttpTriggerFile>,
}

/// A run started over HTTP.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpTriggerFile {
    /// What a caller sends as `Authorization: Bearer …`: a placeholder, never the token itself.
    #[schemars(length(min = 1), extend("examples" = ["${env:TRIGGER_TOKEN}"]))]
    pub token: String,
}

/// What happens when a flow is to run while a run of it goes on, in this process or another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It does not run.
    #[default]
    Skip,
    /// It runs when the other has ended.
    Queue,
    /// It runs beside the other.
    Allow,
}

/// What makes a document one that the flow has had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DedupeBy {
    /// Its id and version: for a file its path, size and time. A changed file is a new one.
    ById,
    /// Its name, wherever it is and whatever is in it.
    ByName,
    /// Its bytes, whatever it is called.
    ByContent,
    /// Nothing: what is found is taken, in every run.
    None,
}

/// How documents get from a step to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// They are stored first.
    #[default]
    Spooled,
    /// They go through as they come; one is accepted when the next step has delivered it.
    Streaming,
}

/// A connector with its settings.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceFile {
    /// What is loaded.
    pub connector: ConnectorFile,
    /// The connector's connection settings.
    pub settings: Option<BTreeMap<String, Value>>,
    /// Certificates by which the connector may say who it is, under the names that its settings use.
    #[serde(default)]
    pub client_certificates: BTreeMap<String, ClientCertificateFile>,
}

/// Which component is loaded: any under this name or path, or only these bytes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ConnectorFile {
    /// The name of a connector built into the host, or the path of a `.wasm` file.
    Any(#[schemars(length(min = 1), extend("examples" = ["ftp"]))] String),
    /// The same, and what its bytes must be.
    Pinned(PinnedFile),
}

impl ConnectorFile {
    /// The name or path.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Any(path) => path,
            Self::Pinned(pinned) => &pinned.path,
        }
    }

    /// The digest that is pinned, as it is written.
    #[must_use]
    pub fn sha256(&self) -> Option<&str> {
        match self {
            Self::Any(_) => None,
            Self::Pinned(pinned) => Some(&pinned.sha256),
        }
    }
}

/// A connector whose bytes are pinned.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinnedFile {
    /// The name of a connector built into the host, or the path of a `.wasm` file.
    #[schemars(length(min = 1), extend("examples" = ["ftp"]))]
    pub path: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    #[schemars(length(min = 1))]
    pub sha256: String,
}

/// A certificate with its private key. The host reads both; the connector never sees either.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificateFile {
    /// The path of a PEM file: the certificate, and behind it those that lead to its root.
    #[schemars(length(min = 1), extend("examples" = ["partner.pem"]))]
    pub certificate: String,
    /// The path of a PEM file: the private key, without a password. It may be the same file.
    #[schemars(length(min = 1), extend("examples" = ["partner.key"]))]
    pub key: String,
}

/// One step. Exactly one of `use`, `http` and `folder`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// Names the step in reports; `step-1`, `step-2`, … when not given.
    #[schemars(length(min = 1))]
    pub id: Option<String>,
    /// The instance to call.
    pub r#use: Option<String>,
    /// The endpoint to call, with `use`.
    pub endpoint: Option<String>,
    /// The endpoint's options, with `use`.
    pub options: Option<BTreeMap<String, Value>>,
    /// Sends each payload to a web server.
    pub http: Option<HttpFile>,
    /// Reads or writes a local folder.
    pub folder: Option<FolderFile>,
    /// What makes a document one that the flow has had before and does not take again.
    pub dedupe: Option<DedupeBy>,
    /// How long a document is remembered after it was seen last; 90 days when not given.
    #[schemars(extend("examples" = ["90d"]))]
    pub dedupe_expiry: Option<String>,
    /// Whether documents are stored between this step and the next, or go through as they come.
    pub delivery: Option<Delivery>,
    /// How often what fails for a passing reason is tried; once when not given.
    pub retry: Option<RetryFile>,
    /// What a failure in this step means for the run.
    #[serde(default)]
    pub on_error: OnError,
    /// Limit for the whole step with all its tries; one hour when not given.
    #[schemars(extend("examples" = ["5m"]))]
    pub timeout: Option<String>,
}

/// An HTTP request for each payload.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpFile {
    /// The request's method; POST when not given.
    #[schemars(extend("examples" = ["POST"]))]
    pub method: Option<String>,
    /// Where to.
    #[schemars(extend("examples" = ["https://shop.example/orders"]))]
    pub url: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Limit for one request with its body and answer; the step's when not given.
    #[schemars(extend("examples" = ["30s"]))]
    pub timeout: Option<String>,
}

/// A local folder. Exactly one of `read` and `write`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderFile {
    /// A file, a folder, or a glob.
    #[schemars(length(min = 1), extend("examples" = ["outbox/*.csv"]))]
    pub read: Option<String>,
    /// The folder that takes the payloads.
    #[schemars(length(min = 1), extend("examples" = ["inbox"]))]
    pub write: Option<String>,
    /// The file's name, with `write`; the payload's `original_filename` or name when not given.
    #[schemars(length(min = 1), extend("examples" = ["{{ run.id }}-{{ name }}"]))]
    pub name: Option<String>,
    /// What happens to a file that is already there, with `write`; `replace` when not given.
    pub if_exists: Option<IfExists>,
}

/// What happens to a file that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IfExists {
    /// The new file takes its place at once.
    Replace,
    /// The old file stays; the payload counts as skipped and goes on.
    Skip,
    /// The old file stays; the payload fails.
    Fail,
}

/// What a failure in a step means for the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// The step's other payloads are still dealt with; no later step is called.
    #[default]
    Stop,
    /// The failed payloads drop out, the others go on.
    Continue,
}

/// How often and with which pauses something is tried.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryFile {
    /// Tries in all, the first included; 3 when not given.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: Option<u32>,
    /// The pause after the first try; it doubles from try to try. `1s` when not given.
    #[schemars(extend("examples" = ["1s"]))]
    pub backoff: Option<String>,
    /// The longest pause; `1m` when not given.
    #[schemars(extend("examples" = ["1m"]))]
    pub max_backoff: Option<String>,
}

/// The schema of flow files, without the parts that are the connectors' own.
///
/// # Errors
/// Never in practice: the schema is generated.
pub fn schema() -> Result<Schema, SchemaError> {
    Schema::from_value(schemars::schema_for!(FlowFile).to_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(value: &Value) -> Vec<String> {
        let findings = schema().expect("a schema").check(value, |_| false);
        findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.pointer, finding.message))
            .collect()
    }

    #[test]
    fn the_schema_accepts_what_serde_reads() {
        let value = json!({
            "name": "a", "variables": {"x": "y"},
            "instances": {"w": {"connector": "ftp", "settings": {"host": "h", "port": 21},
                "client_certificates": {"us": {"certificate": "us.pem", "key": "us.key"}}}, "n": {"connector": "x.wasm", "settings": null}},
            "steps": [
                {"id": "pull", "use": "w", "endpoint": "ftp-get", "options": {"path": "x"},
                 "retry": {"attempts": 3, "backoff": "1s"}, "on_error": "continue", "timeout": "5m"},
                {"http": {"url": "http://x/"}},
                {"folder": {"write": "out", "if_exists": "skip"}},
            ],
        });
        assert_eq!(faults(&value), [""; 0]);
        let file: FlowFile = serde_json::from_value(value).expect("readable");
        assert_eq!(file.steps[0].on_error, OnError::Continue);
    }

    #[test]
    fn faults_are_told_with_what_would_be_right() {
        let value = json!({"name": "", "step": [], "steps": [
            {"use": "w", "optoins": {}, "on_error": "ignore", "timeout": 30, "retry": {"attempts": 0}},
        ]});
        let mut found = faults(&value);
        found.sort();
        let expected = [
            "/name: must not be empty",
            "/step: is not known here; did you mean `steps`?",
            "/steps/0/on_error: must be one of `stop`, `continue`",
            "/steps/0/optoins: is not known here; did you mean `options`?",
            "/steps/0/retry/attempts: must be at least 1",
            "/steps/0/timeout: must be text, not a whole number (put it in quotes), for example `5m`",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} is not {expected}");
        }
    }
}
