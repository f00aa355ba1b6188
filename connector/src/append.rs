//! `append`, and `put` with `if_exists: append`: the payload's body at the end of a file.
//!
//! What was added cannot be taken back, so nothing is sent twice: after a break the file's size says how much of
//! the body is there, and only the rest is sent. Where the server tells no sizes, nothing is repeated. What the size
//! was before is noted before the first byte is sent, so that a later run can go on in the same way.

use std::time::Duration;

use flow_connector::Reader;

use crate::client::{Client, Progress, Tries};
use crate::data::Transfer;
use crate::error::{Effect, Error, Kind, Op, Retry};
use crate::files::Stat;
use crate::note::{Note, keep};
use crate::path::RemotePath;
use crate::proof::{Proof, Sent};
use crate::replace::in_folder;
use crate::session::Session;
use crate::settings::{TransferType, Verify};
use crate::source::Body;
use crate::task::Task;
use crate::transport::{Level, pause};

/// How long a file must stay as long as it is before what is missing is sent: the session that broke may still
/// be writing.
const QUIET: Duration = Duration::from_millis(300);
/// How often to wait for that.
const LOOKS: u8 = 10;
/// An earlier run may have sent as much as there is.
const ANY: u64 = u64::MAX;

/// Appends the body. Where an earlier run has begun to, `earlier` is how long the file was before that.
pub fn append(
    client: &mut Client,
    reader: &Reader,
    task: &Task,
    path: &RemotePath,
    earlier: Option<u64>,
) -> Result<Sent, Error> {
    let mut appending = Appending {
        reader,
        body: Body::new(reader, task),
        task,
        path,
        before: earlier,
        begun: earlier.is_some(),
        noted: None,
        // How far the earlier run came is not known; a body that is shorter shows when it is passed over.
        sent: if earlier.is_some() { ANY } else { 0 },
        progress: Progress::default(),
    };
    let sent = appending.send(client)?;
    if let Some(visibility) = client.settings().visibility {
        // The bytes are there. A failure would only lead to their being added once more.
        if let Err(error) = client.attempt(|session| session.chmod(path, visibility.file_mode())) {
            let message = format!("The visibility of `{path}` stays as it is. {error}");
            (client.host().log)(Level::Warn, &message);
        }
    }
    Ok(sent)
}

struct Appending<'a> {
    reader: &'a Reader,
    body: Body<'a>,
    task: &'a Task,
    path: &'a RemotePath,
    /// How long the file was before, where the server tells.
    before: Option<u64>,
    /// The server may have bytes of the body.
    begun: bool,
    /// What was noted.
    noted: Option<Note>,
    /// The most bytes of the body that may be there.
    sent: u64,
    progress: Progress,
}

/// What the size of the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// So many bytes of the body are there.
    Added(u64),
    /// The file has changed in a way that we have not caused.
    Strange,
    /// The server does not tell.
    Unknown,
}

fn standing(before: Option<u64>, now: Option<u64>, sent: u64) -> Standing {
    match (before, now) {
        (Some(before), Some(now)) => match now.checked_sub(before) {
            Some(added) if added <= sent => Standing::Added(added),
            _ => Standing::Strange,
        },
        _ => Standing::Unknown,
    }
}

impl Appending<'_> {
    fn send(&mut self, client: &mut Client) -> Result<Sent, Error> {
        let mut tries = Tries::default();
        let mut before = None;
        loop {
            let error = match client.session().and_then(|session| self.one_try(session)) {
                Ok(sent) => return Ok(sent),
                Err(error) => error,
            };
            self.progress.settle(&mut tries);
            let may_go_on = !self.begun || self.before.is_some();
            let error = if let Some(error) = self.body.spent(before.as_ref(), &error) {
                error
            } else if may_go_on {
                // Not unknown yet: the next try begins with a look.
                let effect = match error.effect {
                    Effect::Unknown => Effect::Partial,
                    effect => effect,
                };
                let error = Error { effect, ..error };
                match client.recover(&mut tries, error.clone()) {
                    Ok(()) => {
                        before = Some(error);
                        continue;
                    }
                    Err(error) => error,
                }
            } else {
                error
            };
            return Err(if self.begun {
                self.conclude(client, error)
            } else {
                error
            });
        }
    }

    fn one_try(&mut self, session: &mut Session) -> Result<Sent, Error> {
        let mut source = self.body.open()?;
        if self.begun {
            let added = self.settled(session)?;
            if added > 0 {
                // Line ends make lengths differ, so an ascii transfer cannot be continued.
                if self.task.transfer_type == TransferType::Ascii
                    || !source.skip(session, self.path, added)?
                {
                    // What an earlier run has sent cannot be more than that, so nothing explains the size.
                    if self.sent == ANY {
                        self.sent = source.taken;
                    }
                    return Err(self.lost());
                }
                if source.is_at_end()? {
                    return self.verify(session, source.taken);
                }
                self.progress.goes_on_from(added);
            }
        } else {
            self.before = self.size(session)?;
            self.keep_size()?;
        }
        session.set_type(self.task.transfer_type)?;
        let started = in_folder(session, &self.path.parent(), |session| {
            session.start_append(self.path)
        });
        let transfer = self.note(started)?;
        let pumped = source.pump(session, transfer);
        self.sent = self.sent.max(source.taken);
        pumped?;
        self.verify(session, source.taken)
    }

    /// Keeps what a later run has to know, unless that is kept already.
    fn keep_size(&mut self) -> Result<(), Error> {
        let note = Note::Appending {
            path: self.path.clone(),
            before: self.before,
        };
        if self.noted.as_ref() != Some(&note) {
            keep(self.reader, &note)?;
            self.noted = Some(note);
        }
        Ok(())
    }

    fn note(&mut self, started: Result<Transfer, Error>) -> Result<Transfer, Error> {
        self.begun |= match &started {
            Ok(_) => true,
            Err(error) => error.effect != Effect::None,
        };
        started
    }

    /// The size of the file; a file that is not there yet has none.
    fn size(&self, session: &mut Session) -> Result<Option<u64>, Error> {
        Ok(match session.size(self.path)? {
            Stat::Is(entry) => entry.size,
            Stat::Missing => Some(0),
            Stat::Unknown => None,
        })
    }

    /// How much of the body is there, once the file grows no more.
    fn settled(&self, session: &mut Session) -> Result<u64, Error> {
        let mut last = self.size(session)?;
        for _ in 0..LOOKS {
            pause(session.host, QUIET)
                .map_err(|stop| Error::io(Op::Stat, self.path.as_str(), &stop).ending_call())?;
            let now = self.size(session)?;
            if now == last {
                return match standing(self.before, now, self.sent) {
                    Standing::Added(added) => Ok(added),
                    Standing::Strange | Standing::Unknown => Err(self.lost()),
                };
            }
            last = now;
        }
        let message = format!(
            "`{}` keeps growing, so what is missing cannot be appended.",
            self.path
        );
        Err(Error::new(Kind::Busy, message))
    }

    fn lost(&self) -> Error {
        let message = format!(
            "Appending to `{}` was broken off, and its size does not tell where to go on.",
            self.path
        );
        Error::new(Kind::Data, message)
    }

    /// By length alone: a hash would be one of the whole file. A file that is longer has been added to by
    /// somebody else.
    fn verify(&self, session: &mut Session, bytes: u64) -> Result<Sent, Error> {
        let exact = self.task.transfer_type == TransferType::Binary && self.task.verify != Verify::None;
        let mut proof = Proof::Reply;
        if let Some(before) = self.before.filter(|_| exact)
            && let Stat::Is(entry) = session.size(self.path)?
            && let Some(now) = entry.size
        {
            let whole = before.saturating_add(bytes);
            if now < whole {
                let message = format!(
                    "`{}` had {before} bytes, {bytes} were appended, and the server has {now}.",
                    self.path
                );
                return Err(Error::new(Kind::Data, message).retryable());
            }
            if now == whole {
                proof = Proof::Size(now);
            }
        }
        Ok(Sent { bytes, proof })
    }

    /// The last word on an append that failed: what is known of the file now.
    fn conclude(&self, client: &mut Client, error: Error) -> Error {
        let mut now = None;
        if self.before.is_some() {
            client.clean_up(|session| {
                now = self.size(session)?;
                Ok(())
            });
        }
        concluded(error, self.before, now, self.sent)
    }
}

fn concluded(error: Error, before: Option<u64>, now: Option<u64>, sent: u64) -> Error {
    let (effect, retry, known) = match (standing(before, now, sent), before, now) {
        (Standing::Added(0), _, _) => (
            Effect::None,
            error.retry,
            "Nothing was added to the file.".to_owned(),
        ),
        // What was added has the file's own name. The next try looks, and finds by the note where to go on.
        (Standing::Added(added), _, _) => (
            Effect::Unknown,
            error.retry,
            format!("{added} bytes were added to the file; the next try goes on from there."),
        ),
        // Once more from the start would only be right if nothing was added.
        (_, Some(before), Some(now)) => (
            Effect::Unknown,
            Retry::Never,
            format!("The file had {before} bytes before and has {now} now, so what was added is not known."),
        ),
        (_, Some(before), None) => (
            Effect::Unknown,
            error.retry,
            format!("The file had {before} bytes before; what was added is not known."),
        ),
        (_, None, _) => (
            Effect::Unknown,
            Retry::Never,
            "The server does not tell sizes, so what was added is not known.".to_owned(),
        ),
    };
    Error {
        message: format!("{} {known}", error.message),
        effect,
        retry,
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_size_says() {
        assert_eq!(standing(Some(10), Some(10), 5), Standing::Added(0));
        assert_eq!(standing(Some(10), Some(13), 5), Standing::Added(3));
        assert_eq!(standing(Some(10), Some(15), 5), Standing::Added(5));
        assert_eq!(standing(Some(10), Some(16), 5), Standing::Strange);
        assert_eq!(standing(Some(10), Some(9), 5), Standing::Strange);
        assert_eq!(standing(None, Some(9), 5), Standing::Unknown);
        assert_eq!(standing(Some(10), None, 5), Standing::Unknown);
    }

    #[test]
    fn the_message_says_what_is_known() {
        let broken = || Error::new(Kind::Unreachable, "It broke.").retryable();
        let none = concluded(broken(), Some(10), Some(10), 5);
        assert_eq!((none.effect, none.retry), (Effect::None, Retry::Backoff));
        let part = concluded(broken(), Some(10), Some(12), 5);
        assert_eq!((part.effect, part.retry), (Effect::Unknown, Retry::Backoff));
        assert!(part.message.contains("2 bytes were added"), "{}", part.message);
        let cases = [
            (None, None, Retry::Never),
            (Some(10), None, Retry::Backoff),
            (Some(10), Some(99), Retry::Never),
        ];
        for (before, now, retry) in cases {
            let unknown = concluded(broken(), before, now, 5);
            assert_eq!((unknown.effect, unknown.retry), (Effect::Unknown, retry));
            assert!(unknown.message.contains("not known"), "{}", unknown.message);
        }
    }
}
