//! `flow-conformance`: plays the conformance cases against hosts. `cargo xtask conformance` starts it.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use flow_tests::conformance::case::Case;
use flow_tests::conformance::known::Known;
use flow_tests::conformance::{catalogue, report, run};
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
    let mut well = true;
    let mut hosts = Vec::new();
    for host in &plan.hosts {
        let known = host.known.as_deref().map_or_else(|| Ok(Known::default()), Known::read)?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let strangers = known.unknown(&ids);
        if !strangers.is_empty() {
            bail!("known failures of cases that there are not: {}", strangers.join(", "));
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

fn play(host: &Host, cases: &[Case], known: &Known) -> Result<(String, Vec<report::Played>)> {
    println!("\n{}", host.command);
    run(&host.command, cases, &mut |played| println!("{}", played.text(known)))
}
