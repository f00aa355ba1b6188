//! What only writing can tell, tried with files of our own, which are removed again.

use std::time::Duration;

use flow_connector::{CheckStatus, CheckStep};
use serde_json::{Value, json};

use crate::check::{details_of, step};
use crate::error::{Effect, Error, Kind, Op};
use crate::files::{Stat, now_ms};
use crate::hash::Algorithm;
use crate::path::RemotePath;
use crate::session::Session;
use crate::settings::Connection;
use crate::transport::Host;

/// How long removing the files may wait for the server. When the call is cancelled, the contract asks to be back
/// within a second.
const CLEAN_UP: Duration = Duration::from_secs(5);
const CLEAN_UP_CANCELLED: Duration = Duration::from_millis(800);
/// From this difference on the server's clock is worth a warning.
const MOST_SECONDS_OFF: u64 = 60;
/// The contents of the two files; of different lengths, to tell one from the other.
const FIRST: &[u8] = b"Written by a connection test; can be deleted.\n";
const SECOND: &[u8] = b"Written by a connection test as well; can be deleted.\n";

/// What a part has found: its status, in words, and for programs.
type Finding = (CheckStatus, String, Value);

/// Tries to write, and what comes with it. A part that does not work is a warning: which of them is needed only
/// the options of an endpoint can tell. The error is that the call was cancelled.
pub fn probe(
    session: Session,
    settings: &Connection,
    host: Host,
    folder: &RemotePath,
    run_id: &str,
    steps: &mut Vec<CheckStep>,
) -> Result<(), Error> {
    let mut probe = Probe {
        session,
        names: Names::new(folder, run_id, now_ms()),
        made: Vec::new(),
        written_at: now_ms(),
    };
    let result = probe.try_all(steps);
    let idle = if (host.cancelled)() {
        CLEAN_UP_CANCELLED
    } else {
        CLEAN_UP
    };
    let Probe {
        session, mut made, ..
    } = probe;
    let lost = result.as_ref().is_err_and(|error| error.session_lost);
    clean_up(session, lost, settings, host, idle, &mut made);
    steps.push(cleaned(&made));
    match result {
        Err(error) if error.kind == Kind::Cancelled => Err(error),
        _ => Ok(()),
    }
}

/// The names that are written to. Nobody else's are like these.
struct Names {
    first: RemotePath,
    second: RemotePath,
    third: RemotePath,
}

impl Names {
    fn new(folder: &RemotePath, run_id: &str, now_ms: u64) -> Self {
        let run: String = run_id.chars().filter(char::is_ascii_alphanumeric).collect();
        let run = &run[run.len().saturating_sub(8)..];
        let name = |part: &str| folder.child(&format!(".flow-probe-{run}{now_ms:x}-{part}"));
        Self {
            first: name("1"),
            second: name("2"),
            third: name("3"),
        }
    }
}

struct Probe {
    session: Session,
    names: Names,
    /// What may be there, and is to be removed.
    made: Vec<RemotePath>,
    /// When the first file was complete, by our clock.
    written_at: u64,
}

impl Probe {
    fn try_all(&mut self, steps: &mut Vec<CheckStep>) -> Result<(), Error> {
        if !self.part(steps, "write", Self::write)? {
            return Ok(());
        }
        // Before anything else changes the file. Told later, in the order of importance.
        let mut late = Vec::new();
        self.part(&mut late, "clock", Self::clock)?;
        self.part(&mut late, "hash", Self::hash)?;
        self.part(steps, "rename onto existing name", Self::rename)?;
        self.part(steps, "permissions", Self::permissions)?;
        steps.append(&mut late);
        Ok(())
    }

    /// Runs one part and tells what it found. Whether it worked is the answer; the error is that the session
    /// cannot be used any more.
    fn part(
        &mut self,
        steps: &mut Vec<CheckStep>,
        name: &str,
        work: fn(&mut Self) -> Result<Finding, Error>,
    ) -> Result<bool, Error> {
        match work(self) {
            Ok((status, message, details)) => {
                steps.push(step(name, status, message, details));
                Ok(true)
            }
            Err(error) => {
                let details = details_of(&error);
                steps.push(step(name, CheckStatus::Warning, error.message.clone(), details));
                if error.session_lost { Err(error) } else { Ok(false) }
            }
        }
    }

    fn write(&mut self) -> Result<Finding, Error> {
        let path = self.names.first.clone();
        self.store(&path, FIRST)?;
        self.written_at = now_ms();
        let size = match self.session.size(&path)? {
            Stat::Is(entry) => entry.size,
            _ => None,
        };
        let details = json!({ "sent": FIRST.len(), "size": size });
        Ok(match size {
            Some(size) if size == FIRST.len() as u64 => (
                CheckStatus::Passed,
                format!("Wrote {size} bytes; the server has them."),
                details,
            ),
            Some(size) => (
                CheckStatus::Warning,
                format!(
                    "Wrote {} bytes, and the server says that it has {size}: uploads cannot be verified by SIZE.",
                    FIRST.len()
                ),
                details,
            ),
            None => (
                CheckStatus::Warning,
                format!(
                    "Wrote {} bytes. The server does not tell the size of a file, so uploads are not verified.",
                    FIRST.len()
                ),
                details,
            ),
        })
    }

    fn store(&mut self, path: &RemotePath, content: &[u8]) -> Result<(), Error> {
        let started = self.session.start_store(path);
        // From here on there may be something, whatever the server says.
        if started
            .as_ref()
            .err()
            .is_none_or(|error| error.effect != Effect::None)
        {
            self.made.push(path.clone());
        }
        let mut transfer = started?;
        match transfer.write(content) {
            Ok(()) => self.session.finish(transfer).map(|_| ()),
            Err(error) => Err(self.session.transfer_failed(transfer, &error)),
        }
    }

    fn clock(&mut self) -> Result<Finding, Error> {
        let path = self.names.first.clone();
        let Some(modified) = self.session.modified(&path)? else {
            let message =
                "The server does not tell when a file was changed (MDTM), so its clock cannot be compared.";
            return Ok((CheckStatus::Warning, message.to_owned(), Value::Null));
        };
        Ok(clock(modified.ms, self.written_at))
    }

    fn hash(&mut self) -> Result<Finding, Error> {
        let Some(algorithm) = Algorithm::offered(&self.session) else {
            let message = "The server offers no hashes; files can be verified by their length.";
            return Ok((CheckStatus::Passed, message.to_owned(), Value::Null));
        };
        let mut digest = algorithm.start();
        digest.update(FIRST);
        let how = algorithm.describe();
        let path = self.names.first.clone();
        let fits = self.session.hash_fits(&path, &digest.hash())?;
        let details = json!({ "hash": how, "works": fits == Some(true) });
        Ok(match fits {
            Some(true) => (CheckStatus::Passed, format!("{how} works."), details),
            Some(false) => (
                CheckStatus::Warning,
                format!("{how} gives another hash than that of what was sent: `verify: hash` will not work."),
                details,
            ),
            None => (
                CheckStatus::Warning,
                format!("{how} is offered, and refused: `verify: hash` compares lengths alone."),
                details,
            ),
        })
    }

    fn rename(&mut self) -> Result<Finding, Error> {
        let (first, second, third) = (
            self.names.first.clone(),
            self.names.second.clone(),
            self.names.third.clone(),
        );
        self.store(&second, SECOND)?;
        let refusal = match self.session.rename(&second, &first) {
            Ok(()) => {
                self.made.retain(|path| *path != second);
                let replaced = match self.session.size(&first)? {
                    Stat::Is(entry) => entry.size.is_none_or(|size| size == SECOND.len() as u64),
                    _ => true,
                };
                if replaced {
                    let message =
                        "The server renames onto a name that is taken: a file is replaced in one step.";
                    return Ok((
                        CheckStatus::Passed,
                        message.to_owned(),
                        json!({ "renames_over": true }),
                    ));
                }
                let message = "The server says that it renamed onto a name that is taken, and the old file is still \
                     there: uploads must not replace files here.";
                return Ok((
                    CheckStatus::Warning,
                    message.to_owned(),
                    json!({ "renames_over": false }),
                ));
            }
            Err(error) if error.session_lost => return Err(error),
            Err(error) => error,
        };
        self.made.push(third.clone());
        let details =
            |renames: bool| json!({ "renames_over": false, "renames": renames, "code": refusal.code });
        match self.session.rename(&second, &third) {
            Ok(()) => {
                self.made.retain(|path| *path != second);
                Ok((
                    CheckStatus::Warning,
                    format!(
                        "The server refuses to rename onto a name that is taken; uploads delete the old file first. \
                     {refusal}"
                    ),
                    details(true),
                ))
            }
            Err(error) if error.session_lost => Err(error),
            Err(error) => {
                self.made.retain(|path| *path != third);
                Ok((
                    CheckStatus::Warning,
                    format!(
                        "The server does not rename at all, so uploads cannot use a temporary name. {error}"
                    ),
                    details(false),
                ))
            }
        }
    }

    fn permissions(&mut self) -> Result<Finding, Error> {
        let path = self.names.first.clone();
        let line = format!("SITE CHMOD 600 {}", self.session.remote(&path));
        self.session
            .expect(Op::Chmod, path.as_str(), &line, &[200, 250])?;
        let message = "SITE CHMOD works, so `visibility` has an effect.";
        Ok((CheckStatus::Passed, message.to_owned(), Value::Null))
    }
}

/// What the difference of two clocks means, both in milliseconds: the server's when it wrote a file, and ours.
fn clock(theirs: u64, ours: u64) -> Finding {
    let off = theirs.abs_diff(ours) / 1000;
    let seconds = i64::try_from(off).unwrap_or(i64::MAX);
    let seconds = if theirs < ours { -seconds } else { seconds };
    let details = json!({ "seconds_ahead": seconds });
    if off <= MOST_SECONDS_OFF {
        let message = format!("The clocks differ by {off} s.");
        return (CheckStatus::Passed, message, details);
    }
    let (which, age) = if theirs < ours {
        ("behind", "older")
    } else {
        ("ahead of", "younger")
    };
    let message = format!(
        "The server's clock is {off} s {which} ours: files look {age} than they are, which `min_age` and `max_age` go \
         by."
    );
    (CheckStatus::Warning, message, details)
}

/// Removes what was made. What could not be removed stays in the list.
fn clean_up(
    mut session: Session,
    lost: bool,
    settings: &Connection,
    host: Host,
    idle: Duration,
    made: &mut Vec<RemotePath>,
) {
    if made.is_empty() && !lost {
        return session.quit();
    }
    session.clean_up_within(idle);
    if !lost && remove(&mut session, made) {
        return session.quit();
    }
    session.give_up();
    if !made.is_empty()
        && let Ok(mut session) = Session::open_to_clean_up(settings, host, idle)
    {
        remove(&mut session, made);
        session.quit();
    }
}

/// Whether everything is gone.
fn remove(session: &mut Session, made: &mut Vec<RemotePath>) -> bool {
    made.retain(|path| match session.delete(path) {
        Ok(()) => false,
        Err(error) => error.kind != Kind::NotFound,
    });
    made.is_empty()
}

fn cleaned(left: &[RemotePath]) -> CheckStep {
    if left.is_empty() {
        let message = "Nothing is left of the test.".to_owned();
        return step("clean-up", CheckStatus::Passed, message, Value::Null);
    }
    let names: Vec<_> = left.iter().map(RemotePath::as_str).collect();
    let message = format!(
        "Could not remove what the test has written; delete it by hand: {}.",
        names.join(", ")
    );
    step("clean-up", CheckStatus::Failed, message, json!({ "left": names }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_in_both_directions() {
        for (theirs, ours, status, seconds) in [
            (1_000_000, 1_000_999, CheckStatus::Passed, 0),
            (1_060_000, 1_000_000, CheckStatus::Passed, 60),
            (1_061_000, 1_000_000, CheckStatus::Warning, 61),
            (1_000_000, 4_600_000, CheckStatus::Warning, -3600),
        ] {
            let (found, message, details) = clock(theirs, ours);
            assert_eq!((found, &details["seconds_ahead"]), (status, &json!(seconds)));
            assert_eq!(message.contains("min_age"), status == CheckStatus::Warning);
        }
    }

    #[test]
    fn names_are_of_this_run_and_hidden() {
        let folder = crate::path::jail("in", "").unwrap().path;
        let names = Names::new(&folder, "0190-ab/..\r\ncdefghij", 0x1234);
        assert_eq!(names.first.as_str(), "in/.flow-probe-cdefghij1234-1");
        let names = Names::new(&RemotePath::default(), "", 1);
        assert_eq!(names.third.as_str(), ".flow-probe-1-3");
    }

    #[test]
    fn what_is_left_is_named() {
        assert_eq!(cleaned(&[]).status, CheckStatus::Passed);
        let left = crate::path::jail("in/.flow-probe-1-1", "").unwrap().path;
        let failed = cleaned(&[left]);
        assert_eq!(failed.status, CheckStatus::Failed);
        assert!(failed.message.contains("in/.flow-probe-1-1"));
    }
}
