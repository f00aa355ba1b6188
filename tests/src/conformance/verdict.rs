//! What is wrong with what the suite saw.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::case::{Content, Expect, Kind, Made, Request};
use super::ledger::Ledger;
use super::servers::{Servers, bytes};
use crate::protocol::contract::{Error, Outcome};
use crate::protocol::event::{Called, Checked, Planned, Reply, Unsettled};

/// Compares a request that has ended with what had to come of it.
///
/// # Errors
/// When that cannot be told.
pub fn of(request: &Request, ledger: &Ledger, servers: &Servers) -> Result<Vec<String>> {
    let expect = &request.expect;
    let mut faults = ledger.faults.clone();
    let (reply, took) = ledger.reply.as_ref().context("it has not ended")?;
    if let Some(within) = expect.within_ms
        && took.as_millis() > u128::from(within)
    {
        faults.push(format!("it took {took:.1?} and not {within} ms at most"));
    }
    ending(request, reply, &mut faults)?;
    payloads(expect, ledger, &mut faults)?;
    words(expect, ledger, &mut faults);
    remote(expect, servers, &mut faults)?;
    Ok(faults)
}

/// How it ended.
fn ending(request: &Request, reply: &Reply, faults: &mut Vec<String>) -> Result<()> {
    let expect = &request.expect;
    match (&reply.failed, expect.failed) {
        (Some(failed), expected) if expected != Some(failed.kind) => {
            let error = failed.error.as_ref().map(|error| format!(" ({})", kind(error)));
            let expected = expected.map_or("to end well".to_owned(), |kind| format!("{kind:?}"));
            faults.push(format!(
                "expected {expected}, was {:?}{}: {}",
                failed.kind,
                error.unwrap_or_default(),
                failed.message
            ));
            return Ok(());
        }
        (Some(failed), _) => {
            faults.extend(lacking(&failed.message, &expect.words));
            let error = serde_json::to_value(&failed.error)?;
            members("error", &expect.error, &error, faults);
            unsettled(expect, &reply.unsettled, faults);
            return Ok(());
        }
        (None, Some(expected)) => {
            faults.push(format!("expected {expected:?}, and it ended well"));
            return Ok(());
        }
        (None, None) => {}
    }
    let ok = reply
        .ok
        .clone()
        .context("the reply is neither `ok` nor `failed`")?;
    match request.kind {
        Kind::Call => {
            let called: Called = serde_json::from_value(ok).context("the reply to `call`")?;
            members(
                "summary",
                &expect.summary,
                &serde_json::to_value(called.summary)?,
                faults,
            );
            if let Some(well) = expect.well
                && well != called.well
            {
                faults.push(format!("expected well: {well}, was {}", called.well));
            }
            unsettled(expect, &called.unsettled, faults);
        }
        Kind::Plan => {
            let planned: Planned = serde_json::from_value(ok).context("the reply to `plan`")?;
            if let Some(egress) = &expect.egress {
                same("parts of the plan", &egress.len(), &planned.egress.len(), faults);
                for (expected, found) in egress.iter().zip(&planned.egress) {
                    members("egress", expected, &serde_json::to_value(found)?, faults);
                }
            }
        }
        Kind::Check => {
            let checked: Checked = serde_json::from_value(ok).context("the reply to `check`")?;
            if let Some(expected) = &expect.steps {
                let steps = checked.steps.iter();
                let found: Vec<_> = steps
                    .map(|step| (step.name.clone(), word(&step.status)))
                    .collect();
                same("steps", expected, &found, faults);
            }
        }
    }
    Ok(())
}

fn unsettled(expect: &Expect, found: &[Unsettled], faults: &mut Vec<String>) {
    if let Some(expected) = &expect.unsettled {
        let found: Vec<_> = found.iter().map(|one| (one.id.clone(), one.counted)).collect();
        same("unsettled", expected, &found, faults);
    }
}

/// What was made and settled.
fn payloads(expect: &Expect, ledger: &Ledger, faults: &mut Vec<String>) -> Result<()> {
    if let Some(expected) = &expect.accepted {
        same(
            "accepted payloads",
            &expected.len(),
            &ledger.accepted.len(),
            faults,
        );
        for (expected, number) in expected.iter().zip(&ledger.accepted) {
            made(expected, ledger, *number, faults)?;
        }
    }
    if let Some(expected) = &expect.gone {
        same("lost payloads", &expected.len(), &ledger.gone.len(), faults);
        for (expected, (metadata, how, reason)) in expected.iter().zip(&ledger.gone) {
            same("the lost payload", &expected.id, &metadata.id, faults);
            same("how it was lost", &expected.how, how, faults);
            if let Some(expected) = &expected.reason {
                let found = reason.as_ref().map_or("none".to_owned(), kind);
                same("why it was lost", expected, &found, faults);
            }
        }
    }
    if let Some(expected) = &expect.settled {
        same("settled payloads", &expected.len(), &ledger.settled.len(), faults);
        for (expected, (id, outcome)) in expected.iter().zip(&ledger.settled) {
            same("the settled payload", &expected.id, id, faults);
            let found = match outcome {
                Outcome::Pass(metadata) => {
                    let found = serde_json::to_value(metadata)?;
                    members("metadata", &expected.metadata, &found, faults);
                    "pass".to_owned()
                }
                Outcome::Consume => "consume".to_owned(),
                Outcome::Fail(error) if expected.outcome.split(' ').count() > 2 => {
                    format!("fail {} {}", kind(error), word(&error.effect))
                }
                Outcome::Fail(error) => format!("fail {}", kind(error)),
            };
            same("how it was settled", &expected.outcome, &found, faults);
        }
    }
    Ok(())
}

fn made(expected: &Made, ledger: &Ledger, number: u64, faults: &mut Vec<String>) -> Result<()> {
    let making = ledger.making.get(&number).context("it was offered")?;
    let metadata = serde_json::to_value(&making.metadata)?;
    members("metadata", &expected.metadata, &metadata, faults);
    if let Some(content) = &expected.body {
        faults.extend(differing(content, &making.bytes)?.map(|fault| format!("the body {fault}")));
    }
    Ok(())
}

/// What was said on the way.
fn words(expect: &Expect, ledger: &Ledger, faults: &mut Vec<String>) {
    if let Some(expected) = &expect.reported {
        let found: Vec<_> = ledger
            .reported
            .iter()
            .map(|(id, error)| (id.clone(), kind(error)))
            .collect();
        same("reported", expected, &found, faults);
    }
    if let Some(expected) = &expect.noted {
        same("noted", expected, &ledger.noted, faults);
    }
    for (what, expected, found) in [
        ("log", &expect.log, &ledger.log),
        ("progress", &expect.progress, &ledger.progress),
    ] {
        let mut rest = found.iter();
        for line in expected.iter().flatten() {
            if !rest.any(|found| found == line) {
                faults.push(format!(
                    "the {what} has no {line:?} in its place; it is {found:?}"
                ));
                break;
            }
        }
    }
    for word in &expect.log_lacks {
        if let Some(line) = ledger.log.iter().find(|line| line.contains(word.as_str())) {
            faults.push(format!("the log has {line:?}"));
        }
    }
}

/// What the servers saw.
fn remote(expect: &Expect, servers: &Servers, faults: &mut Vec<String>) -> Result<()> {
    for (name, expected) in &expect.connections {
        let found = servers
            .connections(name, *expected)
            .with_context(|| format!("{name} does not count"))?;
        same(&format!("connections to {name}"), expected, &found, faults);
    }
    if expect.files.is_empty() && expect.files_lack.is_empty() {
        return Ok(());
    }
    let (files, removed) = (servers.files()?, servers.removed());
    for (path, content) in &expect.files {
        match files.get(path) {
            None => faults.push(format!("the server has no {path}; it has {:?}", files.keys())),
            Some(found) => {
                faults
                    .extend(differing(content, found)?.map(|fault| format!("{path} on the server {fault}")));
            }
        }
    }
    for path in &expect.files_lack {
        // A scripted server keeps what it was made with.
        let deleted = removed.contains(path);
        if files.contains_key(path) && !deleted {
            faults.push(format!("the server still has {path}"));
        }
    }
    Ok(())
}

/// How bytes differ from what they have to be.
fn differing(content: &Content, found: &[u8]) -> Result<Option<String>> {
    let expected = match content {
        Content::PatternOfAnyLength {} => flow_probe::bodies::pattern(0, found.len()),
        content => bytes(content)?,
    };
    if expected == found {
        return Ok(None);
    }
    let at = expected.iter().zip(found).position(|(one, other)| one != other);
    Ok(Some(match at {
        Some(at) => format!("is another from byte {at} on"),
        None => format!("has {} bytes and not {}", found.len(), expected.len()),
    }))
}

/// Compares the members that are named.
pub fn members(what: &str, expected: &Map<String, Value>, found: &Value, faults: &mut Vec<String>) {
    for (name, value) in expected {
        let found = found.get(name).unwrap_or(&Value::Null);
        if value != found {
            faults.push(format!("{what}.{name}: expected {value}, was {found}"));
        }
    }
}

/// The words that a message has not.
pub fn lacking(message: &str, words: &[String]) -> Vec<String> {
    let lacking = words.iter().filter(|word| !message.contains(word.as_str()));
    lacking
        .map(|word| format!("the message does not say {word:?}: {message}"))
        .collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, found: &T, faults: &mut Vec<String>) {
    if expected != found {
        faults.push(format!("{what}: expected {expected:?}, was {found:?}"));
    }
}

fn kind(error: &Error) -> String {
    word(&error.kind)
}

/// A case of an enum as JSON writes it.
pub fn word<T: serde::Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
