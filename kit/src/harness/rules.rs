//! The rules of the contract that are looked at when a connector runs natively. What the types of this crate make
//! impossible, and what only a host can see, is not among them.

use serde_json::Value;

use super::Outcome;
use crate::Error;
use crate::bindings::flow::connector::exchange;
use crate::context::Level;
use crate::glue::{self, Endpoints};

/// What a connector says of itself: every setting is explained, and nothing else is taken.
///
/// # Panics
/// When it is not so.
pub fn assert_described<C: Endpoints>() {
    let descriptor = glue::describe::<C>();
    assert_eq!(
        descriptor,
        glue::describe::<C>(),
        "`describe` has to say the same each time"
    );
    assert!(
        !descriptor.id.is_empty() && descriptor.id == descriptor.id.to_lowercase(),
        "the id `{}` has to be lower case",
        descriptor.id
    );
    assert!(!descriptor.endpoints.is_empty(), "a connector has endpoints");
    let schemas = descriptor.endpoints.iter().map(|endpoint| {
        assert!(
            !endpoint.title.is_empty(),
            "endpoint `{}` has no title",
            endpoint.name
        );
        assert!(
            !endpoint.description.is_empty(),
            "endpoint `{}` has no description",
            endpoint.name
        );
        (endpoint.name.as_str(), &endpoint.options_schema)
    });
    for (of, schema) in schemas.chain([("connection", &descriptor.connection_schema)]) {
        let schema: Value = serde_json::from_str(schema).expect("JSON");
        assert_eq!(
            schema["additionalProperties"],
            Value::Bool(false),
            "the schema of `{of}` has to refuse what it does not know: #[serde(deny_unknown_fields)]"
        );
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            for (key, how) in [
                ("title", "#[schemars(title = \"…\")]"),
                ("description", "a doc comment"),
            ] {
                assert!(
                    property[key].is_string(),
                    "`{name}` of `{of}` has no {key}: it is {how}"
                );
            }
        }
    }
}

/// What a connector has done in a call.
pub(super) fn assert_kept<C: Endpoints>(outcome: &Outcome, settings: &[&Value]) {
    let mut broken = outcome.broken.clone();
    match &outcome.result {
        Ok(summary) => {
            if outcome.was_cancelled {
                broken.push(
                    "it was told that the host wants the call to end, and did not fail with `cancelled`"
                        .into(),
                );
            }
            if outcome.left > 0 && !outcome.was_stopped {
                broken.push(format!(
                    "it left {} incoming payloads without saying what became of them",
                    outcome.left
                ));
            }
            let made = (outcome.accepted.len() + outcome.passed().len()) as u64;
            if summary.payloads != made {
                broken.push(format!(
                    "it says that it made or passed on {} payloads, and did {made}",
                    summary.payloads
                ));
            }
        }
        Err(error) => judge(error, &mut broken),
    }
    for error in outcome
        .failed()
        .iter()
        .chain(outcome.aborted.iter().map(|(_, error)| error))
    {
        judge(error, &mut broken);
    }
    let secrets = secrets::<C>(settings);
    for text in texts(outcome) {
        if secrets.iter().any(|secret| text.contains(secret.as_str())) {
            broken.push("a secret setting is in its log, an error or metadata".into());
        }
    }
    assert!(
        broken.is_empty(),
        "the connector has broken the contract:\n- {}",
        broken.join("\n- ")
    );
}

fn judge(error: &Error, broken: &mut Vec<String>) {
    if error.message.trim().is_empty() {
        broken.push(format!("an error of the kind {:?} says nothing", error.kind));
    }
    if let Some(field) = &error.field
        && !["/connection", "/options"]
            .iter()
            .any(|part| field.starts_with(part))
    {
        broken.push(format!(
            "the field `{field}` has to be a JSON Pointer below /connection or /options"
        ));
    }
}

/// The values of all settings that a schema marks `writeOnly`, whatever they are nested in.
fn secrets<C: Endpoints>(settings: &[&Value]) -> Vec<String> {
    let descriptor = glue::describe::<C>();
    let options = descriptor
        .endpoints
        .into_iter()
        .map(|endpoint| endpoint.options_schema);
    let mut names = Vec::new();
    for schema in options.chain([descriptor.connection_schema]) {
        marked(&serde_json::from_str(&schema).unwrap_or_default(), &mut names);
    }
    let mut values = Vec::new();
    for settings in settings {
        valued(settings, &names, &mut values);
    }
    values
}

fn marked(schema: &Value, names: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            if property["writeOnly"] == true {
                names.push(name.clone());
            }
        }
    }
    match schema {
        Value::Array(values) => values.iter().for_each(|value| marked(value, names)),
        Value::Object(values) => values.values().for_each(|value| marked(value, names)),
        _ => {}
    }
}

fn valued(settings: &Value, names: &[String], found: &mut Vec<String>) {
    match settings {
        Value::Array(values) => values.iter().for_each(|value| valued(value, names, found)),
        Value::Object(values) => {
            for (name, value) in values {
                match value.as_str() {
                    Some(secret) if names.contains(name) && !secret.is_empty() => {
                        found.push(secret.to_owned());
                    }
                    _ => valued(value, names, found),
                }
            }
        }
        _ => {}
    }
}

/// Everything that a call says to people.
fn texts(outcome: &Outcome) -> Vec<String> {
    let mut texts: Vec<String> = outcome
        .log
        .iter()
        .map(|(_, line): &(Level, String)| line.clone())
        .collect();
    texts.extend(outcome.result.as_ref().err().map(|error| error.message.clone()));
    texts.extend(outcome.failed().into_iter().map(|error| error.message));
    texts.extend(outcome.aborted.iter().map(|(_, error)| error.message.clone()));
    texts.extend(outcome.reported.iter().map(|(_, error)| error.message.clone()));
    texts.extend(
        outcome
            .accepted
            .iter()
            .map(|payload| format!("{:?}", payload.metadata)),
    );
    texts.extend(
        outcome
            .settled
            .iter()
            .filter_map(|settled| match &settled.outcome {
                exchange::Outcome::Pass(metadata) => Some(format!("{metadata:?}")),
                _ => None,
            }),
    );
    texts
}
