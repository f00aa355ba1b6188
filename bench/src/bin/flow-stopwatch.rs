//! `flow-stopwatch SECONDS PROGRAM ARGUMENT…`: runs a program to its end, or ends it, and prints what it took as JSON.
//!
//! A program of its own, and a small one: Linux counts the memory of the process that starts a program into that
//! program's peak, so a large process would measure itself. What the program prints goes to standard error.

use std::env;
use std::io;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut words = env::args_os().skip(1);
    let limit = words.next().context("how many seconds at most?")?;
    let limit: f64 = limit.to_string_lossy().parse()?;
    let limit = Duration::try_from_secs_f64(limit)?;
    let program = words.next().context("which program?")?;

    let mut command = Command::new(&program);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .stderr(io::stderr());
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let watched = Watched::new(&child, limit);
    let status = child.wait()?;
    let wall = start.elapsed();
    drop(watched);

    // There was one child alone, so this is its usage and that of what it waited for.
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    println!(
        "{}",
        json!({
            "success": status.success(),
            "status": if wall < limit { status.to_string() } else { format!("no end after {} s", limit.as_secs_f64()) },
            "sample": {
                "wall_s": wall.as_secs_f64(),
                "cpu_s": cpu(&usage).as_secs_f64(),
                "peak_kib": usage.max_rss(),
            },
        })
    );
    Ok(())
}

/// User and system time together.
fn cpu(usage: &Usage) -> Duration {
    let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(microseconds.try_into().unwrap_or_default())
}

/// Ends a child that is not done in time. Until this is dropped: afterwards its number may be another's.
struct Watched(#[expect(dead_code, reason = "being dropped is how it speaks")] mpsc::Sender<()>);

impl Watched {
    fn new(child: &Child, limit: Duration) -> Self {
        let (alive, over) = mpsc::channel::<()>();
        let child = Pid::from_child(child);
        thread::spawn(move || {
            if over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                // It may have ended by itself meanwhile; then nothing is to be done.
                let _ = kill_process(child, Signal::KILL);
            }
        });
        Self(alive)
    }
}
