//! `flowhost run`.

use super::operator::Operator;
use super::signals::{INTERRUPTED, Signals};
use super::{SKIPPED, WRONG, exit, output, runtime};
use anyhow::Context as _;
use flowhost::contract::LogLevel;
use flowhost::event::Events;
use flowhost::flow::{self, LoadOptions, RunOptions, RunReport, Status};
use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The flow file.
    flow: PathBuf,
    /// Print one JSON object a line for each event; the last is `run-finished`.
    #[arg(long)]
    json: bool,
    /// Folder for what the run keeps on disk [default: the user's state folder].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Give one of the flow's `variables` another value; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    var: Vec<(String, String)>,
    /// Most bytes of documents on disk and in memory at the same time.
    #[arg(long, value_name = "BYTES")]
    spool_quota: Option<u64>,
    #[command(flatten)]
    pub(super) trace: Trace,
    #[command(flatten)]
    pub(super) operator: Operator,
}

/// Whether a connector's dialogue is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Trace {
    /// Print the dialogue with the FTP servers on standard error, each line with a time and without secrets.
    ///
    /// With --json the lines are `log` events of the level `trace` instead.
    #[arg(long)]
    trace_ftp: bool,
}

impl Trace {
    /// The quietest log lines that are wanted.
    pub(super) fn log_threshold(&self) -> LogLevel {
        if self.trace_ftp {
            LogLevel::Trace
        } else {
            LogLevel::Debug
        }
    }
}

/// Reads `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let policy = args.operator.policy()?;
    let runtime = runtime()?;
    let variables: BTreeMap<String, String> = args.var.into_iter().collect();
    let flow = match flow::load(&runtime, &args.flow, &LoadOptions { variables }).await {
        Ok(flow) => flow,
        Err(problems) => {
            output::problems(&problems, args.json);
            return Ok(ExitCode::from(WRONG));
        }
    };
    let cancel = CancellationToken::new();
    tokio::spawn(interrupts(cancel.clone()));
    let options = RunOptions {
        spool_quota: args.spool_quota,
        events: if args.json {
            output::json()
        } else {
            output::people()
        },
        log_threshold: args.trace.log_threshold(),
        cancel,
        policy,
        ..RunOptions::new(args.state.map_or_else(state_folder, Ok)?)
    };
    let report = flow::run(&flow, &options).await?;
    Ok(ended(&report))
}

/// The exit code of a run.
pub(super) fn ended(report: &RunReport) -> ExitCode {
    match report.status {
        Status::Skipped => ExitCode::from(SKIPPED),
        Status::Ok | Status::Failed | Status::Interrupted => exit(report.is_ok()),
    }
}

/// The first interrupt ends the run in good order, the second at once.
pub(super) async fn interrupts(cancel: CancellationToken) {
    let Ok(mut signals) = Signals::listen() else {
        return; // The system's own way with interrupts stays: the process ends.
    };
    signals.next().await;
    eprintln!("flowhost: ending the run; once more to end at once");
    cancel.cancel();
    signals.next().await;
    std::process::exit(INTERRUPTED);
}

/// Where runs keep their state: `FLOWHOST_STATE`, else the user's state folder (XDG base directories).
pub(super) fn state_folder() -> anyhow::Result<PathBuf> {
    let folder = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if let Some(path) = env::var_os("FLOWHOST_STATE").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let parent = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    let parent =
        parent.context("there is no home folder for the run's state: name a folder with `--state`")?;
    Ok(parent.join("flowhost"))
}

/// Events for `demo`, which shows its runs like `run` does.
pub(super) fn events() -> Events {
    output::people()
}
