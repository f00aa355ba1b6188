//! The settings file as it is written.

use crate::flow::schema::{Schema, SchemaError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A whole settings file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileSettings {
    /// The connector's connection settings, for something that may be changed: a test account, say.
    pub connection: Option<BTreeMap<String, Value>>,
    /// What the connector is asked to do. Each call is made a dozen times, and answered differently each time.
    #[serde(default)]
    pub calls: Vec<CallFile>,
    /// A call that makes a payload of everything that is on the remote system where the calls work, also of what is
    /// hidden or temporary. It is made before and after calls that are broken off: what it tells must be the same.
    pub remains: Option<CallFile>,
    /// How the connector is led to a server that accepts connections and then says nothing.
    pub silent: Option<SilentFile>,
    /// The limit of one call; one minute when not given.
    #[schemars(extend("examples" = ["1m"]))]
    pub timeout: Option<String>,
}

/// One call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallFile {
    /// Names the call in reports; the endpoint's name when not given.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// The endpoint.
    #[schemars(length(min = 1))]
    pub endpoint: String,
    /// Its options; texts may be templates, as in flows.
    #[serde(default)]
    pub options: BTreeMap<String, Value>,
    /// The payloads that it is given; the trigger of a run when there are none.
    #[serde(default)]
    pub incoming: Vec<IncomingFile>,
    /// How many payloads it makes, at least.
    pub payloads: Option<u64>,
    /// Whether the same call can be made again and finds and does the same; true when not given. False for a call that
    /// moves or deletes what it was about.
    pub repeatable: Option<bool>,
}

/// An incoming payload. Exactly one of `content` and `file`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IncomingFile {
    /// Its name, also part of its id.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its body.
    pub content: Option<String>,
    /// A file with its body.
    pub file: Option<String>,
    /// Its attributes.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// JSON Pointers into `connection`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SilentFile {
    /// Of the setting that names the server.
    #[schemars(extend("examples" = ["/host"]))]
    pub host: String,
    /// Of the setting that is its port.
    #[schemars(extend("examples" = ["/port"]))]
    pub port: String,
}

/// The schema of settings files, without the parts that are the connectors' own.
pub(super) fn schema() -> Result<Schema, SchemaError> {
    Schema::from_value(schemars::schema_for!(FileSettings).to_value())
}
