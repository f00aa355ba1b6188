//! What the ledger says, asked as an operator asks: `flowhost runs`.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::run::{Bench, Run};

/// Runs `flowhost runs` with these arguments.
fn ask(bench: &Bench, arguments: &[&str]) -> Run {
    let mut command = bench.command();
    command.arg("runs").args(arguments);
    Run::of(command)
}

/// All runs that the ledger knows, one object each.
fn runs(bench: &Bench) -> Result<Vec<Value>> {
    let run = ask(bench, &["--json"]);
    ensure!(run.code == Some(0), "`flowhost runs --json`: {run}");
    Ok(run.events)
}

/// The name of a run.
fn name(run: &Value) -> Result<&str> {
    run["run"]
        .as_str()
        .with_context(|| format!("a run without a name: {run}"))
}

/// The runs that have not ended well.
///
/// # Errors
/// When the ledger cannot be asked.
pub fn not_ok(bench: &Bench) -> Result<Vec<String>> {
    let runs = runs(bench)?;
    let failed = runs.iter().filter(|run| run["state"] != "ok");
    failed.map(|run| name(run).map(ToOwned::to_owned)).collect()
}

/// Tries a run again that has failed.
#[must_use]
pub fn retry(bench: &Bench, run: &str) -> Run {
    ask(bench, &["retry", run])
}

/// In which ways the ledger does not say that all went well, and that so many payloads are done.
///
/// Everything that these tests know of the ledger's words is here.
///
/// # Errors
/// When the ledger cannot be asked.
pub fn disagreements(bench: &Bench, payloads: usize) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut done = 0;
    for run in runs(bench)? {
        let id = name(&run)?;
        if run["state"] != "ok" {
            found.push(format!("ledger: {id} is not `ok`: {run}"));
        }
        let shown = ask(bench, &["show", id, "--json"]);
        let told = shown.events.first().filter(|_| shown.code == Some(0));
        let told = told.with_context(|| format!("`flowhost runs show {id} --json`: {shown}"))?;
        let count = |state: &str| told["payloads"][state].as_u64();
        done += count("done").with_context(|| format!("no number of payloads that are done: {told}"))?;
        for state in ["pending", "failed", "unknown"] {
            if count(state) != Some(0) {
                found.push(format!(
                    "ledger: payloads of {id} are {state}: {}",
                    told["payloads"]
                ));
            }
        }
        if told["problems"]
            .as_array()
            .is_none_or(|problems| !problems.is_empty())
        {
            found.push(format!("ledger: problems of {id}: {}", told["problems"]));
        }
    }
    if done != payloads as u64 {
        found.push(format!("ledger: {done} payloads are done, and not {payloads}"));
    }
    let files = bench.files("state").into_keys();
    let left = files.filter(|path| is_body(path) || is_temporary(path));
    found.extend(left.map(|path| format!("state folder: {path} is left")));
    Ok(found)
}

/// Whether a file in the state folder is a body: all in the spool but its locks.
fn is_body(path: &str) -> bool {
    path.starts_with("spool/") && Path::new(path).extension() != Some(OsStr::new("lock"))
}

/// Whether a file was to have its name for a moment alone.
fn is_temporary(path: &str) -> bool {
    let path = Path::new(path);
    let ends = ["part", "tmp", "new"].map(OsStr::new);
    let is_hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    is_hidden || path.extension().is_some_and(|end| ends.contains(&end))
}
