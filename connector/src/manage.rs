//! `rename`, `delete`, `mkdir`, `rmdir`: commands without a body. The payload passes on.

use std::collections::HashSet;

use flow_connector::{Done, Metadata, Reader, Summary};

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::filter::Pattern;
use crate::flow::set_originals;
use crate::look::{Became, There, look, surely};
use crate::note::{Earlier, Note, keep};
use crate::origin::{Subject, origin};
use crate::path::{Named, RemotePath};
use crate::replace::{Choice, choose, move_onto};
use crate::select::Queue;
use crate::settings::IfExists;
use crate::task::{Selection, Task};

/// Where the file is after a rename, or the folder when there were several.
const RENAMED_TO: &str = "renamed_to";

/// Renames or moves the files that the task selects.
pub fn rename(
    client: &mut Client,
    reader: &Reader,
    task: &Task,
    summary: &mut Summary,
) -> Result<Done, Error> {
    let Some(target) = &task.target else {
        return Err(Error::new(Kind::Internal, "`rename` came without a target."));
    };
    let mut metadata = reader.metadata();
    let subject = Subject::of(task, &metadata)?;
    if let Some(subject) = &subject
        && let earlier = Earlier::of(reader)?
        && earlier.is_possible()
        && let Some(to) = subject.was_renamed(client, &earlier, &place(target, &subject.path))?
    {
        metadata.set_attribute(RENAMED_TO, to.as_str());
        set_originals(&mut metadata, task);
        return Ok(Done::Pass(metadata));
    }
    let mut files = Files::new(client, &metadata, task)?;
    let mut next = files.next(client)?;
    // Only the second file says that there are several; so nothing is renamed before it is known.
    let mut second = match next {
        Some(_) if task.max_files > 1 => files.next(client)?,
        _ => None,
    };
    let several = second.is_some();
    if several && !target.folder {
        let message = format!(
            "More than one file fits, and `{}` is one name: end the target with `/` to name a folder.",
            target.path
        );
        return Err(Error::setting("/options/command", message));
    }
    let mut count = 0;
    while let Some(source) = next {
        let to = place(target, &source);
        let numbered = |to: &RemotePath| match &subject {
            Some(_) => {
                let (from, target) = (source.clone(), to.clone());
                keep(reader, &Note::Numbering { from, target })
            }
            None => Ok(()),
        };
        let moved = move_one(client, &source, &to, task.if_exists, numbered)
            .map_err(|error| after_others(error, count, "renamed"))?;
        match moved {
            Some(to) => {
                let told = if several { &target.path } else { &to };
                metadata.set_attribute(RENAMED_TO, told.as_str());
                files.made(to);
                count += 1;
            }
            None => summary.skipped += 1,
        }
        next = match second.take() {
            _ if count >= task.max_files => None,
            Some(second) => Some(second),
            None => files
                .next(client)
                .map_err(|error| after_others(error, count, "renamed"))?,
        };
    }
    summary.skipped += files.skipped();
    set_originals(&mut metadata, task);
    Ok(Done::Pass(metadata))
}

/// Where a rename puts a file.
fn place(target: &Named, source: &RemotePath) -> RemotePath {
    if target.folder {
        target.path.child(source.name())
    } else {
        target.path.clone()
    }
}

/// Renames or moves one file.
pub fn rename_one(
    client: &mut Client,
    source: &RemotePath,
    to: &RemotePath,
    if_exists: IfExists,
) -> Result<(), Error> {
    move_one(client, source, to, if_exists, |_| Ok(())).map(|_| ())
}

/// The same, telling where the file is now: none when another one is there and stays. A name with a number is told to
/// `numbered` before it is given.
fn move_one(
    client: &mut Client,
    source: &RemotePath,
    to: &RemotePath,
    if_exists: IfExists,
    numbered: impl FnOnce(&RemotePath) -> Result<(), Error>,
) -> Result<Option<RemotePath>, Error> {
    if source == to {
        return Ok(Some(to.clone()));
    }
    let to = match client.attempt(|session| choose(session, to, if_exists))? {
        Choice::Here => to.clone(),
        Choice::Instead(to) => {
            numbered(&to)?;
            to
        }
        Choice::Skip => return Ok(None),
        Choice::Append => {
            return Err(Error::new(Kind::Internal, "A rename was asked to append."));
        }
    };
    move_onto(client, source, &to, if_exists == IfExists::Overwrite)?;
    Ok(Some(to))
}

/// Deletes the files that the task selects.
pub fn delete(
    client: &mut Client,
    reader: &Reader,
    task: &Task,
    summary: &mut Summary,
) -> Result<Done, Error> {
    let mut metadata = reader.metadata();
    if let Some(subject) = Subject::of(task, &metadata)?
        && Earlier::of(reader)?.is_possible()
        && subject.was_deleted(client)?
    {
        set_originals(&mut metadata, task);
        return Ok(Done::Pass(metadata));
    }
    let mut files = Files::new(client, &metadata, task)?;
    let mut count = 0;
    while count < task.max_files {
        let deleted = files.next(client).and_then(|file| match file {
            Some(path) => delete_one(client, &path).map(|()| true),
            None => Ok(false),
        });
        if !deleted.map_err(|error| after_others(error, count, "deleted"))? {
            break;
        }
        count += 1;
    }
    summary.skipped += files.skipped();
    set_originals(&mut metadata, task);
    Ok(Done::Pass(metadata))
}

/// Deletes one file.
pub fn delete_one(client: &mut Client, path: &RemotePath) -> Result<(), Error> {
    surely(
        client,
        |session| session.delete(path),
        |session| {
            Ok(match look(session, path)? {
                There::Nothing => Became::Done,
                _ => Became::Nothing,
            })
        },
    )
}

/// A failure after others went well. What was done to them stays done.
fn after_others(error: Error, count: u64, done: &str) -> Error {
    if count == 0 {
        return error;
    }
    let message = format!("{} Before that, {count} of the files were {done}.", error.message);
    Error { message, ..error }.after_a_part()
}

/// Makes a folder and those above it.
pub fn mkdir(client: &mut Client, mut metadata: Metadata, task: &Task) -> Result<Done, Error> {
    let folder = folder(task)?;
    client.attempt(|session| {
        // Not what was seen earlier: somebody may have removed it since.
        session.forget_folder(&folder);
        session.ensure_folder(&folder)
    })?;
    set_originals(&mut metadata, task);
    Ok(Done::Pass(metadata))
}

/// Removes an empty folder. One that a try whose reply was lost, or one before a crash, may have removed is not missed.
pub fn rmdir(client: &mut Client, reader: &Reader, task: &Task) -> Result<Done, Error> {
    let mut metadata = reader.metadata();
    let folder = folder(task)?;
    let mut may_be_gone = Earlier::of(reader)?.is_possible();
    client.attempt(|session| match session.remove_folder(&folder) {
        Err(error) if may_be_gone && error.kind == Kind::NotFound && !error.session_lost => Ok(()),
        result => {
            may_be_gone |= result.as_ref().is_err_and(|error| error.session_lost);
            result
        }
    })?;
    set_originals(&mut metadata, task);
    Ok(Done::Pass(metadata))
}

fn folder(task: &Task) -> Result<RemotePath, Error> {
    match &task.selection {
        Selection::Static(named) => Ok(named.path.clone()),
        _ => Err(Error::new(
            Kind::Internal,
            "A folder command came without a folder.",
        )),
    }
}

/// The files to change: those that the options select, else the one that the payload came from.
///
/// They are taken one by one while the folder changes under them. The queue only ever goes forward, so a file
/// that was deleted is not missed; but one that was renamed into the same tree could come up again under its new
/// name, and is passed over.
struct Files<'a> {
    one: Option<RemotePath>,
    queue: Option<Queue<'a>>,
    pattern: Option<&'a Pattern>,
    /// The new names that the pattern fits, too. Only these are kept: most moves lead out of the tree, and a
    /// folder may have a million files.
    made: HashSet<RemotePath>,
    found: bool,
}

impl<'a> Files<'a> {
    fn new(client: &mut Client, metadata: &Metadata, task: &'a Task) -> Result<Self, Error> {
        let mut files = Self {
            one: None,
            queue: None,
            pattern: None,
            made: HashSet::new(),
            found: false,
        };
        match &task.selection {
            Selection::Pattern(pattern) => {
                files.queue = Some(Queue::new(task, &RemotePath::default(), false));
                files.pattern = Some(pattern);
            }
            // A queue would take a folder for the files in it; here it is meant itself.
            Selection::Static(Named { path, folder })
                if *folder
                    || task.filter.is_open()
                    || client.attempt(|session| look(session, path))? != There::File =>
            {
                files.one = Some(path.clone());
            }
            Selection::Static(_) => files.queue = Some(Queue::new(task, &RemotePath::default(), false)),
            Selection::Nothing => files.one = Some(origin(metadata)?),
        }
        Ok(files)
    }

    fn next(&mut self, client: &mut Client) -> Result<Option<RemotePath>, Error> {
        let mut next = self.one.take();
        if let Some(queue) = &mut self.queue {
            next = loop {
                match queue.next(client)?.map(|found| found.path) {
                    Some(path) if self.made.contains(&path) => {}
                    next => break next,
                }
            };
        }
        self.found |= next.is_some();
        Ok(next)
    }

    /// Takes note of a new name.
    fn made(&mut self, path: RemotePath) {
        if self.pattern.is_some_and(|pattern| is_in_tree(&path, pattern)) {
            self.made.insert(path);
        }
    }

    /// What the summary says was left out: the files that the filter left where they are, or that there was none.
    fn skipped(&self) -> u64 {
        let left = self.queue.as_ref().map_or(0, |queue| queue.left);
        left.max(u64::from(!self.found))
    }
}

/// Whether the walk of a pattern can come to a path.
fn is_in_tree(path: &RemotePath, pattern: &Pattern) -> bool {
    let root = &pattern.root;
    let inside = root.is_root()
        || path
            .as_str()
            .strip_prefix(root.as_str())
            .is_some_and(|rest| rest.starts_with('/'));
    let below = path.below(root);
    inside && (pattern.deep || !below.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Effect;
    use crate::path::jail;

    #[test]
    fn what_a_walk_can_come_to() {
        let path = |text: &str| jail(text, "").unwrap().path;
        let comes = |root: &str, deep, to: &str| is_in_tree(&path(to), &Pattern::all(path(root), deep));
        assert!(comes("out", false, "out/a"));
        assert!(!comes("out", false, "out/done/a"));
        assert!(comes("out", true, "out/done/a"));
        assert!(!comes("out", true, "outer/a"));
        assert!(!comes("out", true, "done/a"));
        assert!(comes("", true, "done/a") && comes("", false, "a"));
        assert!(!comes("", false, "done/a"));
    }

    #[test]
    fn a_failure_tells_of_the_files_before_it() {
        let failed = || Error::new(Kind::Permission, "No.");
        assert_eq!(after_others(failed(), 0, "deleted").effect, Effect::None);
        let later = after_others(failed(), 3, "deleted");
        assert_eq!(later.effect, Effect::Partial);
        assert!(
            later.message.contains("3 of the files were deleted"),
            "{}",
            later.message
        );
    }
}
