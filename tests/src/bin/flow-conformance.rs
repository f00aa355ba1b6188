//! `flow-conformance`: plays the conformance cases against hosts. `cargo xtask conformance` starts it.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use flow_tests::conformance::case::Case;
use flow_tests::conformance::known::Known;
use flow_tests::conformance::{catalogue, mutations, report, run};
use serde::Deserialize;

/// What xtask says.
#[derive(Deserialize)]
struct Plan {
    /// The hosts, one after another.
    hosts: Vec<Host>,
    /// Only cases whose id has this.
    case: Option<String>,
    /// Only tell which cases there are.
    list: bool,
    /// Break copies of the Node.js host in this folder, in place of all hosts.
    mutate: Option<PathBuf>,
    json: Option<PathBuf>,
    junit: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Host {
    command: String,
    /// Failures that are known.
    known: Option<PathBuf>,
}

fn main() -> ExitCode {
    match carry_out() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out() -> Result<bool> {
    let plan = std::env::args()
        .nth(1)
        .context("there is no plan: run `cargo xtask conformance`")?;
    let plan: Plan = serde_json::from_str(&plan).context("this is no plan")?;
    let mut cases = catalogue::cases()?;
    let ids: Vec<String> = cases.iter().map(|case| case.id.clone()).collect();
    if let Some(part) = &plan.case {
        cases.retain(|case| case.id.contains(part.as_str()));
        ensure!(!cases.is_empty(), "no case has {part:?} in its id: see `--list`");
    }
    if plan.list {
        for case in &cases {
            println!("{:<50}{}", case.id, case.sentence);
        }
        println!("\n{} cases", cases.len());
        return Ok(true);
    }
    if let Some(host) = &plan.mutate {
        return mutate(host, &cases);
    }
    let mut well = true;
    let mut hosts = Vec::new();
    for host in &plan.hosts {
        let known = host
            .known
            .as_deref()
            .map_or_else(|| Ok(Known::default()), Known::read)?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let strangers = known.unknown(&ids);
        if !strangers.is_empty() {
            bail!(
                "known failures of cases that there are not: {}",
                strangers.join(", ")
            );
        }
        let (name, played) = play(host, &cases, &known)?;
        well &= played.iter().all(|one| one.expected(&known));
        hosts.push((name, played, known));
    }
    for (name, played, known) in &hosts {
        println!("{}", report::summary(name, played, known));
    }
    if let Some(path) = &plan.json {
        let reports: Vec<_> = hosts
            .iter()
            .map(|(name, played, known)| report::to_json(name, played, known))
            .collect();
        fs::write(path, serde_json::to_string_pretty(&reports)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &plan.junit {
        fs::write(path, report::to_junit(&hosts)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(well)
}

/// Whether each broken copy fails exactly the right cases. Two at a time: the cases mostly wait.
fn mutate(host: &Path, cases: &[Case]) -> Result<bool> {
    let mutations = mutations::all(cases)?;
    let left = Mutex::new(mutations.iter());
    let play = || -> Result<Vec<bool>> {
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let mut results = Vec::new();
        while let Some(mutation) = next() {
            let wrong = mutation.play(host, cases)?;
            let word = if wrong.is_empty() { "pass" } else { "FAIL" };
            println!("{word:<6}{}", mutation.what);
            for line in &wrong {
                println!("      {line}");
            }
            results.push(wrong.is_empty());
        }
        Ok(results)
    };
    let results = thread::scope(|scope| {
        let players = [scope.spawn(play), scope.spawn(play)];
        players.map(|player| player.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let mut all = Vec::new();
    for result in results {
        all.extend(result?);
    }
    let passed = all.iter().filter(|well| **well).count();
    println!(
        "{} broken hosts: {passed} failed exactly the right cases, {} did not",
        all.len(),
        all.len() - passed
    );
    Ok(passed == mutations.len())
}

fn play(host: &Host, cases: &[Case], known: &Known) -> Result<(String, Vec<report::Played>)> {
    println!("\n{}", host.command);
    run(&host.command, cases, &mut |played| {
        println!("{}", played.text(known));
    })
}
