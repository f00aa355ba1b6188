//! Settings and options against the connector's schemas: what does not fit is refused before the connector sees it.

use flowhost::component::Connector;
use flowhost::flow::schema::Schema;
use flowhost::flow::template::is_template;
use serde_json::Value;

use super::outcome::refused;
use crate::protocol::event::Failed;

/// Refuses connection settings that do not fit.
///
/// # Errors
/// When they do not.
pub(super) fn connection(connector: &Connector, text: &str) -> Result<(), Failed> {
    fit(
        &schema(&connector.descriptor.connection_schema)?,
        "connection settings",
        text,
        false,
    )
}

/// The schema of an endpoint's options.
///
/// # Errors
/// When there is no such endpoint.
pub(super) fn options_schema(connector: &Connector, endpoint: &str) -> Result<Schema, Failed> {
    let described = connector
        .endpoint(endpoint)
        .ok_or_else(|| refused(format!("the connector has no endpoint {endpoint:?}")))?;
    schema(&described.options_schema)
}

/// Refuses options as a flow states them: nothing can be said of templates.
///
/// # Errors
/// When they do not fit.
pub(super) fn options(schema: &Schema, text: &str) -> Result<(), Failed> {
    fit(schema, "options", text, true)
}

/// Refuses options that are filled in.
///
/// # Errors
/// When they do not fit.
pub(super) fn filled_options(schema: &Schema, text: &str) -> Result<(), Failed> {
    fit(schema, "options of a payload", text, false)
}

fn schema(text: &str) -> Result<Schema, Failed> {
    Schema::compile(text).map_err(|error| refused(format!("in the connector's description, {error}")))
}

fn fit(schema: &Schema, what: &str, text: &str, templates: bool) -> Result<(), Failed> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| refused(format!("the {what} are not JSON: {error}")))?;
    let is_open = |pointer: &str| {
        let text = value.pointer(pointer).and_then(Value::as_str);
        templates && text.is_some_and(is_template)
    };
    let findings = schema.check(&value, is_open);
    let findings: Vec<String> = findings
        .iter()
        .map(|finding| format!("`{}` {}", finding.pointer, finding.message))
        .collect();
    if findings.is_empty() {
        return Ok(());
    }
    Err(refused(format!("the {what} do not fit: {}", findings.join("; "))))
}
