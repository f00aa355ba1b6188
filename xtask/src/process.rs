//! Other programs: run them, read them, and do not wait for them for ever.

use std::io::{Read, Write as _};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How often a bounded wait looks: short beside any program we wait for, long beside the cost of looking.
const POLL: Duration = Duration::from_millis(20);

/// Runs a program that speaks to the person itself.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a program for what it prints; on failure its last words become the error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({}): {}",
            line(command),
            output.status,
            last_words(&output)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program that may wait for a network that is not there; it is killed when `limit` is over.
pub fn bounded(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    // Read beside the wait: a full pipe would otherwise stop the program. Not joined after a kill, since a
    // grandchild may hold the pipe open.
    let errors = child.stderr.take().map(|mut pipe| {
        thread::spawn(move || {
            let mut text = String::new();
            // What could be read is still worth showing when the rest is not UTF-8 or not there.
            let _ = pipe.read_to_string(&mut text);
            text
        })
    });
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= end {
            child
                .kill()
                .with_context(|| format!("cannot stop `{}`", line(command)))?;
            child.wait()?;
            bail!(
                "`{}` was stopped: no result after {} s",
                line(command),
                limit.as_secs_f32()
            );
        }
        thread::sleep(POLL);
    };
    if !status.success() {
        let text = errors.and_then(|reader| reader.join().ok()).unwrap_or_default();
        bail!("`{}` failed ({status}): {}", line(command), tail(&text));
    }
    Ok(())
}

/// The command as one would type it.
pub fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    words.join(" ")
}

/// A line that says what is being done, before something that takes a while.
pub fn say(text: &str) {
    // Progress is not worth failing for when nobody reads it.
    let _ = writeln!(std::io::stderr(), "==> {text}");
}

fn last_words(output: &Output) -> String {
    let text = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    tail(&String::from_utf8_lossy(text))
}

/// The end of a program's complaint: enough to act on, short enough for one message.
pub fn tail(text: &str) -> String {
    const LINES: usize = 8;
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return "it said nothing".to_owned();
    }
    lines[lines.len().saturating_sub(LINES)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_hangs_is_stopped_in_time() {
        let start = Instant::now();
        // `exec`: the process that is killed is the one that hangs.
        let error = bounded(&mut shell("exec sleep 60"), Duration::from_millis(200))
            .unwrap_err()
            .to_string();
        assert!(error.contains("was stopped: no result after 0.2 s"), "{error}");
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "waited for the program: {:?}",
            start.elapsed()
        );
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let error = bounded(&mut shell("echo no route >&2; exit 3"), Duration::from_secs(30))
            .unwrap_err()
            .to_string();
        assert!(error.contains("no route") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_program_that_says_much_is_not_stuck() {
        let much = shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789 >&2; i=$((i+1)); done").output();
        assert!(much.is_ok_and(|output| output.stderr.len() > 200_000));
        let script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789 >&2; i=$((i+1)); done";
        assert!(bounded(&mut shell(script), Duration::from_mins(1)).is_ok());
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&mut Command::new("no-such-program-here"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "cannot start `no-such-program-here`");
    }
}
