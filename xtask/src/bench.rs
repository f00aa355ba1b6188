//! `cargo xtask bench`: everything that the timings need, then the timings.

use std::process::Command;

use anyhow::{Result, bail};
use serde_json::json;

use crate::workspace::Workspace;
use crate::{build, guests, process, servers};

/// Bytes of the large file. 1 GiB takes long enough for a process's start not to count.
const LARGE: u64 = 1 << 30;

/// The same in a quick run.
const QUICK_LARGE: u64 = 32 << 20;

/// How many small files.
const FILES: u32 = 1000;

/// Runs of each program. Fewer say little about how far they lie apart.
const PAIRS: u32 = 7;

/// The same in a quick run.
const QUICK_PAIRS: u32 = 2;

/// Where the figures are kept.
const RESULTS: &str = "docs/bench";

pub const HELP: &str = "\
Measures flowhost beside other FTP clients (curl, Python's ftplib, lftp, wget, rclone) on a real server

All programs do the same job on the same server, over loopback, in turns: flowhost, the first peer, the second, and so
on, and again. Each is measured as a whole process: time, processor, memory. What arrives is compared with what was
sent. A peer that is not installed, cannot do a job or fails is in the results, with the reason.

The results are printed as a Markdown table; below it stands how they were made and on what. They mean something on a
machine that does nothing else; a whole run takes about ten minutes there.

The files are in the folder that TMPDIR names. When it is not set, they are in memory (/dev/shm) if it has room for
five times the large file, and in the system's folder for temporary files else. The results tell the file system.";

/// What can be said after `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Options {
    /// Only show that everything works: 32 MiB instead of 1 GiB, and 2 pairs; the figures mean nothing
    #[arg(long, conflicts_with = "write")]
    quick: bool,
    /// Measure these lines alone: get-1g, put-1g, ftps-get-1g, ftps-put-1g, files-get-1000
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "write")]
    lines: Vec<String>,
    /// How often each program is measured (default: 7; 2 with --quick)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: Option<u32>,
    /// Write the results of all lines to docs/bench/results.md and results.json, too; needs 7 pairs or more
    #[arg(long)]
    write: bool,
    /// Measure instead what 1 GiB loses beside 24 connectors that misbehave in the same process
    #[arg(long, conflicts_with_all = ["quick", "lines", "write"])]
    crowd: bool,
}

pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let plan = plan(workspace, options)?;
    servers::run(workspace)?;
    build::run(workspace)?;
    if options.crowd {
        guests::run(workspace)?;
        process::say("timings");
        let pairs = options.pairs.unwrap_or(PAIRS).to_string();
        let mut crowd = Command::new(workspace.program("flow-crowd"));
        return process::run(crowd.current_dir(workspace.root()).arg(pairs));
    }
    process::say("timings");
    process::run(
        Command::new(workspace.program("flow-bench"))
            .current_dir(workspace.root())
            .arg(plan.to_string()),
    )
}

/// What flow-bench is told.
fn plan(workspace: &Workspace, options: &Options) -> Result<serde_json::Value> {
    let (large, pairs) = if options.quick {
        (QUICK_LARGE, QUICK_PAIRS)
    } else {
        (LARGE, PAIRS)
    };
    let pairs = options.pairs.unwrap_or(pairs);
    if options.write && pairs < PAIRS {
        bail!("figures that are kept need {PAIRS} pairs or more");
    }
    Ok(json!({
        "lines": options.lines,
        "pairs": pairs,
        "large": large,
        "files": FILES,
        "quick": options.quick,
        "command": said(options),
        "write": options.write.then(|| workspace.root().join(RESULTS)),
    }))
}

/// The command as it was given.
fn said(options: &Options) -> String {
    let mut words = vec!["cargo xtask bench".to_owned()];
    if options.quick {
        words.push("--quick".to_owned());
    }
    if !options.lines.is_empty() {
        words.push(format!("--lines {}", options.lines.join(" ")));
    }
    if let Some(pairs) = options.pairs {
        words.push(format!("--pairs {pairs}"));
    }
    if options.write {
        words.push("--write".to_owned());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn planned(arguments: &[&str]) -> Result<serde_json::Value> {
        let line = Line::try_parse_from([&["bench"], arguments].concat())?;
        plan(&Workspace::find()?, &line.options)
    }

    #[test]
    fn figures_that_are_kept_are_of_everything() {
        for arguments in [
            ["--write", "--quick"].as_slice(),
            &["--write", "--lines", "get-1g"],
            &["--write", "--pairs", "6"],
        ] {
            assert!(planned(arguments).is_err(), "{arguments:?}");
        }
        let plan = planned(&["--write"]).unwrap();
        assert!(
            plan["write"]
                .as_str()
                .is_some_and(|folder| folder.ends_with("docs/bench"))
        );
        assert_eq!((&plan["pairs"], &plan["large"]), (&json!(7), &json!(1 << 30)));
    }

    #[test]
    fn a_quick_run_is_quick_and_tells_how_it_was_started() {
        let plan = planned(&["--quick", "--lines", "get-1g", "put-1g"]).unwrap();
        assert_eq!(
            (&plan["pairs"], &plan["large"], &plan["write"]),
            (&json!(2), &json!(32 << 20), &json!(null))
        );
        assert_eq!(plan["command"], "cargo xtask bench --quick --lines get-1g put-1g");
    }
}
