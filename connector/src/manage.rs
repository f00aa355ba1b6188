//! `rename`, `delete`, `mkdir`, `rmdir`: commands without a body. The payload passes on.

use crate::bindings::flow::connector::types::{Metadata, Summary};
use crate::client::Client;
use crate::error::{Effect, Error, Kind};
use crate::files::Stat;
use crate::flow::{Done, ORIGINAL_PATH, attribute, set_attribute, set_originals};
use crate::path::{Named, RemotePath, jail};
use crate::select::Queue;
use crate::session::Session;
use crate::settings::IfExists;
use crate::task::{Selection, Task};

/// Renames or moves the files that the task selects.
pub fn rename(
    client: &mut Client,
    mut metadata: Metadata,
    task: &Task,
    summary: &mut Summary,
) -> Result<Done, Error> {
    let Some(target) = &task.target else {
        return Err(Error::new(Kind::Internal, "`rename` came without a target."));
    };
    let sources = sources(client, &metadata, task)?;
    if sources.len() > 1 && !target.folder {
        let message = format!(
            "{} files fit, and `{}` is one name: end the target with `/` to name a folder.",
            sources.len(),
            target.path
        );
        return Err(Error::setting("/options/command", message));
    }
    if sources.is_empty() {
        summary.skipped += 1;
    }
    let several = sources.len() > 1;
    for source in sources {
        let to = if target.folder {
            target.path.child(source.name())
        } else {
            target.path.clone()
        };
        if to != source {
            rename_one(client, &source, &to, task.if_exists)?;
        }
        let told = if several {
            target.path.as_str()
        } else {
            to.as_str()
        };
        set_attribute(&mut metadata, "renamed_to", told);
    }
    set_originals(&mut metadata, task);
    Ok(Done::Pass(metadata))
}

/// Renames or moves one file.
pub fn rename_one(
    client: &mut Client,
    source: &RemotePath,
    to: &RemotePath,
    _if_exists: IfExists,
) -> Result<(), Error> {
    let renamed = client.attempt(|session| {
        session.ensure_folder(&to.parent())?;
        session.rename(source, to)
    });
    match renamed {
        // The answer did not come. Whichever of the two names is there tells what happened.
        Err(error) if may_look(&error) => client
            .attempt(|session| {
                if is_there(session, source)? {
                    return session.rename(source, to);
                }
                if is_there(session, to)? {
                    Ok(())
                } else {
                    Err(error.clone())
                }
            })
            .map_err(|_| error),
        done => done,
    }
}

/// Deletes one file.
pub fn delete_one(client: &mut Client, path: &RemotePath) -> Result<(), Error> {
    match client.attempt(|session| session.delete(path)) {
        Err(error) if may_look(&error) => client
            .attempt(|session| match session.stat(path)? {
                Stat::Missing => Ok(()),
                Stat::Is(_) => session.delete(path),
                Stat::Unknown => Err(error.clone()),
            })
            .map_err(|_| error),
        done => done,
    }
}

/// Whether it is worth while to look what has become of an operation whose reply was lost.
fn may_look(error: &Error) -> bool {
    error.effect == Effect::Unknown && error.kind != Kind::Cancelled
}

fn is_there(session: &mut Session, path: &RemotePath) -> Result<bool, Error> {
    Ok(matches!(session.stat(path)?, Stat::Is(_)) || session.is_folder(path)?)
}

/// Deletes the files that the task selects.
pub fn delete(
    client: &mut Client,
    mut metadata: Metadata,
    task: &Task,
    summary: &mut Summary,
) -> Result<Done, Error> {
    let sources = sources(client, &metadata, task)?;
    if sources.is_empty() {
        summary.skipped += 1;
    }
    for source in sources {
        delete_one(client, &source)?;
    }
    set_originals(&mut metadata, task);
    Ok(Done::Pass(metadata))
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

/// Removes an empty folder.
pub fn rmdir(client: &mut Client, mut metadata: Metadata, task: &Task) -> Result<Done, Error> {
    let folder = folder(task)?;
    client.attempt(|session| session.remove_folder(&folder))?;
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
fn sources(client: &mut Client, metadata: &Metadata, task: &Task) -> Result<Vec<RemotePath>, Error> {
    match &task.selection {
        Selection::Static(named) => Ok(vec![named.path.clone()]),
        Selection::Pattern(_) => {
            let mut queue = Queue::new(task, &RemotePath::default(), false);
            let mut sources = Vec::new();
            while let Some(found) = queue.next(client)? {
                sources.push(found.path);
            }
            Ok(sources)
        }
        Selection::Nothing => {
            let path = attribute(metadata, ORIGINAL_PATH)
                .map(|path| jail(path, "/options/path"))
                .transpose()?;
            match path {
                Some(Named { path, .. }) if !path.is_root() => Ok(vec![path]),
                _ => Err(Error::setting(
                    "/options/path",
                    "Nothing says which file: the payload has no `original_path`, so name the file in `path`.",
                )),
            }
        }
    }
}
