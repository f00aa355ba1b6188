//! Timings of flowhost beside other FTP clients, on real servers: what `cargo xtask bench` runs.
//!
//! Every program is measured as a person runs it, from its start to its end, over and over in turns: ours, the first
//! peer, the second, and so on, and again. So a machine that is busy for a while is busy for all of them. One round
//! before that is not counted: it fills the caches, and shows who can do the job at all. After each run the files
//! that arrived are compared, byte by byte, with what was sent, and removed; neither is in the timing.
//!
//! - [`lines`]: what is measured.
//! - [`contender`]: who is measured, and with which command.
//! - [`place`]: where the files are. [`sources`]: what they hold. [`ground`]: the server with them.
//! - [`stopwatch`]: what a program takes. [`figures`]: what that says.
//! - [`report`]: the results, as Markdown and as JSON, and the machine and versions that they are of.
//! - [`interrupt`]: an end before the end.

pub mod contender;
pub mod figures;
pub mod ground;
pub mod interrupt;
pub mod lines;
pub mod place;
pub mod report;
pub mod sources;
pub mod stopwatch;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;

use self::contender::{Contender, Task, Tool};
use self::ground::Ground;
use self::interrupt::Interrupt;
use self::lines::{LINES, Line};
use self::place::Place;
use self::report::{LineReport, Report, Row, versions};
use self::sources::Sources;
use self::stopwatch::Sample;

/// What to measure. `cargo xtask bench` makes one of its options.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The lines, by name; all of them when there is none.
    pub lines: Vec<String>,
    /// Runs of each contender that count.
    pub pairs: u32,
    /// Bytes of a large file.
    pub large: u64,
    /// How many small files.
    pub files: u32,
    /// Whether the run only shows that everything works. The report says so.
    pub quick: bool,
    /// The command that the person gave, for the report.
    pub command: String,
    /// The folder to write the results to; without, they are only printed.
    pub write: Option<PathBuf>,
}

impl Plan {
    /// The lines that are meant.
    ///
    /// # Errors
    /// When there is none of a name.
    pub fn chosen(&self) -> Result<Vec<Line>> {
        if self.lines.is_empty() {
            return Ok(LINES.to_vec());
        }
        let find = |name: &String| {
            LINES.into_iter().find(|line| line.name == name).with_context(|| {
                let names: Vec<&str> = LINES.iter().map(|line| line.name).collect();
                format!("there is no line `{name}`; there are: {}", names.join(", "))
            })
        };
        self.lines.iter().map(find).collect()
    }
}

/// Measures what the plan says.
///
/// # Errors
/// When ours cannot do a job, there is no room, or somebody wants an end. A peer that is missing or fails is part of
/// the report.
pub fn run(plan: &Plan, place: &Place, interrupt: &Interrupt) -> Result<Report> {
    let lines = plan.chosen()?;
    let folder = place.folder("bench-")?;
    say("files to move");
    let sources = Sources::make(folder.path(), plan, &lines)?;
    let mut tools = Vec::new();
    for contender in Contender::ALL {
        tools.push((contender, contender.find()?));
    }
    let mut report = Report::new(plan, place, versions(&tools));
    for line in &lines {
        let rows = match Ground::prepare(line, plan, &sources, folder.path())? {
            Some(ground) => rounds(line, plan, &ground, &tools, interrupt)?,
            None => vec![Row::without(
                Contender::Flowhost,
                format!("not measured: {} is missing here", Line::SERVER),
            )],
        };
        report.lines.push(LineReport::new(line, plan, rows));
    }
    Ok(report)
}

/// One contender in a line.
struct Runner<'a> {
    contender: Contender,
    /// Or why it takes no part, or no longer.
    tool: Result<&'a Tool, String>,
    samples: Vec<Sample>,
}

/// Lets all contenders do the job, in turns.
fn rounds(
    line: &Line,
    plan: &Plan,
    ground: &Ground<'_>,
    tools: &[(Contender, Result<Tool, String>)],
    interrupt: &Interrupt,
) -> Result<Vec<Row>> {
    let mut runners: Vec<Runner<'_>> = tools
        .iter()
        .map(|(contender, tool)| Runner {
            contender: *contender,
            tool: tool.as_ref().map_err(Clone::clone),
            samples: Vec::new(),
        })
        .collect();
    // The first one warms up.
    for round in 0..=plan.pairs {
        say(&format!("{}: round {round} of {}", line.name, plan.pairs));
        for runner in &mut runners {
            let Ok(tool) = runner.tool else { continue };
            let done = once(tool, &ground.task(), ground)?;
            // Before a failure is believed: Ctrl-C ends the clients, too.
            interrupt.check()?;
            match done {
                Ok(_) if round == 0 => {}
                Ok(sample) => runner.samples.push(sample),
                Err(reason) if runner.contender == Contender::Flowhost => {
                    bail!("{}: flowhost failed: {reason}", line.name)
                }
                Err(reason) => runner.tool = Err(reason),
            }
        }
    }
    let ours = runners[0].samples.clone();
    Ok(runners
        .into_iter()
        .map(|runner| match runner.tool {
            Ok(_) => Row::measured(runner.contender, runner.samples, &ours),
            Err(reason) => Row::without(runner.contender, reason),
        })
        .collect())
}

/// Lets one contender do the job once, and looks at what it did. The inner error is why it has no figure.
fn once(tool: &Tool, task: &Task<'_>, ground: &Ground<'_>) -> Result<Result<Sample, String>> {
    let command = match tool.command(task)? {
        Ok(command) => command,
        Err(reason) => return Ok(Err(reason.to_owned())),
    };
    let log = task.folder.join("output");
    let measured = stopwatch::measure(&command, &log)?.and_then(|sample| ground.check().map(|()| sample));
    ground.clear()?;
    Ok(measured)
}

/// Makes a folder, unless it is there.
fn made(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| anyhow!("cannot make {}: {error}", folder.display()))
}

/// A line that says what is being done, since a whole run takes many minutes.
fn say(text: &str) {
    // Progress is not worth failing for when nobody reads it.
    let _ = writeln!(std::io::stderr(), "==> {text}");
}
