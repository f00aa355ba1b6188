//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer.
//!
//! With the stable compiler and nothing to install but a C++ compiler, which libFuzzer itself is built with.

mod finding;
pub mod instrument;

use std::fs::{self, File};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{build, guests, process};
use finding::Findings;

/// Bytes of an input. Enough for several lines or one long name; longer inputs cost executions, and what must
/// hold of really long ones the targets make up themselves.
const MAX_LEN: u32 = 4096;

/// MB of memory. Nothing that reads a name or a reply needs more than a few, beside the corpus.
const RSS_LIMIT_MB: u32 = 512;

/// Seconds for one input. All take some milliseconds at most; on a busy machine a hundred times that is still no
/// finding.
const TIMEOUT_S: u32 = 5;

/// The target whose inputs a guest reads.
const IMPORTS: &str = "imports";

/// What can be said after `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Options {
    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Targets that run at the same time (default: one for each processor)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    jobs: Option<u8>,
    /// Run one target alone, by the name of its folder in fuzz/seeds
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
}

pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let targets = chosen(all(workspace)?, options.target.as_deref())?;
    if !workspace.component().exists() {
        // The host embeds it, and half of the targets are the host's.
        build::component(workspace)?;
    }
    if targets.iter().any(|target| target == IMPORTS) {
        guests::run(workspace)?;
    }
    compile(workspace, &targets)?;
    let jobs = options.jobs.map_or_else(processors, usize::from);
    process::say(&format!(
        "{} targets, {} s each, {jobs} at a time",
        targets.len(),
        options.seconds
    ));
    let waiting = Mutex::new(targets.iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    // All of them, also after a finding: one call shows everything that is to be done.
    let work = || {
        let mut found = Vec::new();
        while let Some(target) = next() {
            if let Some(finding) = fuzz(workspace, target, options.seconds)? {
                eprintln!("{target}: {finding}");
                found.push(target.as_str());
            }
        }
        anyhow::Ok(found)
    };
    let found = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(found) => found,
            Err(panic) => resume_unwind(panic),
        });
        joined.collect::<Result<Vec<_>>>()
    })?
    .concat();
    if !found.is_empty() {
        bail!("fuzzing found something: {}", found.join(", "));
    }
    Ok(())
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The targets by their folders of seeds; a test in `fuzz/` holds them together with the code.
fn all(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = seeds(workspace, "");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn chosen(all: Vec<String>, wanted: Option<&str>) -> Result<Vec<String>> {
    let Some(wanted) = wanted else {
        return Ok(all);
    };
    if !all.iter().any(|name| name == wanted) {
        bail!("there is no target `{wanted}`; there are: {}", all.join(", "));
    }
    Ok(vec![wanted.to_owned()])
}

fn seeds(workspace: &Workspace, target: &str) -> PathBuf {
    workspace.root().join("fuzz/seeds").join(target)
}

fn program(workspace: &Workspace, target: &str) -> PathBuf {
    workspace.program(&format!("fuzz_{target}"))
}

/// Builds the programs. The selection is that of every release build, and only packages of the workspace are
/// instrumented: what they depend on, wasmtime above all, is there already and stays as it is.
fn compile(workspace: &Workspace, targets: &[String]) -> Result<()> {
    process::say("the fuzz targets, instrumented");
    let mut cargo = workspace.cargo();
    cargo
        .arg("build")
        .args(build::PACKAGES)
        .args(["--features", "flow-fuzz/fuzzer"]);
    for target in targets {
        cargo.arg("--bin").arg(format!("fuzz_{target}"));
    }
    instrument::apply(&mut cargo)?;
    process::run(&mut cargo)
        .context("the fuzz targets cannot be built (libFuzzer needs a C++ compiler: on Debian, g++)")
}

/// Runs one target and says what it found.
fn fuzz(workspace: &Workspace, target: &str, seconds: u64) -> Result<Option<String>> {
    let place = workspace.own("fuzz");
    let corpus = place.join("corpus").join(target);
    let findings = Findings::look(place.join("findings").join(target))?;
    make(&corpus)?;
    let log = place.join(format!("{target}.log"));
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let program = program(workspace, target);
    let mut libfuzzer = Command::new(&program);
    libfuzzer
        .current_dir(workspace.root())
        // The first folder is the one that new inputs go to.
        .args([&corpus, &seeds(workspace, target)])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_LEN}"))
        .arg(format!("-rss_limit_mb={RSS_LIMIT_MB}"))
        .arg(format!("-timeout={TIMEOUT_S}"))
        .arg(format!("-artifact_prefix={}/", findings.folder().display()))
        .arg(format!(
            "-dict={}",
            workspace
                .root()
                .join(format!("fuzz/words/{target}.dict"))
                .display()
        ))
        .arg("-print_final_stats=1")
        .stdout(output.try_clone()?)
        .stderr(output);
    let status = libfuzzer
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if status.success() {
        println!(
            "{target}: {} executions in {seconds} s, {} inputs in the corpus, nothing found",
            statistic(&text, "number_of_executed_units").unwrap_or("?"),
            count(&corpus)
        );
        return Ok(None);
    }
    Ok(Some(findings.explain(status, &program, &log, &text)?))
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// A number out of `stat::name: number`, which libFuzzer prints at its end.
fn statistic<'a>(log: &'a str, name: &str) -> Option<&'a str> {
    log.lines()
        .filter_map(|line| line.strip_prefix("stat::")?.split_once(':'))
        .find(|(known, _)| *known == name)
        .map(|(_, number)| number.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_chosen_by_its_name() {
        let all = || vec!["listing".to_owned(), "reply".to_owned()];
        assert_eq!(chosen(all(), None).unwrap(), all());
        assert_eq!(chosen(all(), Some("reply")).unwrap(), ["reply"]);
        assert_eq!(
            chosen(all(), Some("replies")).unwrap_err().to_string(),
            "there is no target `replies`; there are: listing, reply"
        );
    }

    #[test]
    fn the_statistics_of_libfuzzer() {
        let log = "Done 5 runs\nstat::number_of_executed_units: 812345\nstat::peak_rss_mb:              43\n";
        assert_eq!(statistic(log, "number_of_executed_units"), Some("812345"));
        assert_eq!(statistic(log, "slowest_unit_time_sec"), None);
    }
}
