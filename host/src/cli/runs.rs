//! `flowhost runs`.

use super::operator::Operator;
use super::run::{Trace, ended, interrupts, state_folder};
use super::{WRONG, Wrong, exit, output, runtime};
use anyhow::Context as _;
use flowhost::flow::retry::duration;
use flowhost::flow::{self, Again, LoadOptions, RunOptions};
use flowhost::state::ledger::report::{self, Line, Whole};
use flowhost::state::ledger::{now_ms, runs};
use flowhost::state::store::Store;
use indicatif::HumanBytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Runs in a list, unless more are asked for.
const SHOWN: u32 = 50;
/// Characters of an id that tell runs apart: the first ones of a UUID of version 7 are the time.
const SHORT: usize = 8;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show a run: its steps, what failed in it and why, and what waits.
    Show(ShowArgs),
    /// Go on with a run that ended with failures, or was interrupted.
    Retry(RetryArgs),
    /// Copy the documents of a run that are not delivered into a folder.
    Export(ExportArgs),
    /// Forget runs, with the documents that they still hold.
    Purge(PurgeArgs),
}

/// Where runs are, and how they are shown.
#[derive(Debug, clap::Args)]
struct Where {
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
    /// Folder for what runs keep on disk [default: the user's state folder].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// How many to show, the newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = SHOWN)]
    most: u32,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The run: its id, or the beginning or end of it.
    run: String,
    /// Show all documents, with what each step said of them; without it those that failed or wait.
    #[arg(long)]
    documents: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct RetryArgs {
    /// The run: its id, or the beginning or end of it.
    run: String,
    /// Documents that failed or wait, and not steps that failed as a whole.
    #[arg(long)]
    failed: bool,
    /// Do it anew where an earlier try may have done it and nobody could tell: you have looked.
    #[arg(long)]
    anew: bool,
    /// Most bytes of documents on disk and in memory at the same time.
    #[arg(long, value_name = "BYTES")]
    spool_quota: Option<u64>,
    /// The flow's file, where it is not any more where it was.
    #[arg(long, value_name = "FILE")]
    flow: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    trace: Trace,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// The run: its id, or the beginning or end of it.
    run: String,
    /// The folder that takes the files; it is made when it is not there.
    folder: PathBuf,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct PurgeArgs {
    /// One run: its id, or the beginning or end of it. One that was interrupted is given up.
    #[arg(required_unless_present = "older_than", conflicts_with = "older_than")]
    run: Option<String>,
    /// All runs that ended longer ago than this, for example `30d`.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
    /// Also where documents were not delivered; these are lost.
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    place: Where,
}

fn age(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|error| error.to_string())
}

pub(super) async fn runs(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        None => list(&args.list),
        Some(Command::Show(args)) => show(&args),
        Some(Command::Retry(args)) => retry(args).await,
        Some(Command::Export(args)) => export(&args),
        Some(Command::Purge(args)) => purge(&args).await,
    }
}

fn open(place: &Where) -> anyhow::Result<Arc<Store>> {
    open_within(place, None)
}

fn open_within(place: &Where, quota: Option<u64>) -> anyhow::Result<Arc<Store>> {
    let folder = place.state.clone().map_or_else(state_folder, Ok)?;
    Store::open(&folder, quota)
}

/// The one run that a text means.
fn meant(store: &Store, text: &str) -> anyhow::Result<String> {
    let mut ids = store.ledger.read(|connection| report::meant(connection, text))?;
    match ids.len() {
        1 => Ok(ids.remove(0)),
        0 => Err(Wrong(format!("there is no run `{text}`; `flowhost runs` lists them")).into()),
        several => Err(Wrong(format!("`{text}` may mean {several} runs: {}", ids.join(", "))).into()),
    }
}

/// Of the runs that the ledger calls running, those that nobody works on were interrupted.
fn seen(store: &Store, line: Line) -> Line {
    if line.state == "running" && !store.is_worked_on(&line.run) {
        return Line {
            state: "interrupted".to_owned(),
            ..line
        };
    }
    line
}

fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    let lines = store
        .ledger
        .read(|connection| report::list(connection, args.most))?;
    let lines: Vec<Line> = lines.into_iter().map(|line| seen(&store, line)).collect();
    if args.place.json {
        for line in &lines {
            output::line(&serde_json::to_string(line)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if lines.is_empty() {
        output::line("no runs yet");
        return Ok(ExitCode::SUCCESS);
    }
    let width = lines
        .iter()
        .map(|line| line.flow.chars().count())
        .max()
        .unwrap_or(0)
        .clamp(4, 40);
    output::line(&format!(
        "{:SHORT$}  {:width$}  {:11}  {:19}  {:>9}  {:>7}  {:>7}",
        "run", "flow", "state", "began", "documents", "failed", "waiting"
    ));
    for line in &lines {
        let flow: String = line.flow.chars().take(width).collect();
        output::line(&output::harmless(&format!(
            "{}  {flow:width$}  {:11}  {:19}  {:>9}  {:>7}  {:>7}",
            short(&line.run),
            line.state,
            time(line.started),
            line.payloads,
            line.failed,
            line.pending
        )));
    }
    Ok(ExitCode::SUCCESS)
}

fn short(run: &str) -> &str {
    run.get(run.len().saturating_sub(SHORT)..).unwrap_or(run)
}

fn time(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    time.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    let id = meant(&store, &args.run)?;
    let whole = store
        .ledger
        .read(|connection| report::whole(connection, &id, args.documents))?;
    let whole = whole.with_context(|| format!("the run {id} was forgotten just now"))?;
    let whole = Whole {
        run: seen(&store, whole.run),
        ..whole
    };
    if args.place.json {
        output::line(&serde_json::to_string(&whole)?);
    } else {
        print(&whole);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(whole: &Whole) {
    let line = |text: String| output::line(&output::harmless(&text));
    let run = &whole.run;
    line(format!("run       {}", run.run));
    line(format!("flow      {} ({})", run.flow, whole.file));
    let ended = run
        .finished
        .map(|ended| format!(", ended {}", time(ended)))
        .unwrap_or_default();
    line(format!(
        "state     {}, began {}{ended}",
        run.state,
        time(run.started)
    ));
    if run.resumed > 0 {
        line(format!("taken up  {} times", run.resumed));
    }
    let (documents, bytes) = (run.payloads, HumanBytes(run.bytes));
    line(format!(
        "made      {documents} documents, {bytes}; {} skipped",
        run.skipped
    ));
    line("steps".to_owned());
    for step in &whole.steps {
        line(format!(
            "  {}  {}: {} passed on, {} failed, {} waiting",
            step.id, step.state, step.passed, step.failed, step.waiting
        ));
    }
    if !whole.problems.is_empty() {
        line("problems".to_owned());
    }
    for problem in &whole.problems {
        let payload = problem
            .payload
            .as_ref()
            .map(|payload| format!("{payload}: "))
            .unwrap_or_default();
        line(format!(
            "  {}: {payload}{} [{}]",
            problem.step, problem.message, problem.kind
        ));
    }
    if !whole.documents.is_empty() {
        line("documents".to_owned());
    }
    for document in &whole.documents {
        let step = document
            .step
            .as_ref()
            .map(|step| format!(" in {step}"))
            .unwrap_or_default();
        let name = document.name.as_deref().unwrap_or(&document.id);
        line(format!("  {} {name}: {}{step}", document.number, document.state));
        if let Some(error) = &document.error {
            line(format!("      {} [{}]", error.message, error.kind));
        }
        for delivery in &document.deliveries {
            line(format!(
                "      {} {}: {}",
                time(delivery.at),
                delivery.step,
                delivery.proof
            ));
        }
    }
    if run.failed > 0 || run.state == "interrupted" {
        line(format!(
            "`flowhost runs retry {}` goes on with it",
            short(&run.run)
        ));
    }
}

async fn retry(args: RetryArgs) -> anyhow::Result<ExitCode> {
    let store = open_within(&args.place, args.spool_quota)?;
    let id = meant(&store, &args.run)?;
    let recorded = store.ledger.read(|connection| runs::by_id(connection, &id))?;
    let recorded = recorded.with_context(|| format!("the run {id} was forgotten just now"))?;
    let file = args.flow.unwrap_or_else(|| PathBuf::from(&recorded.file));
    let policy = args.operator.policy()?;
    let runtime = runtime()?;
    let options = LoadOptions {
        variables: recorded.variables.clone(),
    };
    let flow = match flow::load(&runtime, &file, &options).await {
        Ok(flow) => flow,
        Err(problems) => {
            output::problems(&problems, args.place.json);
            return Ok(ExitCode::from(WRONG));
        }
    };
    let again = Again {
        only_payloads: args.failed,
        anew: args.anew,
    };
    let cancel = CancellationToken::new();
    tokio::spawn(interrupts(cancel.clone()));
    let options = RunOptions {
        store: Some(store),
        events: if args.place.json {
            output::json()
        } else {
            output::people()
        },
        log_threshold: args.trace.log_threshold(),
        cancel,
        policy,
        ..RunOptions::new(args.place.state.map_or_else(state_folder, Ok)?)
    };
    let report = flow::retry(&flow, &id, again, &options).await?;
    Ok(ended(&report))
}

fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    let id = meant(&store, &args.run)?;
    let whole = store
        .ledger
        .read(|connection| report::whole(connection, &id, false))?;
    let whole = whole.with_context(|| format!("the run {id} was forgotten just now"))?;
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut all_well = true;
    for document in &whole.documents {
        let name = document.name.as_deref().unwrap_or(&document.id);
        // A name of the other side is not to lead anywhere.
        let name = name.replace(|c: char| std::path::is_separator(c) || c.is_control(), "_");
        let path = folder.join(format!("{}-{name}", document.number));
        let written = copy(&store, document.number, &path);
        match written {
            Ok(()) => output::line(&output::harmless(&path.display().to_string())),
            Err(error) => {
                eprintln!("flowhost: {}", output::harmless(&format!("{name}: {error:#}")));
                all_well = false;
            }
        }
    }
    Ok(exit(all_well))
}

fn copy(store: &Store, number: i64, path: &PathBuf) -> anyhow::Result<()> {
    let mut body = store.body(number)?.open().context("it cannot be read")?;
    let mut file = fs::File::create_new(path).with_context(|| format!("cannot make {}", path.display()))?;
    std::io::copy(&mut body, &mut file).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

async fn purge(args: &PurgeArgs) -> anyhow::Result<ExitCode> {
    let store = open(&args.place)?;
    let ids = if let Some(run) = &args.run {
        let id = meant(&store, run)?;
        let whole = store
            .ledger
            .read(|connection| report::whole(connection, &id, false))?;
        let held = whole.map_or(0, |whole| whole.documents.len());
        if held > 0 && !args.failed {
            return Err(Wrong(format!(
                "the run {id} holds {held} documents that were not delivered: `flowhost runs export` copies them, \
                 `--failed` loses them"
            ))
            .into());
        }
        vec![(id, false)]
    } else {
        let age = args.older_than.unwrap_or_default().as_millis();
        let before = now_ms().saturating_sub(i64::try_from(age).unwrap_or(i64::MAX));
        store
            .ledger
            .read(|connection| report::ended_before(connection, before))?
    };
    let (mut purged, mut kept) = (0_u64, 0_u64);
    for (id, holds) in ids {
        if holds && !args.failed {
            kept += 1;
            continue;
        }
        if !store.forget(&id).await? {
            anyhow::bail!("the run {id} goes on in another process");
        }
        purged += 1;
    }
    if args.place.json {
        output::line(&serde_json::json!({"purged": purged, "kept": kept}).to_string());
    } else {
        let kept = match kept {
            0 => String::new(),
            kept => format!(
                "; {kept} kept, which hold documents that were not delivered (`--failed` purges them, too)"
            ),
        };
        output::line(&format!("{purged} runs purged{kept}"));
    }
    Ok(ExitCode::SUCCESS)
}
