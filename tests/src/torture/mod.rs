//! Torture: `flowhost run` is killed again and again, its connections break and its disk fills, while it moves files
//! between real servers. Whatever happened, in the end every file is where it belongs, once.
//!
//! A round has fresh servers and files. Its flow gets files from one server, sends each to a web server, puts it on a
//! second server and moves the original; or it streams straight from the first to the second. The process is ended at
//! random moments and started again on the same state folder until one has ended by itself; then it is let run without
//! disturbance, and [`verify`] looks at everything. Rounds go on until as many processes were killed as were asked for.
//!
//! - [`stage`]: the servers, files and flow of a round. [`files`]: what is moved.
//! - [`life`]: one process, and when it is ended.
//! - [`verify`]: what must be true in the end. [`ledger`]: what `flowhost runs` must say.
//!
//! Every random choice comes from one seed, which is printed. The choices are the same with the same seed; what the
//! machine does at a moment is not.

pub mod files;
pub mod ledger;
pub mod life;
pub mod stage;
pub mod verify;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail, ensure};
use fastrand::Rng;

use self::life::{Fate, Life, Moment, live};
use self::stage::{Delivery, Shape, Stage};
use crate::servers::Kind;

/// After so many kills a round is let come to its end.
const KILLS_A_ROUND: usize = 50;

/// So many rounds at least: with kills alone, with connections that break, and with a disk that fills.
const ROUNDS: usize = 3;

/// Lines that a run prints for a file, roughly: so the kills of a round are spread over its phases.
const LINES: usize = 8;

/// What the ledger writes for a file, roughly: a disk is to become full in all phases.
const LEDGER: u64 = 16 * 1024;

/// So often at most a run that has failed is tried again. Each try is undisturbed but for the breaks that are left.
const TRIES: usize = 6;

/// What is tortured, and how much.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many processes are to be killed.
    pub kills: usize,
    /// Files of a round.
    pub files: usize,
    /// Where all random choices come from.
    pub seed: u64,
    /// How files are delivered.
    pub delivery: Delivery,
    /// The kind of both servers; all kinds in turn without.
    pub server: Option<Kind>,
}

/// What was done, and came of it.
#[derive(Debug, Default)]
pub struct Counts {
    rounds: usize,
    starts: usize,
    kills: usize,
    phases: BTreeMap<String, usize>,
    full_disks: usize,
    cuts: usize,
    failed_runs: usize,
    retries: usize,
    files: usize,
    requests: usize,
    repeats: usize,
}

impl Counts {
    /// Processes that were alive when they were killed.
    #[must_use]
    pub fn kills(&self) -> usize {
        self.kills
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} rounds, {} files", self.rounds, self.files)?;
        writeln!(f, "{} processes, {} of them killed:", self.starts, self.kills)?;
        for (phase, count) in &self.phases {
            writeln!(f, "  {count:5} in `{phase}`")?;
        }
        writeln!(
            f,
            "{} connections broken, {} disks filled",
            self.cuts, self.full_disks
        )?;
        writeln!(
            f,
            "{} processes ended with a failure, {} runs tried again by hand",
            self.failed_runs, self.retries
        )?;
        write!(
            f,
            "{} HTTP requests, {} of them repeats under the same key",
            self.requests, self.repeats
        )
    }
}

/// What goes wrong in a round besides kills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Cuts,
    FullDisk,
}

/// Tortures until the plan is fulfilled. `tell` gets a line for each round.
///
/// # Errors
/// When something is not as it should be in the end, with all that is wrong and the seed; or when a server does not start.
pub fn run(plan: &Plan, tell: &mut dyn FnMut(&str)) -> Result<Counts> {
    let mut rng = Rng::with_seed(plan.seed);
    let mut counts = Counts::default();
    let mut number = 0;
    while counts.kills < plan.kills {
        let (kinds, shape, trouble) = choice(plan, number);
        number += 1;
        ensure!(number < plan.kills + 100, "rounds pass without a kill: {counts}");
        let Some(mut stage) = Stage::set_up(&mut rng, kinds, plan.delivery, shape, plan.files)? else {
            continue;
        };
        if trouble == Trouble::Cuts {
            stage.cut_connections(&mut rng);
        }
        stage.unsettle_shop(&mut rng);
        let kills = counts.kills;
        let most = KILLS_A_ROUND
            .min(plan.kills.div_ceil(ROUNDS))
            .min(plan.kills - kills);
        let ended = disturb(&stage, &mut rng, trouble, most, &mut counts)
            .and_then(|()| settle(&stage, &mut counts))
            .and_then(|()| finish(&stage, &mut counts));
        if let Err(error) = ended {
            let round = format!("round {number} ({}), seed {}", stage.description(), plan.seed);
            let diary = stage.bench.keep().join(life::DIARY);
            return Err(error.context(format!("{round}, {}", diary.display())));
        }
        counts.cuts += stage.cuts();
        tell(&format!(
            "round {number}: {}, {trouble:?}: {} kills",
            stage.description(),
            counts.kills - kills
        ));
    }
    Ok(counts)
}

/// The servers, flow and trouble of a round: each combination has its turn.
fn choice(plan: &Plan, number: usize) -> ([Kind; 2], Shape, Trouble) {
    let kinds = plan.server.map_or_else(
        || [number, number + 1 + number / Kind::ALL.len()].map(|place| Kind::ALL[place % Kind::ALL.len()]),
        |kind| [kind; 2],
    );
    let shape = Shape::ALL[number % Shape::ALL.len()];
    let trouble = [Trouble::None, Trouble::Cuts, Trouble::FullDisk][number % 3];
    (kinds, shape, trouble)
}

/// Ends process after process until one ends by itself, or enough are killed.
fn disturb(stage: &Stage, rng: &mut Rng, trouble: Trouble, most: usize, counts: &mut Counts) -> Result<()> {
    let before = counts.kills;
    let lines = LINES * stage.files.len() / most.max(1);
    // Each process that is killed early may have done nothing that lasts.
    for _ in 0..10 * KILLS_A_ROUND {
        if counts.kills - before >= most {
            return Ok(());
        }
        let moment = Moment::random(rng, lines);
        let fate = if trouble == Trouble::FullDisk && rng.bool() {
            Fate::FullDisk(rng.u64(..needed(stage)), rng.bool().then_some(moment))
        } else {
            Fate::Killed(moment)
        };
        let life = start(stage, fate, counts)?;
        if life.killed {
            counts.kills += 1;
            *counts.phases.entry(life.phase).or_default() += 1;
            continue;
        }
        if let Fate::FullDisk(..) = fate {
            counts.full_disks += 1;
            if life.code != Some(0) {
                assert_told_of_the_disk(&life)?;
                continue;
            }
        }
        return Ok(());
    }
    bail!("it does not come to an end: {counts}")
}

/// What a run writes to its disk, roughly.
fn needed(stage: &Stage) -> u64 {
    let bodies = match stage.delivery {
        Delivery::Spooled => files::bytes(&stage.files),
        Delivery::Streaming => 0,
    };
    bodies + LEDGER * stage.files.len() as u64
}

/// Lets the flow run without disturbance until nothing has failed. What has failed is tried again as an operator does it.
fn settle(stage: &Stage, counts: &mut Counts) -> Result<()> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let life = start(stage, Fate::Undisturbed, counts)?;
        let failed = ledger::not_ok(&stage.bench)?;
        if life.code == Some(0) && failed.is_empty() {
            return Ok(());
        }
        last = life.last_words();
        for run in failed {
            counts.retries += 1;
            let tried = ledger::retry(&stage.bench, &run);
            last = format!("{last}\n`flowhost runs retry {run}`: {tried}");
        }
    }
    bail!("a run without disturbance fails {TRIES} times: {last}")
}

fn finish(stage: &Stage, counts: &mut Counts) -> Result<()> {
    let findings = verify::verify(stage)?;
    verify::ensure_right(&findings.wrong)?;
    counts.rounds += 1;
    counts.files += stage.files.len();
    counts.requests += findings.requests;
    counts.repeats += findings.repeats;
    Ok(())
}

/// One process. Whatever happens to it, it must not end in a way that it does not know.
fn start(stage: &Stage, fate: Fate, counts: &mut Counts) -> Result<Life> {
    counts.starts += 1;
    let life = live(stage.command(), &stage.state(), &stage.bench.path(""), fate)?;
    match life.code {
        Some(1) => counts.failed_runs += 1,
        Some(0) => {}
        None if life.killed => {}
        code => bail!("flowhost ended with {code:?}: {}", life.last_words()),
    }
    Ok(life)
}

/// A full disk is told as one.
fn assert_told_of_the_disk(life: &Life) -> Result<()> {
    let words = ["No space left", "disk is full", "database or disk is full"];
    ensure!(
        words.iter().any(|word| life.output.contains(word)),
        "its disk was full, and it does not say so: {}",
        life.last_words()
    );
    Ok(())
}
