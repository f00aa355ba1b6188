//! What a program takes: time, processor, memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// The longest that one program may take. A slow disk moves 1 GiB in a fraction of it.
const LIMIT: Duration = Duration::from_mins(5);

/// What one run of a program took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds from its start to its end.
    pub wall_s: f64,
    /// Seconds of processor, user and system, with those of its children.
    pub cpu_s: f64,
    /// The most resident memory, KiB. At least that of `flow-stopwatch`, about 2 MiB.
    pub peak_kib: u64,
}

/// How one run of a program ended.
#[derive(Deserialize)]
struct Ending {
    success: bool,
    status: String,
    sample: Sample,
}

/// Runs a command to its end.
///
/// The inner error is why the program failed, in its own last words.
///
/// # Errors
/// When it could not be run at all. `log` is where its output goes.
pub fn measure(command: &Command, log: &Path) -> Result<Result<Sample, String>> {
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut stopwatch = Command::new(program("flow-stopwatch")?);
    stopwatch
        .arg(LIMIT.as_secs().to_string())
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => stopwatch.env(name, value),
            None => stopwatch.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        stopwatch.current_dir(folder);
    }
    let done = stopwatch.stdin(Stdio::null()).stderr(output).output()?;
    let said = fs::read(log).map(|text| String::from_utf8_lossy(&text).into_owned())?;
    ensure!(done.status.success(), "flow-stopwatch failed: {}", said.trim());
    let ending: Ending =
        serde_json::from_slice(&done.stdout).context("flow-stopwatch says something else")?;
    Ok(if ending.success {
        Ok(ending.sample)
    } else {
        Err(format!("{}{}", ending.status, last_words(&said)))
    })
}

/// The end of a program's complaint: many put what they failed at on one line, and why on the next.
fn last_words(said: &str) -> String {
    const LINES: usize = 2;
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() {
        return String::new();
    }
    format!(": {}", last.join(" / "))
}

/// A program of the same build: beside this one, or a folder above for a test in `deps/`.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .with_context(|| format!("{name} has not been built: run `cargo xtask build`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn measured(script: &str) -> Result<Sample, String> {
        let log = tempfile::NamedTempFile::new().unwrap();
        measure(&shell(script), log.path()).unwrap()
    }

    #[test]
    fn time_and_processor_are_told_apart() {
        let asleep = measured("sleep 0.3").unwrap();
        assert!(asleep.wall_s >= 0.3, "{asleep:?}");
        assert!(asleep.cpu_s < asleep.wall_s / 2.0, "{asleep:?}");
        let awake = measured("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").unwrap();
        assert!(awake.cpu_s > asleep.cpu_s, "{awake:?} {asleep:?}");
    }

    #[test]
    fn the_memory_is_that_of_the_program() {
        // This process has more than either.
        let _large = vec![1_u8; 64 << 20];
        let (little, much) = ("true", "head -c 33554432 /dev/zero | tail -c 33554432 | wc -c");
        let (little, much) = (measured(little).unwrap(), measured(much).unwrap());
        assert!((1..16 << 10).contains(&little.peak_kib), "{little:?}");
        assert!(much.peak_kib > 32 << 10, "{much:?}");
    }

    #[test]
    fn a_failure_has_its_last_words() {
        let error = measured("echo first; echo no such file >&2; echo; exit 3").unwrap_err();
        assert_eq!(error, "exit status: 3: first / no such file");
        let error = measure(&Command::new("no-such-program-here"), Path::new("/dev/null")).unwrap_err();
        assert!(error.to_string().contains("flow-stopwatch failed"), "{error}");
    }
}
