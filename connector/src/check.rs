//! `check`: connects and signs in, and tells what it found. Changes nothing, unless it is asked to try what only
//! writing can tell; that is in `probe`.

use std::fmt::Write as _;

use flow_connector::{CheckStatus, CheckStep, context};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{Error, Kind, printable};
use crate::listing::Dialect;
use crate::path::RemotePath;
use crate::probe;
use crate::session::Session;
use crate::settings::{Auth, Connection};
use crate::tls::pin;
use crate::transport::{Host, Patience};
use crate::zone::Zone;

/// Days before the end of a certificate from which on it is worth a warning: renewing one takes partners weeks.
const EXPIRES_SOON: i64 = 21;

/// Goes through a session step by step. The failed step is the last.
pub fn check(settings: &Connection, probe_write: bool, host: Host) -> Result<Vec<CheckStep>, Error> {
    let mut steps = Vec::new();
    match walk(settings, probe_write, host, &mut steps) {
        Ok(()) => Ok(steps),
        Err((_, error)) if error.kind == Kind::Cancelled => Err(error),
        Err((name, error)) => {
            let details = details_of(&error);
            steps.push(step(name, CheckStatus::Failed, error.message, details));
            Ok(steps)
        }
    }
}

type Failed = (&'static str, Error);

fn walk(
    settings: &Connection,
    probe_write: bool,
    host: Host,
    steps: &mut Vec<CheckStep>,
) -> Result<(), Failed> {
    let at = |name: &'static str| move |error: Error| (name, error);
    let patience = Patience::new(host, settings.idle());
    let mut session = Session::connect(settings, host, patience).map_err(at("connect"))?;
    steps.push(connected(&session));
    steps.extend(encryption(&session));

    session.sign_in(settings).map_err(at("sign in"))?;
    steps.push(signed_in(settings));
    session.protect_data(settings).map_err(at("encryption of data"))?;

    session.look_around().map_err(at("features"))?;
    steps.push(features(&session));

    session
        .enter_root(settings.root.as_deref())
        .map_err(at("root folder"))?;
    steps.push(root_folder(&session));

    let folder = settings.default_folder().map_err(at("listing"))?;
    list(&mut session, &folder, steps)?;
    steps.push(data_connection(&session));
    steps.extend(data_encryption(&session));
    steps.extend(time_zone(&session));

    if probe_write {
        let id = context::run_id();
        probe::probe(session, settings, host, &folder, &id, steps).map_err(at("write"))
    } else {
        session.quit();
        Ok(())
    }
}

fn connected(session: &Session) -> CheckStep {
    let peer = session.control.stream().peer().ok();
    let details = json!({ "address": peer.map(|peer| peer.to_string()) });
    let message = format!("{} answers.", session.server);
    step("connect", CheckStatus::Passed, message, details)
}

/// What the control connection is encrypted with, and the server's certificate.
fn encryption(session: &Session) -> Option<CheckStep> {
    let info = session.encryption()?;
    let mut message = format!("{} with {}.", info.version, info.cipher);
    let mut status = CheckStatus::Passed;
    if let Some(certificate) = &info.certificate {
        let until = Timestamp::from_millisecond(certificate.not_after_ms);
        let left = until.as_ref().map_or(i64::MAX, |until| {
            until.duration_since(Timestamp::now()).as_hours() / 24
        });
        let _ = write!(
            message,
            " Certificate of {}, issued by {}, valid until {}, {}.",
            printable(&certificate.subject),
            printable(&certificate.issuer),
            until.map_or_else(
                |_| "a time that cannot be told".to_owned(),
                |until| until.strftime("%F").to_string()
            ),
            pin(certificate),
        );
        if left < EXPIRES_SOON {
            status = CheckStatus::Warning;
            message.push_str(if left < 0 {
                " It has expired."
            } else {
                " It expires soon: the server needs a new one."
            });
        }
    }
    let certificate = info.certificate.as_ref().map(|certificate| {
        json!({
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "names": certificate.names,
            "not_after_ms": certificate.not_after_ms,
            "sha256": pin(certificate),
        })
    });
    let details = json!({ "version": info.version, "cipher": info.cipher, "certificate": certificate });
    Some(step("encryption", status, message, details))
}

/// What data connections are encrypted with. Many servers insist on resumption; where it does not work with one
/// that does not, each file costs a handshake more.
fn data_encryption(session: &Session) -> Option<CheckStep> {
    let protection = session.tls.as_ref()?;
    let Some(info) = &protection.last else {
        let message = "Data connections are not encrypted (`data_protection: clear`): everybody on the way reads files \
                       and listings.";
        return Some(step(
            "encryption of data",
            CheckStatus::Warning,
            message.to_owned(),
            Value::Null,
        ));
    };
    let how = if info.resumed {
        "resuming the control connection's session"
    } else {
        "with a handshake of their own: the server does not resume sessions"
    };
    let message = format!("{} with {}, {how}.", info.version, info.cipher);
    let details = json!({ "version": info.version, "cipher": info.cipher, "resumed": info.resumed });
    Some(step("encryption of data", CheckStatus::Passed, message, details))
}

fn signed_in(settings: &Connection) -> CheckStep {
    let (user, account) = match &settings.auth {
        Auth::Anonymous => ("anonymous", "anonymous".to_owned()),
        Auth::Account { username, .. } => (username.as_str(), format!("`{}`", printable(username))),
    };
    let message = format!("Signed in as {account}.");
    step("sign in", CheckStatus::Passed, message, json!({ "user": user }))
}

fn features(session: &Session) -> CheckStep {
    let names = session.feature_names();
    let details = json!({ "features": names });
    let missing: Vec<_> = ["MLST", "SIZE", "MDTM"]
        .into_iter()
        .filter(|name| !session.has(name) && (*name != "MLST" || !session.has("MLSD")))
        .collect();
    if missing.is_empty() {
        let message = format!("{} features.", names.len());
        return step("features", CheckStatus::Passed, message, details);
    }
    let message = format!(
        "The server does not name {}: sizes and times may be missing or inexact.",
        missing.join(", ")
    );
    step("features", CheckStatus::Warning, message, details)
}

fn root_folder(session: &Session) -> CheckStep {
    let details = json!({ "root": session.root() });
    let (status, message) = match session.root() {
        Some(root) => (
            CheckStatus::Passed,
            format!("The root folder is `{}`.", printable(root)),
        ),
        None => (
            CheckStatus::Warning,
            "The server does not tell its folder; paths are sent as they are.".into(),
        ),
    };
    step("root folder", status, message, details)
}

fn list(session: &mut Session, folder: &RemotePath, steps: &mut Vec<CheckStep>) -> Result<(), Failed> {
    let mut entries = 0_u64;
    if let Err(error) = session.list(folder, |_| entries += 1) {
        let about_the_folder = matches!(error.kind, Kind::NotFound | Kind::Permission);
        let name = if session.mode.worked.is_none() && !about_the_folder {
            "data connection"
        } else {
            "listing"
        };
        return Err((name, error));
    }
    let listed = session.listed;
    let style = listed.style.map(crate::listing::Style::name);
    let how = match style {
        Some(style) if listed.command == "LIST" => format!("LIST, {style} style"),
        _ => listed.command.to_owned(),
    };
    let mut message = format!("`{folder}` has {entries} entries, by {how}.");
    let mut status = CheckStatus::Passed;
    if listed.unreadable > 0 {
        status = CheckStatus::Warning;
        message = format!(
            "{message} {} more lines are left out: not readable, or with unsafe names. Names in another encoding \
             need the setting `encoding`.",
            listed.unreadable
        );
    }
    let details = json!({
        "command": listed.command,
        "style": style,
        "entries": entries,
        "unreadable": listed.unreadable,
    });
    steps.push(step("listing", status, message, details));
    Ok(())
}

fn data_connection(session: &Session) -> CheckStep {
    let way = session.mode.worked.unwrap_or_default();
    let why = session.mode.why_not_epsv.as_deref();
    let message = match (way, why) {
        ("PORT" | "EPRT", _) => format!("The server connects to us (active mode, {way})."),
        (_, Some(why)) => format!("{way} works. EPSV does not: {why}"),
        (_, None) => format!("{way} works."),
    };
    let details = json!({ "command": way, "why_not_epsv": why });
    step("data connection", CheckStatus::Passed, message, details)
}

/// What is known of the zone of LIST, when that is what listings come from.
fn time_zone(session: &Session) -> Option<CheckStep> {
    if session.dialect != Dialect::Long {
        return None;
    }
    let (status, offset, message) = match &session.zone {
        Zone::Named(_) => (
            CheckStatus::Passed,
            None,
            "LIST has its times in the zone of the setting `timezone`.".to_owned(),
        ),
        Zone::Found(offset) if !session.zone.is_found() => (
            CheckStatus::Passed,
            Some(offset),
            "LIST has its times in UTC, as MDTM has.".to_owned(),
        ),
        Zone::Found(offset) => (
            CheckStatus::Passed,
            Some(offset),
            format!(
                "LIST has its times at {offset} from UTC now, by comparison with MDTM. Set `timezone` to the zone's \
                 name: then files are not asked for their times one by one."
            ),
        ),
        Zone::Unknown => (
            CheckStatus::Warning,
            None,
            "The zone of the times in LIST is not known: there is no file here to compare with MDTM, or the \
             server has no MDTM. They are taken for UTC; set `timezone` if that is wrong."
                .to_owned(),
        ),
    };
    let details = json!({ "offset_seconds": offset.map(|offset| offset.seconds()) });
    Some(step("time zone", status, message, details))
}

/// What a program wants to know of a failure.
pub fn details_of(error: &Error) -> Value {
    json!({
        "kind": format!("{:?}", error.kind),
        "code": error.code,
        "field": error.field,
    })
}

/// A step with details.
pub fn step(name: &str, status: CheckStatus, message: String, details: Value) -> CheckStep {
    let details = Some(details).filter(|details| !details.is_null());
    CheckStep {
        details: details.map(|details| details.to_string()),
        ..CheckStep::new(name, status, message)
    }
}
