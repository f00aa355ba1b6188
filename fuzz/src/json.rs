//! JSON of a connector that nobody knows: its schemas, what it says of itself, the details of its errors.

use std::sync::LazyLock;

use flowhost::contract::{Descriptor, Endpoint, Error, ErrorKind};
use flowhost::flow::document::child;
use flowhost::flow::schema::Schema;
use flowhost::flow::template;
use flowhost::page;
use serde_json::{Value, json};

use crate::assert_message;

/// Between the parts of an input: a schema, a value, and the details of an error.
const RULE: &str = "\n---\n";

/// Bytes of a page that says what a connector is.
const LONGEST_PAGE: usize = 2 << 20;

/// Values that a flow may have where the connector has its say.
static VALUES: LazyLock<[Value; 4]> = LazyLock::new(|| {
    [
        json!({}),
        json!({"host": "h", "port": "21", "auth": {"username": "u", "password": "p"}, "list": [1, "2", null]}),
        json!([[], {}, "text", -1, 1.5, true, null]),
        json!("text"),
    ]
});

/// Does with a connector's JSON what the host does with it.
///
/// # Panics
/// Unless faults are told in bounded words and at places that are there, secrets are found in the value, nothing but
/// texts is changed, and pages are bounded and obeyed by no terminal.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.splitn(3, RULE);
    let (schema, value, details) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    error(details.or(value).unwrap_or(text));
    describe(schema, text);
    match Schema::compile(schema) {
        Ok(schema) => {
            let own = value.and_then(|value| serde_json::from_str(value).ok());
            VALUES.iter().chain(&own).for_each(|value| check(&schema, value));
        }
        Err(error) => assert!(!error.to_string().is_empty(), "refused without a word"),
    }
}

fn check(schema: &Schema, value: &Value) {
    let findings = schema.check(value, |_| false);
    assert_eq!(
        findings,
        schema.check(value, |_| false),
        "the second time differs"
    );
    for finding in &findings {
        assert_message(&finding.message);
        // What is missing is named where it would be.
        let around = finding.pointer.rfind('/').map(|end| &finding.pointer[..end]);
        assert!(
            value.pointer(&finding.pointer).is_some()
                || around.is_some_and(|around| value.pointer(around).is_some()),
            "{finding:?} is nowhere"
        );
    }
    assert_eq!(
        schema.check(value, |_| true).len(),
        0,
        "something is said of what is open"
    );
    for secret in schema.secrets(value) {
        assert!(value.pointer(&secret).is_some(), "{secret:?} is nowhere");
    }
    let texts: Vec<String> = template::texts(value)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    let mut coerced = value.clone();
    schema.coerce(&mut coerced, &texts);
    same_but_for_texts(value, &coerced, "", &texts);
}

/// Only a text may have become a number or a truth value, and one of the same writing.
fn same_but_for_texts(before: &Value, after: &Value, pointer: &str, texts: &[String]) {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "{pointer:?}");
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                same_but_for_texts(before, after, &child(pointer, &index.to_string()), texts);
            }
        }
        (Value::Object(before), Value::Object(after)) => {
            assert!(before.keys().eq(after.keys()), "{pointer:?}");
            for (name, value) in before {
                same_but_for_texts(value, &after[name], &child(pointer, name), texts);
            }
        }
        (Value::String(text), Value::Number(_) | Value::Bool(_)) => {
            assert!(
                texts.iter().any(|known| known == pointer),
                "{pointer:?} is no text to change"
            );
            assert_eq!(
                serde_json::from_str(text.trim()).ok().as_ref(),
                Some(after),
                "another value"
            );
        }
        _ => assert_eq!(before, after, "{pointer:?}"),
    }
}

/// What a hostile connector's error says.
fn error(details: &str) {
    let error = Error {
        details: Some(details.to_owned()),
        ..Error::new(ErrorKind::Data, "no")
    };
    if let Some(field) = error.field() {
        assert!(field.len() <= details.len(), "{field:?} grew");
    }
}

/// What a hostile connector says of itself, with any text in place of a name.
fn describe(schema: &str, text: &str) {
    let descriptor = Descriptor {
        id: text.to_owned(),
        version: text.to_owned(),
        title: text.to_owned(),
        description: text.to_owned(),
        connection_schema: schema.to_owned(),
        endpoints: vec![Endpoint {
            name: text.to_owned(),
            title: text.to_owned(),
            description: text.to_owned(),
            options_schema: schema.to_owned(),
        }],
        details: None,
    };
    let (page, object) = (page::text(&descriptor), page::json(&descriptor));
    assert_eq!(page.is_ok(), object.is_ok(), "one of them can be made");
    let (Ok(page), Ok(object)) = (page, object) else {
        return;
    };
    assert!(page.text().len() <= LONGEST_PAGE, "{} bytes", page.text().len());
    assert!(
        !page.text().chars().any(|c| c.is_control() && c != '\n'),
        "a terminal would obey"
    );
    let line = object.to_string();
    assert!(!line.chars().any(|c| c < ' '), "not one line");
    assert_eq!(
        serde_json::from_str::<Value>(&line).ok(),
        Some(object),
        "other JSON"
    );
}
