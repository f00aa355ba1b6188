//! `put` and `append`: the payload's body into a file.

use flow_connector::{Done, Reader, Summary, context};

use crate::append::append;
use crate::client::Client;
use crate::command::Verb;
use crate::earlier::{Found, find, take_back};
use crate::error::{Effect, Error, Kind};
use crate::flow::set_originals;
use crate::look::{There, look};
use crate::note::{Earlier, Note, keep};
use crate::path::RemotePath;
use crate::proof::Sent;
use crate::replace::{Choice, choose, is_folder, move_onto};
use crate::session::Session;
use crate::settings::IfExists;
use crate::store::Upload;
use crate::target::{target, temporary};
use crate::task::Task;
use crate::transport::Level;

/// What became of the payload: `stored`, `renamed` (it got a number), `appended`, or `skipped`.
const OUTCOME: &str = "put_outcome";
/// Where its bytes are, or with `skipped`, the file that stayed.
const STORED_PATH: &str = "stored_path";

/// What proves that they are there: see [`Proof`].
const STORED_PROOF: &str = "stored_proof";

/// Uploads the payload.
pub fn run(client: &mut Client, reader: &Reader, task: &Task, summary: &mut Summary) -> Result<Done, Error> {
    let mut metadata = reader.metadata();
    let Some(target) = target(task, client.settings(), &metadata)? else {
        summary.skipped += 1;
        metadata.set_attribute(OUTCOME, "skipped");
        return Ok(Done::Pass(metadata));
    };
    let file = File {
        reader,
        task,
        size: metadata.size,
        modified_ms: metadata.modified_ms,
        earlier: Earlier::of(reader)?,
    };
    let Stored { outcome, path, sent } = file.store(client, target)?;
    metadata.set_attribute(OUTCOME, outcome);
    metadata.set_attribute(STORED_PATH, path.as_str());
    // One of a step before says nothing of this one.
    metadata.remove_attribute(STORED_PROOF);
    if let Some(sent) = sent {
        summary.bytes += sent.bytes;
        metadata.set_attribute(STORED_PROOF, sent.proof.to_string());
    } else {
        summary.skipped += 1;
    }
    set_originals(&mut metadata, task);
    Ok(Done::Pass(metadata))
}

/// What became of a payload.
struct Stored {
    outcome: &'static str,
    path: RemotePath,
    /// None when another file is there and stays.
    sent: Option<Sent>,
}

/// One payload that becomes one file.
pub struct File<'a> {
    /// The payload.
    pub reader: &'a Reader,
    /// What its options say.
    pub task: &'a Task,
    /// How long its body is, where that is known.
    pub size: Option<u64>,
    /// When it was last changed, where that is known.
    pub modified_ms: Option<u64>,
    /// What is known of an earlier try.
    pub earlier: Earlier,
}

impl File<'_> {
    /// Whether bytes may be added to what is there.
    pub fn appends(&self) -> bool {
        self.task.verb == Verb::Append || self.task.if_exists == IfExists::Append
    }

    /// Uploads what an earlier try has not.
    fn store(&self, client: &mut Client, asked: RemotePath) -> Result<Stored, Error> {
        let (path, sent) = match find(client, self, &asked)? {
            Found::Nothing => return self.choose(client, asked),
            Found::Added(path, before) => {
                let sent = append(client, self.reader, self.task, &path, Some(before))?;
                return Ok(Stored {
                    outcome: "appended",
                    path,
                    sent: Some(sent),
                });
            }
            Found::Whole(path, proof) => (path, Sent { bytes: 0, proof }),
            Found::Part(path) => {
                let sent = self.direct(client, &path, Place::Ours, None)?;
                (path, sent)
            }
        };
        let outcome = if path == asked { "stored" } else { "renamed" };
        Ok(Stored {
            outcome,
            path,
            sent: Some(sent),
        })
    }

    /// Does what `if_exists` makes of the name.
    fn choose(&self, client: &mut Client, asked: RemotePath) -> Result<Stored, Error> {
        let choice = if self.task.verb == Verb::Append {
            Choice::Append
        } else {
            client.attempt(|session| choose(session, &asked, self.task.if_exists))?
        };
        let (outcome, path, sent) = match choice {
            Choice::Here => {
                let over = self.task.if_exists == IfExists::Overwrite;
                let sent = self.put(client, &asked, &asked, over)?;
                ("stored", asked, Some(sent))
            }
            Choice::Instead(path) => {
                let sent = self.put(client, &asked, &path, false)?;
                ("renamed", path, Some(sent))
            }
            Choice::Append => {
                let sent = append(client, self.reader, self.task, &asked, None)?;
                ("appended", asked, Some(sent))
            }
            Choice::Skip => ("skipped", asked, None),
        };
        Ok(Stored { outcome, path, sent })
    }

    /// Writes the file: under a temporary name first, so that nobody ever sees part of it under the final one, or
    /// at once where the options or the server want that. With `over`, what is there goes.
    ///
    /// The temporary name is that of the name that was asked for: a later try finds it, whichever number is free then.
    fn put(
        &self,
        client: &mut Client,
        asked: &RemotePath,
        target: &RemotePath,
        over: bool,
    ) -> Result<Sent, Error> {
        let temporary = temporary(asked, &self.task.temporary_name, &context::run_id())?
            .filter(|temporary| temporary != target);
        match temporary {
            Some(temporary) if !client.writes_directly && client.session()?.renames != Some(false) => {
                self.hidden(client, &temporary, target, over)
            }
            _ => self.direct(client, target, Place::of(over), None),
        }
    }

    fn hidden(
        &self,
        client: &mut Client,
        temporary: &RemotePath,
        target: &RemotePath,
        over: bool,
    ) -> Result<Sent, Error> {
        let mut upload = Upload::new(self.reader, self.task, temporary);
        upload.own = true;
        let mut noted = false;
        let result = self.send(client, &mut upload, temporary).and_then(|sent| {
            if !over {
                let (temporary, target) = (temporary.clone(), target.clone());
                keep(self.reader, &Note::Renaming { temporary, target })?;
                noted = true;
            }
            let Err(refused) = move_onto(client, temporary, target, over) else {
                return Ok(sent);
            };
            let refused = may_go_direct(client, refused, temporary, target, over)?;
            self.once_more(client, temporary, target, over, &refused)
        });
        match result {
            Err(error) if upload.begun && error.effect != Effect::Unknown => {
                if noted {
                    take_back(client, self.reader);
                }
                let removed = client.clean_up(|session| remove(session, temporary));
                Err(left(error, removed, temporary))
            }
            result => result,
        }
    }

    /// Sends the bytes. What a failure leaves is at the path of the upload, which the caller answers for.
    fn send(&self, client: &mut Client, upload: &mut Upload, path: &RemotePath) -> Result<Sent, Error> {
        let sent = upload
            .send(client)
            .and_then(|sent| self.dress(client, path).map(|()| sent));
        sent.map_err(|error| error.leaving(Effect::None))
    }

    /// What a complete file gets before it is seen: its time and its visibility.
    fn dress(&self, client: &mut Client, path: &RemotePath) -> Result<(), Error> {
        let visibility = client.settings().visibility;
        client.attempt(|session| {
            match self.modified_ms {
                _ if !self.task.preserve_modified => {}
                Some(ms) => session.set_modified(path, ms)?,
                None => {
                    let message = format!("The payload for `{path}` has no time to keep.");
                    (session.host.log)(Level::Debug, &message);
                }
            }
            match visibility {
                Some(visibility) => session.chmod(path, visibility.file_mode()),
                None => Ok(()),
            }
        })
    }

    /// The server does not rename: sends the file again, under its final name.
    fn once_more(
        &self,
        client: &mut Client,
        temporary: &RemotePath,
        target: &RemotePath,
        over: bool,
        refused: &Error,
    ) -> Result<Sent, Error> {
        let message = format!(
            "The server does not rename uploads, so `{target}` is written under its own name; until it is complete, others see part of it. Set `temporary_name` to `{{name}}` to do so from the start. {refused}"
        );
        (client.host().log)(Level::Warn, &message);
        let written = self.direct(client, target, Place::of(over), Some(temporary));
        // A body that cannot be sent twice goes there at once when it comes again.
        client.writes_directly |= written.as_ref().is_err_and(|error| error.kind == Kind::Busy);
        let sent = written.map_err(|error| {
            // The rename had removed the old file, to make room.
            if refused.effect == Effect::None {
                return error;
            }
            let message = format!("{} The old `{target}` was removed before.", error.message);
            Error {
                message,
                ..error.leaving(Effect::Partial)
            }
        })?;
        let removed = client.attempt(|session| {
            session.renames.get_or_insert(false);
            remove(session, temporary)
        });
        if let Err(error) = removed {
            let message = format!("The temporary file `{temporary}` stays. {error}");
            (client.host().log)(Level::Warn, &message);
        }
        Ok(sent)
    }

    /// Writes under the final name at once. `temporary` is what is to be removed afterwards.
    fn direct(
        &self,
        client: &mut Client,
        target: &RemotePath,
        place: Place,
        temporary: Option<&RemotePath>,
    ) -> Result<Sent, Error> {
        // Afterwards it could not be told whose file is to be removed when the upload fails.
        let was_there = match client.attempt(|session| look(session, target))? {
            There::Folder => return Err(is_folder(target)),
            there => there == There::File && place != Place::Ours,
        };
        if place == Place::Free {
            let (target, temporary) = (target.clone(), temporary.cloned());
            keep(self.reader, &Note::Writing { target, temporary })?;
        }
        let mut upload = Upload::new(self.reader, self.task, target);
        upload.own = place == Place::Ours;
        upload.begun = upload.own;
        match self.send(client, &mut upload, target) {
            Err(error) if upload.begun && was_there => {
                let message = format!(
                    "{} `{target}` was there before and was being overwritten, so it is not complete now.",
                    error.message
                );
                Err(Error {
                    message,
                    ..error.leaving(Effect::Partial)
                })
            }
            Err(error) if upload.begun => {
                let removed = client.clean_up(|session| remove(session, target));
                Err(left(error, removed, target))
            }
            result => result,
        }
    }
}

/// What is known of a final name that is written to at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Whatever is there goes.
    Any,
    /// Nothing was there.
    Free,
    /// An earlier try may have begun to write there.
    Ours,
}

impl Place {
    fn of(over: bool) -> Self {
        if over { Self::Any } else { Self::Free }
    }
}

/// Deletes what may be there.
fn remove(session: &mut Session, path: &RemotePath) -> Result<(), Error> {
    match session.delete(path) {
        Err(error) if error.kind == Kind::NotFound && !error.session_lost => Ok(()),
        result => result,
    }
}

/// A failed upload, after what it left was removed, or could not be.
fn left(error: Error, removed: bool, path: &RemotePath) -> Error {
    if removed {
        return error;
    }
    let message = format!(
        "{} Part of it may be left as `{path}`: remove that.",
        error.message
    );
    Error {
        message,
        ..error.leaving(Effect::Partial)
    }
}

/// Whether a refused rename leaves writing under the final name as the only way; else it is the failure.
fn may_go_direct(
    client: &mut Client,
    refused: Error,
    temporary: &RemotePath,
    target: &RemotePath,
    over: bool,
) -> Result<Error, Error> {
    match refusal(&refused) {
        Refusal::Never => return Ok(refused),
        Refusal::Other => return Err(refused),
        Refusal::Perhaps => {}
    }
    client.attempt(|session| {
        // An upload that the server has taken away at once must not be sent a second time.
        if look(session, temporary)? != There::File {
            let message = format!(
                "{} The upload cannot be seen as `{temporary}`; if the account may not look or rename, set `temporary_name` to `{{name}}`.",
                refused.message
            );
            return Err(Error {
                message,
                ..refused.clone()
            });
        }
        match look(session, target)? {
            There::Nothing => Ok(refused.clone()),
            // It may not be removed, but perhaps written.
            There::File if over => Ok(refused.clone()),
            There::File | There::Folder => Err(refused.clone()),
        }
    })
}

/// What a failed rename says of renaming as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The server does not do it.
    Never,
    /// It does not do it, or not with these names.
    Perhaps,
    /// Something else is wrong.
    Other,
}

fn refusal(error: &Error) -> Refusal {
    match error.code {
        _ if error.session_lost => Refusal::Other,
        Some(202 | 500 | 502 | 504) => Refusal::Never,
        Some(550 | 553) => Refusal::Perhaps,
        _ => Refusal::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Op;
    use crate::path::jail;

    #[test]
    fn what_a_refused_rename_means() {
        let says = |op, code| refusal(&Error::reply(op, "a", code, ""));
        for code in [202, 500, 502, 504] {
            assert_eq!(says(Op::RenameFrom, code), Refusal::Never, "{code}");
        }
        for code in [550, 553] {
            assert_eq!(says(Op::RenameTo, code), Refusal::Perhaps, "{code}");
        }
        for code in [421, 450, 501, 530, 552] {
            assert_eq!(says(Op::RenameTo, code), Refusal::Other, "{code}");
        }
    }

    #[test]
    fn what_is_left_behind_is_told() {
        let path = jail("in/.a.part", "").unwrap().path;
        let failed = |effect| Error::new(Kind::Data, "It failed.").leaving(effect);
        let clean = left(failed(Effect::None), true, &path);
        assert_eq!(
            (clean.effect, clean.message.as_str()),
            (Effect::None, "It failed.")
        );
        // The old file is gone, say: that the temporary one was removed does not change it.
        assert_eq!(left(failed(Effect::Partial), true, &path).effect, Effect::Partial);
        let dirty = left(failed(Effect::None), false, &path);
        assert_eq!(dirty.effect, Effect::Partial);
        assert!(dirty.message.contains("in/.a.part"), "{}", dirty.message);
    }
}
