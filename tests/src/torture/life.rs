//! One process of `flowhost run`, from its start to the end that was meant for it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use serde_json::Value;

use crate::run::flowhost;

/// SIGKILL.
const KILL: i32 = 9;

/// How long a process may take. An undisturbed run takes a few seconds.
const WITHIN: Duration = Duration::from_mins(2);

/// So many lines of a process are told when something is wrong.
const LAST: usize = 15;

/// The events that tell of something wrong.
const FAILURES: [&str; 3] = [r#""payload-failed""#, r#""payload-problem""#, r#""step-failed""#];

/// The file with what all processes of a round have printed.
pub const DIARY: &str = "diary";

/// A moment in the life of a process.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after it has printed so many lines.
    Line(usize, Duration),
    /// So long after it has said that the run is over.
    Finished(Duration),
}

impl Moment {
    /// A random one. Most are after an event, so that all phases are met however long each takes: `lines` after the start
    /// in the mean, and often much sooner or later. Some are at the very start, some at the very end.
    pub fn random(rng: &mut Rng, lines: usize) -> Self {
        let pause = Duration::from_micros(rng.u64(..3000));
        match rng.u8(..40) {
            0..4 => Self::After(Duration::from_micros(rng.u64(..40_000))),
            4..6 => Self::After(Duration::from_micros(rng.u64(..400_000))),
            6 => Self::Finished(pause),
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "some hundred lines, and never less than none"
            )]
            _ => Self::Line(1 + (-(1.0 - rng.f64()).ln() * lines as f64) as usize, pause),
        }
    }
}

/// What happens to a process.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// Nothing.
    Undisturbed,
    /// It is killed.
    Killed(Moment),
    /// Its disk has room for so many bytes; from a moment on for more, if one is given.
    FullDisk(u64, Option<Moment>),
}

/// How a process ended.
#[derive(Debug)]
pub struct Life {
    /// Its exit code; none when it was killed.
    pub code: Option<i32>,
    /// It was alive when it was killed.
    pub killed: bool,
    /// Where it was: the last step that it told of.
    pub phase: String,
    /// What it printed, and what it complained of.
    pub output: String,
}

impl Life {
    /// Its failures, and the end of what it printed.
    #[must_use]
    pub fn last_words(&self) -> String {
        end_of(&self.output.lines().collect::<Vec<_>>())
    }
}

/// A run over hundreds of files tells too much; its failures and its end say most.
fn end_of(lines: &[&str]) -> String {
    let (before, end) = lines.split_at(lines.len().saturating_sub(LAST));
    let failures = before
        .iter()
        .filter(|line| FAILURES.iter().any(|word| line.contains(word)));
    let told: Vec<&str> = failures.take(LAST).chain(end).copied().collect();
    told.join(
        "
",
    )
}

/// The library that lets disks fail.
///
/// # Errors
/// When it has not been built.
pub fn faults() -> Result<PathBuf> {
    let library = flowhost().with_file_name("libflow_faults.so");
    if !library.is_file() {
        bail!("{} is not there: run `cargo xtask faults`", library.display());
    }
    Ok(library)
}

/// Runs a process to its end. `folder` is for files of ours, and not below `state`.
///
/// # Errors
/// When it cannot be started, or does not end in time.
pub fn live(mut command: Command, state: &Path, folder: &Path, fate: Fate) -> Result<Life> {
    let freed = folder.join("freed");
    let moment = match fate {
        Fate::Undisturbed => None,
        Fate::Killed(moment) => Some(moment),
        Fate::FullDisk(room, moment) => {
            let _ = std::fs::remove_file(&freed);
            command
                .env("LD_PRELOAD", faults()?)
                .env("FLOW_FAULTS_FOLDER", state)
                .env("FLOW_FAULTS_ROOM", room.to_string())
                .env("FLOW_FAULTS_FREED", &freed);
            moment
        }
    };
    let errors = folder.join("errors");
    command.stdout(Stdio::piped()).stderr(File::create(&errors)?);
    let started = Instant::now();
    let mut child = command.spawn().context("flowhost cannot be started")?;
    let (lines, reading) = read_lines(child.stdout.take().context("piped")?);
    let mut told = Told::default();
    let mut killed = false;
    if let Some(moment) = moment {
        told.wait(&lines, started, moment);
        if matches!(fate, Fate::Killed(_)) {
            child.kill()?;
            killed = true;
        } else {
            std::fs::write(&freed, "")?;
        }
    }
    told.wait_for_end(&lines, &mut child, started)?;
    let status = child.wait()?;
    let _ = reading.join();
    let life = Life {
        code: status.code(),
        // It may have ended by itself a moment before.
        killed: killed && status.signal() == Some(KILL),
        phase: told.phase(),
        output: format!("{}\n{}", told.0.join("\n"), std::fs::read_to_string(&errors)?),
    };
    note(folder, &format!("{fate:?}: {status}\n{}\n", life.output))?;
    Ok(life)
}

/// Adds to the diary of a round.
fn note(folder: &Path, text: &str) -> Result<()> {
    let mut diary = File::options()
        .create(true)
        .append(true)
        .open(folder.join(DIARY))?;
    Ok(diary.write_all(text.as_bytes())?)
}

fn read_lines(from: ChildStdout) -> (Receiver<String>, JoinHandle<()>) {
    let (sender, lines) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    (lines, reading)
}

/// The lines of a process so far.
#[derive(Default)]
struct Told(Vec<String>);

impl Told {
    /// Waits for a moment, or for the end.
    fn wait(&mut self, lines: &Receiver<String>, started: Instant, moment: Moment) {
        let pause = match moment {
            Moment::After(time) => {
                self.read_until(lines, started + time, |_| false);
                return;
            }
            Moment::Line(count, pause) => {
                self.read_until(lines, started + WITHIN, |told| told.len() >= count);
                pause
            }
            Moment::Finished(pause) => {
                self.read_until(lines, started + WITHIN, |told| {
                    told.last().is_some_and(|line| line.contains(r#""run-finished""#))
                });
                pause
            }
        };
        self.read_until(lines, Instant::now() + pause, |_| false);
    }

    fn read_until(&mut self, lines: &Receiver<String>, end: Instant, enough: impl Fn(&[String]) -> bool) {
        while !enough(&self.0) {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.0.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn wait_for_end(&mut self, lines: &Receiver<String>, child: &mut Child, started: Instant) -> Result<()> {
        self.read_until(lines, started + WITHIN, |_| false);
        if started.elapsed() >= WITHIN {
            child.kill()?;
            child.wait()?;
            let lines: Vec<&str> = self.0.iter().map(String::as_str).collect();
            bail!("flowhost did not end within {WITHIN:?}: {}", end_of(&lines));
        }
        Ok(())
    }

    /// The last step that it told of.
    fn phase(&self) -> String {
        let events = self
            .0
            .iter()
            .rev()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for event in events {
            if event["event"] == "run-finished" {
                return "after the end".to_owned();
            }
            if let Some(step) = event["step"].as_str() {
                return step.to_owned();
            }
        }
        "before the first step".to_owned()
    }
}
