//! `put` and `append`: the payload's body into a file.

use crate::bindings::flow::connector::context;
use crate::bindings::flow::connector::exchange::Reader;
use crate::bindings::flow::connector::types::{Metadata, Summary};
use crate::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::client::Client;
use crate::command::Verb;
use crate::data::Transfer;
use crate::error::{Effect, Error, Kind};
use crate::fetch::{CHUNK, STEPS_BETWEEN_CHECKS};
use crate::files::Stat;
use crate::flow::{Done, ORIGINAL_FILENAME, ORIGINAL_PATH, attribute, set_attribute, set_originals};
use crate::path::{RemotePath, is_name, jail};
use crate::session::{Session, cleaned};
use crate::settings::{Connection, Visibility};
use crate::task::{Selection, Task};

/// The longest piece of the name that goes into the temporary one; file systems end names at 255 bytes.
const LONGEST_NAME: usize = 200;

/// Uploads the payload.
pub fn run(client: &mut Client, reader: &Reader, task: &Task, summary: &mut Summary) -> Result<Done, Error> {
    let mut metadata = reader.metadata();
    let Some(target) = target(task, client.settings(), &metadata)? else {
        summary.skipped += 1;
        return Ok(Done::Pass(metadata));
    };
    let visibility = client.settings().visibility;
    let sent = if task.verb == Verb::Append {
        client.attempt(|session| append(session, reader, &target, visibility))?
    } else {
        put(client, reader, &target, visibility)?
    };
    summary.bytes += sent;
    set_attribute(&mut metadata, "stored_path", target.as_str());
    set_originals(&mut metadata, task);
    Ok(Done::Pass(metadata))
}

/// Where the body goes. None when a pattern says which payloads to take, and this is not one of them.
fn target(task: &Task, connection: &Connection, metadata: &Metadata) -> Result<Option<RemotePath>, Error> {
    let from = || {
        task.original_path
            .as_deref()
            .or_else(|| attribute(metadata, ORIGINAL_PATH))
    };
    let path = match &task.selection {
        Selection::Static(named) if named.folder => named.path.child(file_name(task, metadata)?),
        Selection::Static(named) => named.path.clone(),
        Selection::Nothing => match from() {
            Some(path) if connection.path.is_none() => jail(path, "/options/original_path")?.path,
            _ => connection.default_folder()?.child(file_name(task, metadata)?),
        },
        Selection::Pattern(pattern) => {
            let below = match from() {
                Some(path) if pattern.deep => jail(path, "/options/original_path")?.path,
                _ => RemotePath::default().child(file_name(task, metadata)?),
            };
            if !pattern.fits(&below) {
                return Ok(None);
            }
            pattern.root.join(&below)
        }
    };
    if path.is_root() {
        return Err(Error::setting(
            "/options/path",
            "Nothing names the file to write; set `path`.",
        ));
    }
    Ok(Some(path))
}

/// The name for a file whose folder alone is given.
fn file_name<'a>(task: &'a Task, metadata: &'a Metadata) -> Result<&'a str, Error> {
    let name = task
        .original_filename
        .as_deref()
        .or_else(|| attribute(metadata, ORIGINAL_FILENAME))
        .or_else(|| attribute(metadata, ORIGINAL_PATH).and_then(|path| path.rsplit('/').next()))
        .or(metadata.name.as_deref())
        .filter(|name| !name.is_empty());
    match name {
        Some(name) if is_name(name) => Ok(name),
        Some(_) => Err(Error::setting(
            "/options/original_filename",
            "The payload's file name is not one: it must not be `.` or `..`, nor contain `/`, line breaks or NUL.",
        )),
        None => Err(Error::setting(
            "/options/path",
            "Nothing names the file to write: the payload has no file name, so set `path`.",
        )),
    }
}

/// Writes a temporary file beside the target and renames it when it is whole, so that nobody ever sees
/// part of a file under the final name.
fn put(
    client: &mut Client,
    reader: &Reader,
    target: &RemotePath,
    visibility: Option<Visibility>,
) -> Result<u64, Error> {
    let temporary = target.parent().child(&temporary_name(target.name()));
    let mut begun = false;
    let mut sent = 0;
    let result = client.attempt(|session| {
        session.ensure_folder(&target.parent())?;
        let body = body(reader)?;
        let transfer = session.start_store(&temporary)?;
        begun = true;
        sent = copy(session, transfer, &body)?;
        drop(body);
        verify(session, &temporary, sent)?;
        if let Some(visibility) = visibility {
            session.chmod(&temporary, visibility.file_mode())?;
        }
        replace(session, &temporary, target)
    });
    let result = match result {
        Err(error) if error.effect == Effect::Unknown => {
            settle_rename(client, &temporary, target, sent, error)
        }
        other => other,
    };
    match result {
        Ok(()) => Ok(sent),
        Err(error) if begun && error.effect != Effect::Unknown => {
            let removed = client.clean_up(|session| match session.delete(&temporary) {
                Err(error) if error.kind != Kind::NotFound => Err(error),
                _ => Ok(()),
            });
            Err(cleaned(error, removed))
        }
        Err(error) => Err(error),
    }
}

/// The answer to the rename did not come. Whichever of the two names has the file tells what happened.
fn settle_rename(
    client: &mut Client,
    temporary: &RemotePath,
    target: &RemotePath,
    sent: u64,
    error: Error,
) -> Result<(), Error> {
    if error.kind == Kind::Cancelled {
        return Err(error);
    }
    let settled = client.attempt(|session| {
        let has = |stat: Stat| matches!(stat, Stat::Is(entry) if entry.size == Some(sent));
        if has(session.size(temporary)?) {
            return replace(session, temporary, target);
        }
        if has(session.size(target)?) {
            Ok(())
        } else {
            Err(error.clone())
        }
    });
    settled.map_err(|_| error)
}

/// `.{name}.{part of the run's id}.part`: hidden from most patterns, and the same in each try of a run, so
/// that a later try overwrites what an earlier one has left.
fn temporary_name(name: &str) -> String {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let run: String = context::run_id()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    // The end of an id is the part that differs most.
    let short = &run[run.len().saturating_sub(8)..];
    format!(".{}.{short}.part", &name[..end])
}

/// Compares what the server has with what was sent, where it can tell.
fn verify(session: &mut Session, path: &RemotePath, sent: u64) -> Result<(), Error> {
    match session.size(path)? {
        Stat::Is(entry) if entry.size != Some(sent) => {
            let message = format!(
                "The server has {} bytes of `{path}`, and {sent} were sent.",
                entry.size.unwrap_or_default()
            );
            Err(Error::new(Kind::Data, message).retryable())
        }
        _ => Ok(()),
    }
}

/// Renames onto the target. Where the server does not rename onto a file that exists, that one goes first.
fn replace(session: &mut Session, temporary: &RemotePath, target: &RemotePath) -> Result<(), Error> {
    match session.rename(temporary, target) {
        Err(error) if error.kind == Kind::Conflict => match session.size(target)? {
            Stat::Is(_) => {
                session.delete(target)?;
                session.rename(temporary, target)
            }
            _ => Err(error),
        },
        done => done,
    }
}

/// Appends directly: half an append cannot be taken back, so once bytes have gone it is not tried again.
fn append(
    session: &mut Session,
    reader: &Reader,
    target: &RemotePath,
    visibility: Option<Visibility>,
) -> Result<u64, Error> {
    session.ensure_folder(&target.parent())?;
    let body = body(reader)?;
    let transfer = session.start_append(target)?;
    let sent = copy(session, transfer, &body).map_err(|error| error.leaving(Effect::Unknown))?;
    if let Some(visibility) = visibility {
        session
            .chmod(target, visibility.file_mode())
            .map_err(|error| error.leaving(Effect::Unknown))?;
    }
    Ok(sent)
}

fn body(reader: &Reader) -> Result<InputStream, Error> {
    reader.body()?.ok_or_else(|| {
        Error::setting(
            "/options/command",
            "There is nothing to write: this payload has no body, so a step before must make a payload.",
        )
    })
}

fn copy(session: &mut Session, mut transfer: Transfer, body: &InputStream) -> Result<u64, Error> {
    let mut total = 0_u64;
    let mut steps = 0_u32;
    loop {
        let bytes = match body.blocking_read(CHUNK as u64) {
            Ok(bytes) => bytes,
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => {
                // What was sent so far would look like a whole file.
                let message = "The host could not read the payload's body.";
                return Err(Error::new(Kind::Internal, message).losing_session());
            }
        };
        steps = steps.wrapping_add(1);
        let checked = if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) {
            session.keep_alive()
        } else {
            Ok(())
        };
        if let Err(error) = checked.and_then(|()| transfer.write(&bytes)) {
            return Err(session.transfer_failed(transfer, &error));
        }
        total += bytes.len() as u64;
    }
    session.finish(transfer)?;
    Ok(total)
}
