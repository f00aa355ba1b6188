//! What it says of itself.

use serde_json::json;

use crate::bindings::exports::flow::connector::connector::{Descriptor, Endpoint};

/// Honest.
#[must_use]
pub fn describe() -> Descriptor {
    let words = |title: &str| json!({ "type": "string", "title": title, "description": "For tests." });
    let mut password = words("Password");
    password["writeOnly"] = true.into();
    let port = json!({ "type": "integer", "minimum": 1, "maximum": 65535, "title": "Port", "description": "Of the store." });
    let connection = json!({
        "type": "object",
        "properties": { "host": words("Host"), "port": port, "password": password, "sin": words("Sin") },
        "required": ["host", "port", "password"],
        "additionalProperties": false,
    });
    let options =
        json!({ "type": "object", "properties": { "sin": words("Sin") }, "additionalProperties": false });
    let endpoints = ["make", "pass", "misbehave"].map(|name| Endpoint {
        name: name.to_owned(),
        title: name.to_owned(),
        description: "For tests.".to_owned(),
        options_schema: options.to_string(),
    });
    Descriptor {
        id: "sloppy".to_owned(),
        version: "0.1.0".to_owned(),
        title: "Sloppy".to_owned(),
        description: "For tests.".to_owned(),
        connection_schema: connection.to_string(),
        endpoints: endpoints.into(),
        details: None,
    }
}
