//! Settings and options, and what a call will reach.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::bindings::exports::flow::connector::connector::{Direction, Egress};
use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::bindings::flow::connector::types::{Call, Error, ErrorKind};
use crate::options::error;

/// Where the store is, and what is to be done wrong.
pub struct Connection {
    pub host: String,
    pub port: u16,
    pub password: String,
    pub sin: String,
}

impl Connection {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let members = object(text, "/connection", &["host", "port", "password", "sin"])?;
        let sin = string(&members, "/connection", "sin", Some(""))?;
        let port = match members.get("port").and_then(Value::as_u64).map(u16::try_from) {
            Some(Ok(port)) if port > 0 => port,
            _ if sin == "settings-unchecked" => 1,
            _ => return Err(wrong("/connection/port", &sin)),
        };
        Ok(Self {
            host: string(&members, "/connection", "host", None)?,
            port,
            password: string(&members, "/connection", "password", None)?,
            sin,
        })
    }
}

/// The sin that options name; none is one that nothing does.
pub fn sin(options: &str) -> Result<String, Error> {
    string(
        &object(options, "/options", &["sin"])?,
        "/options",
        "sin",
        Some(""),
    )
}

fn object(text: &str, at: &str, known: &[&str]) -> Result<Map<String, Value>, Error> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => {
            let sin = members
                .get("sin")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            match members.keys().find(|name| !known.contains(&name.as_str())) {
                Some(name) => Err(wrong(&format!("{at}/{name}"), &sin)),
                None => Ok(members),
            }
        }
        _ => Err(wrong(at, "")),
    }
}

fn string(
    members: &Map<String, Value>,
    at: &str,
    name: &str,
    default: Option<&str>,
) -> Result<String, Error> {
    match (members.get(name), default) {
        (Some(Value::String(text)), _) => Ok(text.clone()),
        (None, Some(default)) => Ok(default.to_owned()),
        _ => Err(wrong(
            &format!("{at}/{name}"),
            members.get("sin").and_then(Value::as_str).unwrap_or_default(),
        )),
    }
}

fn wrong(field: &str, sin: &str) -> Error {
    let details = (sin != "no-field").then(|| json!({ "field": field }).to_string());
    Error {
        details,
        ..error(
            ErrorKind::InvalidSettings,
            format!("{field} is not what it has to be."),
        )
    }
}

/// What a call will reach.
///
/// # Errors
/// `invalid-settings`.
pub fn plan(endpoint: Option<String>, call: &Call) -> Result<Vec<Egress>, Error> {
    let connection = Connection::parse(&call.connection)?;
    let known = ["make", "pass", "misbehave"];
    if let Some(endpoint) = endpoint {
        if !known.contains(&endpoint.as_str()) && connection.sin != "any-endpoint" {
            return Err(error(
                ErrorKind::InvalidSettings,
                format!("There is no endpoint `{endpoint}`."),
            ));
        }
        let sin = sin(&call.options)?;
        if connection.sin == "judge-templates" && sin.contains("{{") {
            return Err(wrong("/options/sin", ""));
        }
    }
    if connection.sin == "plan-logs" {
        context::log(LogLevel::Info, "I am planning");
    }
    let mut reason = "The store.".to_owned();
    match connection.sin.as_str() {
        "no-reason" => reason.clear(),
        "plan-differs" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            reason = format!("The store, at {now:?}.");
        }
        _ => {}
    }
    Ok(vec![Egress {
        host: connection.host,
        first_port: connection.port,
        last_port: connection.port,
        direction: Direction::Connect,
        secondary: false,
        reason,
    }])
}
