//! What hosts ask before they call. The connection settings say it: `{"egress": [...], "steps": [...]}`.

use serde::Deserialize;

use crate::bindings::exports::flow::connector::connector::{
    CheckStatus, CheckStep, Descriptor, Direction, Egress, Endpoint,
};
use crate::bindings::flow::connector::context;
use crate::bindings::flow::connector::types::{Call, Error};
use crate::failed;

/// The connection settings.
#[derive(Deserialize)]
struct Settings {
    /// What to plan.
    #[serde(default)]
    egress: Vec<Reach>,
    /// Fails the plan.
    plan_fails: Option<crate::script::Fault>,
    /// Makes `plan` call an import, which it must not.
    #[serde(default)]
    plan_calls: bool,
    /// The host that `check` connects to, with its port.
    check_reaches: Option<String>,
    /// Makes `check` wait until it is cancelled.
    #[serde(default)]
    check_waits: bool,
}

#[derive(Deserialize)]
struct Reach {
    host: String,
    first_port: u16,
    last_port: Option<u16>,
    #[serde(default)]
    accept: bool,
    #[serde(default)]
    secondary: bool,
}

const CONNECTION: &str = r#"{"type":"object","properties":{
"egress":{"type":"array","title":"Egress","description":"What to plan."},
"plan_fails":{"type":"object","title":"Plan fails","description":"With this error."},
"plan_calls":{"type":"boolean","title":"Plan calls","description":"Calls an import in plan."},
"check_reaches":{"type":"string","title":"Check reaches","description":"An address with its port."},
"check_waits":{"type":"boolean","title":"Check waits","description":"Until it is cancelled."}},
"additionalProperties":false}"#;

const SCRIPT: &str = r#"{"type":"object","properties":{
"script":{"type":"array","title":"Script","description":"What to do, step by step."},
"mark":{"type":"string","title":"Mark","description":"Tells options apart."}},
"additionalProperties":false}"#;

/// What the probe is.
#[must_use]
pub fn describe() -> Descriptor {
    let endpoint = |name: &str, description: &str| Endpoint {
        name: name.to_owned(),
        title: name.to_owned(),
        description: description.to_owned(),
        options_schema: SCRIPT.to_owned(),
    };
    Descriptor {
        id: "probe".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: "Probe".to_owned(),
        description: "Calls its host as a script says.".to_owned(),
        connection_schema: CONNECTION.to_owned(),
        endpoints: vec![
            endpoint("run", "Does what the script says."),
            endpoint("pass-all", "Passes on what is handed in."),
        ],
        details: Some(r#"{"later":"versions"}"#.to_owned()),
    }
}

fn settings(json: &str) -> Result<Settings, Error> {
    serde_json::from_str(json).map_err(|error| failed(format!("the settings cannot be read: {error}")))
}

/// What the settings want to be planned.
///
/// # Errors
/// When the settings want that, and when they cannot be read.
pub fn plan(_: Option<&str>, call: &Call) -> Result<Vec<Egress>, Error> {
    let settings = settings(&call.connection)?;
    if settings.plan_calls {
        context::progress("planning", 1, None);
    }
    if let Some(fault) = &settings.plan_fails {
        return Err(fault.into());
    }
    Ok(settings
        .egress
        .into_iter()
        .map(|reach| Egress {
            host: reach.host,
            first_port: reach.first_port,
            last_port: reach.last_port.unwrap_or(reach.first_port),
            direction: if reach.accept {
                Direction::Accept
            } else {
                Direction::Connect
            },
            secondary: reach.secondary,
            reason: "the script wants it".to_owned(),
        })
        .collect())
}

/// Connects where the settings say.
///
/// # Errors
/// When the settings cannot be read, and when the host wants the check to end.
pub fn check(connection: &str, probe_write: bool) -> Result<Vec<CheckStep>, Error> {
    let settings = settings(connection)?;
    if settings.check_waits {
        crate::run_context::wait_for_cancel(60_000).map_err(failed)?;
        return Err((&crate::script::Fault::cancelled()).into());
    }
    let step = |name: &str, status, message: String| CheckStep {
        name: name.to_owned(),
        status,
        message,
        details: Some(format!(r#"{{"probe_write":{probe_write}}}"#)),
    };
    let mut steps = vec![step(
        "settings",
        CheckStatus::Passed,
        "They can be read.".to_owned(),
    )];
    if let Some(address) = settings.check_reaches {
        let came = crate::network::dial(&address);
        let status = match &came {
            Ok(_) => CheckStatus::Passed,
            Err(_) => CheckStatus::Failed,
        };
        steps.push(step(
            "connect",
            status,
            came.err().unwrap_or_else(|| "Connected.".to_owned()),
        ));
    }
    Ok(steps)
}
