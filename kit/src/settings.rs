//! Connection settings and options: types of the connector, read from JSON. The JSON Schemas that forms show come from
//! the same types.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::Error;
use crate::text::printable;

/// Where the connection settings are, in the fields that errors name.
pub const CONNECTION: &str = "/connection";
/// Where the options are.
pub const OPTIONS: &str = "/options";

/// The settings of a connector that connects to nothing, and the options of an endpoint that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "No settings", crate = "schemars")]
pub struct Nothing {}

/// The JSON Schema of settings. Every property needs a title and a description (its doc comment); secrets are marked
/// `writeOnly`; the order of the fields is the order in which forms show them.
#[must_use]
pub fn schema<T: JsonSchema>() -> Schema {
    SchemaGenerator::default().into_root_schema_for::<T>()
}

/// Reads a JSON object and says in which field it is wrong, never what stands there: it may be a secret. `part` is
/// [`CONNECTION`] or [`OPTIONS`].
///
/// # Errors
/// `invalid-settings`, with the field.
pub fn read<T: DeserializeOwned>(json: &str, part: &str) -> Result<T, Error> {
    // A list would do for a struct as well.
    if !json.trim_start().starts_with('{') {
        return Err(Error::setting(part, "A JSON object is expected."));
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let mut field = part.to_owned();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Map { key } => {
                    field.push('/');
                    field.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                Segment::Seq { index } => field.extend(["/", &index.to_string()]),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        Error::setting(
            field,
            // A name in it may be anything that JSON can write.
            format!("{}.", printable(&without_position(&error.inner().to_string()))),
        )
    })
}

/// The line and column are those of a text that the reader of the message has never seen. What follows
/// `invalid value: string` may be a secret, so the value is cut out as well.
fn without_position(message: &str) -> String {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message);
    match (
        message.strip_prefix("invalid type: "),
        message.split_once(", expected "),
    ) {
        (Some(_), Some((_, expected))) => format!("wrong type, expected {expected}"),
        _ => message.to_owned(),
    }
}

/// What `read` has made of options as a flow states them. None when what is wrong is a template, which has its value
/// only when there is a payload, or stands beside one.
pub(crate) fn unless_template<T>(read: Result<T, Error>, json: &str) -> Result<Option<T>, Error> {
    let error = match read {
        Ok(options) => return Ok(Some(options)),
        Err(error) => error,
    };
    let stated: Value = serde_json::from_str(json).unwrap_or_default();
    let pointer = error
        .field
        .as_deref()
        .and_then(|field| field.strip_prefix(OPTIONS));
    match pointer.and_then(|pointer| stated.pointer(pointer)) {
        Some(value) if has_template(value) => Ok(None),
        _ => Err(error),
    }
}

fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(values) => values.iter().any(has_template),
        Value::Object(values) => values.values().any(has_template),
        _ => false,
    }
}

/// For `#[serde(deserialize_with = "…")]`: forms send an empty text for a field that nobody filled in.
///
/// # Errors
/// It is no text.
pub fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Some {
        #[serde(default)]
        a: Vec<u8>,
        #[serde(default, rename = "b/~")]
        b: Option<bool>,
    }

    fn wrong(json: &str) -> Error {
        read::<Some>(json, OPTIONS).unwrap_err()
    }

    #[test]
    fn a_wrong_field_is_named_and_its_value_is_not() {
        for (json, field) in [
            (r#"{"a":[1,"s3cret"]}"#, "/options/a/1"),
            (r#"{"b/~":"s3cret"}"#, "/options/b~1~0"),
            (r#"{"c":"s3cret"}"#, "/options/c"),
            (r#""s3cret""#, "/options"),
            ("[]", "/options"),
            ("", "/options"),
            ("{", "/options"),
        ] {
            let error = wrong(json);
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::InvalidSettings, Some(field))
            );
            assert!(!error.message.contains("s3cret"), "{error}");
            assert!(!error.message.contains("line 1"), "{error}");
        }
        assert!(!wrong("{\"p\\u001b[31m\":1}").message.contains(char::is_control));
        let none = read::<Some>(" {}", OPTIONS).unwrap();
        assert!(none.a.is_empty() && none.b.is_none());
    }

    #[test]
    fn templates_are_not_judged() {
        let stated = |json: &str| unless_template(read::<Some>(json, OPTIONS), json);
        assert!(stated(r#"{"a":[1]}"#).unwrap().is_some());
        assert!(stated(r#"{"a":"{{ x }}"}"#).unwrap().is_none());
        assert!(stated(r#"{"a":"x"}"#).is_err());
        assert!(stated(r#"{"a":"x","b/~":"{{ y }}"}"#).is_err());
    }
}
