//! `check`.

use super::settings::Connection;
use super::store::Store;
use crate::bindings::exports::flow::connector::connector::{CheckStatus, CheckStep};
use crate::bindings::flow::connector::types::{Error, ErrorKind};

/// Signs in; with `probe_write` it also adds a thing and removes it.
///
/// # Errors
/// Why it could not be found out.
pub fn check(connection: &str, probe_write: bool) -> Result<Vec<CheckStep>, Error> {
    let connection = Connection::parse(connection)?;
    let mut steps = vec![step("settings", CheckStatus::Passed, "They are right.")];
    match Store::open(&connection, false) {
        Ok(mut store) => {
            steps.push(step(
                "sign in",
                CheckStatus::Passed,
                "The store accepts the password.",
            ));
            if probe_write || connection.sin == "check-writes" {
                store.add(".probe", b"probe")?;
                if !matches!(connection.sin.as_str(), "check-leaves" | "check-writes") {
                    store.delete(".probe")?;
                }
                steps.push(step(
                    "write",
                    CheckStatus::Passed,
                    "A thing was added and removed.",
                ));
            }
        }
        Err(fault) if fault.kind == ErrorKind::Authentication => {
            let status = if connection.sin == "check-believes" {
                CheckStatus::Warning
            } else {
                CheckStatus::Failed
            };
            steps.push(step("sign in", status, &fault.message));
            if connection.sin == "check-goes-on" {
                steps.push(step("write", CheckStatus::Passed, "It was not tried."));
            }
        }
        Err(fault) => return Err(fault),
    }
    Ok(steps)
}

fn step(name: &str, status: CheckStatus, message: &str) -> CheckStep {
    CheckStep {
        name: name.to_owned(),
        status,
        message: message.to_owned(),
        details: None,
    }
}
