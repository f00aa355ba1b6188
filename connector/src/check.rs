//! `check`: connects and signs in, and tells what it found. Changes nothing.

use serde_json::json;

use crate::bindings::exports::flow::connector::connector::{CheckStatus, CheckStep};
use crate::error::{Error, Kind};
use crate::path::RemotePath;
use crate::session::Session;
use crate::settings::{Auth, Connection};
use crate::transport::{Host, Patience};

/// Goes through a session step by step. The failed step is the last.
pub fn check(connection: &str, probe_write: bool, host: Host) -> Result<Vec<CheckStep>, Error> {
    let _ = probe_write;
    let settings = Connection::parse(connection)?;
    let mut steps = Vec::new();
    match walk(&settings, host, &mut steps) {
        Ok(()) => Ok(steps),
        Err((_, error)) if error.kind == Kind::Cancelled => Err(error),
        Err((name, error)) => {
            let details = json!({
                "kind": format!("{:?}", error.kind),
                "code": error.code,
                "field": error.field,
            });
            steps.push(step(name, CheckStatus::Failed, error.message, Some(details)));
            Ok(steps)
        }
    }
}

type Failed = (&'static str, Error);

fn walk(settings: &Connection, host: Host, steps: &mut Vec<CheckStep>) -> Result<(), Failed> {
    let at = |name: &'static str| move |error: Error| (name, error);
    let server = format!("{}:{}", settings.host, settings.port);
    let patience = Patience::new(host, settings.idle());
    let mut session = Session::connect(settings, host, patience).map_err(at("connect"))?;
    steps.push(step(
        "connect",
        CheckStatus::Passed,
        format!("{server} answers."),
        None,
    ));

    session.sign_in(settings).map_err(at("sign in"))?;
    let account = match &settings.auth {
        Auth::Anonymous => "anonymous".to_owned(),
        Auth::Account { username, .. } => format!("`{}`", crate::error::printable(username)),
    };
    steps.push(step(
        "sign in",
        CheckStatus::Passed,
        format!("Signed in as {account}."),
        None,
    ));

    session.look_around().map_err(at("features"))?;
    steps.push(features(&session));

    session
        .enter_root(settings.root.as_deref())
        .map_err(at("root folder"))?;
    let (status, message) = match session.root() {
        Some(root) => (
            CheckStatus::Passed,
            format!("The root folder is `{}`.", crate::error::printable(root)),
        ),
        None => (
            CheckStatus::Warning,
            "The server does not tell its folder; paths are sent as they are.".into(),
        ),
    };
    steps.push(step("root folder", status, message, None));

    let folder = settings.default_folder().map_err(at("listing"))?;
    list(&mut session, &folder, steps).map_err(at("listing"))?;
    session.quit();
    Ok(())
}

fn features(session: &Session) -> CheckStep {
    let names = session.feature_names();
    let details = json!({ "features": names });
    let missing: Vec<_> = ["MLST", "SIZE", "MDTM"]
        .into_iter()
        .filter(|name| !session.has(name) && (*name != "MLST" || !session.has("MLSD")))
        .collect();
    if missing.is_empty() {
        return step(
            "features",
            CheckStatus::Passed,
            format!("{} features.", names.len()),
            Some(details),
        );
    }
    let message = format!(
        "The server does not name {}: sizes and times may be missing or inexact.",
        missing.join(", ")
    );
    step("features", CheckStatus::Warning, message, Some(details))
}

fn list(session: &mut Session, folder: &RemotePath, steps: &mut Vec<CheckStep>) -> Result<(), Error> {
    let mut entries = 0_u64;
    session.list(folder, |_| entries += 1)?;
    let dialect = format!("{:?}", session.dialect).to_lowercase();
    let message = format!("`{folder}` has {entries} entries; data connections work.");
    let details = json!({ "entries": entries, "dialect": dialect });
    steps.push(step("listing", CheckStatus::Passed, message, Some(details)));
    Ok(())
}

fn step(name: &str, status: CheckStatus, message: String, details: Option<serde_json::Value>) -> CheckStep {
    CheckStep {
        name: name.to_owned(),
        status,
        message,
        details: details.map(|details| details.to_string()),
    }
}
