//! `get`: one payload for each selected file.

use crate::bindings::flow::connector::exchange::{self, Offer, Writer};
use crate::bindings::flow::connector::types::{Metadata, Summary};
use crate::bindings::wasi::io::streams::OutputStream;
use crate::client::Client;
use crate::error::{Effect, Error, Kind};
use crate::files::Stat;
use crate::flow::{Done, ORIGINAL_FILENAME, ORIGINAL_PATH};
use crate::listing::{Entry, EntryKind};
use crate::path::{Named, RemotePath};
use crate::select::{Found, Selection, Task, in_folder};
use crate::session::Session;

/// The size of a copy's steps. WASI moves at most 64 KiB at a time, and larger buffers gain nothing.
pub const CHUNK: usize = 64 * 1024;
/// How many steps go by between two looks at whether the call is to end, when the copy never waits.
pub const STEPS_BETWEEN_CHECKS: u32 = 64;

/// What became of one offered payload.
pub enum Offered {
    /// The flow has it, and this many bytes went over the wire.
    Taken(u64),
    /// The flow did not want it.
    Skipped,
    /// The flow wants no more.
    Stop,
}

/// Fetches what the task selects.
pub fn run(client: &mut Client, task: &Task, summary: &mut Summary) -> Result<Done, Error> {
    let default = client.settings().default_folder()?;
    let found = client.attempt(|session| select(session, &task.selection, &default, false))?;
    for mut item in found {
        let mut again = false;
        let result = client.attempt(|session| {
            if again {
                // It failed before, perhaps because it has changed since it was listed.
                if let Stat::Is(entry) = session.stat(&item.path)? {
                    item.entry = entry;
                }
            }
            again = true;
            fetch(session, &item, task)
        });
        if count(result, summary)? {
            return Ok(Done::Stop);
        }
    }
    Ok(Done::Consume)
}

/// Adds an offered payload to the summary. True when the flow wants no more. A payload's own failure was told
/// by `abort` or `finish`, so its siblings go on.
pub fn count(result: Result<Offered, Error>, summary: &mut Summary) -> Result<bool, Error> {
    match result {
        Ok(Offered::Taken(bytes)) => {
            summary.payloads += 1;
            summary.bytes += bytes;
        }
        Ok(Offered::Skipped) => summary.skipped += 1,
        Ok(Offered::Stop) => return Ok(true),
        Err(error) if error.ends_call => return Err(error),
        Err(_) => summary.failed += 1,
    }
    Ok(false)
}

/// The files, and on request the folders, that a selection means. A static path that is not there is an
/// error; a pattern that nothing fits is not.
pub fn select(
    session: &mut Session,
    selection: &Selection,
    default: &RemotePath,
    folders_too: bool,
) -> Result<Vec<Found>, Error> {
    match selection {
        Selection::Nothing => in_folder(session, default, folders_too),
        Selection::Pattern(pattern) => pattern.find(session, folders_too),
        Selection::Static(Named { path, folder: true }) => in_folder(session, path, folders_too),
        Selection::Static(Named { path, folder: false }) => {
            let one = |entry| {
                Ok(vec![Found {
                    path: path.clone(),
                    entry,
                }])
            };
            match session.stat(path)? {
                Stat::Is(entry) if entry.kind == EntryKind::Folder => in_folder(session, path, folders_too),
                Stat::Is(entry) => one(entry),
                // SIZE does not know folders, and some servers do not know SIZE.
                Stat::Missing | Stat::Unknown if session.is_folder(path)? => {
                    in_folder(session, path, folders_too)
                }
                Stat::Unknown => one(Entry {
                    name: path.name().to_owned(),
                    kind: EntryKind::File,
                    size: None,
                    modified: None,
                }),
                Stat::Missing => Err(Error {
                    code: Some(550),
                    ..Error::new(Kind::NotFound, format!("There is no file or folder `{path}`."))
                }),
            }
        }
    }
}

/// What a payload says of the entry that it stands for.
pub fn metadata(found: &Found, task: &Task) -> Metadata {
    let Found { path, entry } = found;
    let version = match (entry.size, entry.modified_ms()) {
        (Some(size), Some(modified)) => Some(format!("{size}-{modified}")),
        (Some(size), None) => Some(size.to_string()),
        (None, Some(modified)) => Some(format!("-{modified}")),
        (None, None) => None,
    };
    let text = |own: &Option<String>, default: &str| own.clone().unwrap_or_else(|| default.to_owned());
    Metadata {
        id: path.as_str().to_owned(),
        version,
        name: Some(entry.name.clone()),
        content_type: content_type(&entry.name).map(str::to_owned),
        size: entry.size,
        modified_ms: entry.modified_ms(),
        attributes: vec![
            ("path".to_owned(), path.as_str().to_owned()),
            (
                ORIGINAL_FILENAME.to_owned(),
                text(&task.original_filename, &entry.name),
            ),
            (ORIGINAL_PATH.to_owned(), text(&task.original_path, path.as_str())),
        ],
    }
}

/// Only what is beyond doubt; a wrong media type is worse than none.
fn content_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "xml" => "application/xml",
        "zip" => "application/zip",
        _ => return None,
    })
}

fn fetch(session: &mut Session, found: &Found, task: &Task) -> Result<Offered, Error> {
    let writer =
        match exchange::begin(&metadata(found, task)).map_err(|error| Error::from(error).ending_call())? {
            Offer::Accept(writer) => writer,
            Offer::Skip => return Ok(Offered::Skipped),
            Offer::Stop => return Ok(Offered::Stop),
        };
    let body = writer.body();
    let copied = copy(session, &found.path, &body);
    drop(body);
    let failure = match copied {
        Ok(bytes) => match short_or_long(found, bytes) {
            None => return accepted(writer).map(|()| Offered::Taken(bytes)),
            Some(error) => error,
        },
        Err(Failed::Here) => {
            // The host knows why it takes no more bytes, and says so here.
            let error = match accepted(writer) {
                Err(error) => error,
                Ok(()) => Error::new(
                    Kind::Internal,
                    "The host accepted a payload whose body it had refused.",
                ),
            };
            return Err(error.losing_session());
        }
        Err(Failed::There(error)) => error,
    };
    Writer::abort(writer, &failure.clone().into());
    Err(failure)
}

/// Waits until the flow has accepted the payload for good.
pub fn accepted(writer: Writer) -> Result<(), Error> {
    Writer::finish(writer).map_err(Error::from)
}

/// A file that does not have the length that the server said was cut short, or has changed meanwhile.
fn short_or_long(found: &Found, bytes: u64) -> Option<Error> {
    let size = found.entry.size.filter(|size| *size != bytes)?;
    let message = format!("`{}` should have {size} bytes, and {bytes} arrived.", found.path);
    Some(Error::new(Kind::Data, message).retryable())
}

/// Which side broke a copy.
enum Failed {
    /// The host.
    Here,
    /// The server.
    There(Error),
}

fn copy(session: &mut Session, path: &RemotePath, body: &OutputStream) -> Result<u64, Failed> {
    let mut transfer = session.start_read(path).map_err(Failed::There)?;
    let mut buffer = vec![0; CHUNK];
    let mut total = 0_u64;
    let mut steps = 0_u32;
    loop {
        steps = steps.wrapping_add(1);
        let checked = if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) {
            session.check()
        } else {
            Ok(())
        };
        match checked.and_then(|()| transfer.read(&mut buffer)) {
            Ok(0) => break,
            Ok(read) => {
                write_all(body, &buffer[..read]).map_err(|()| Failed::Here)?;
                total += read as u64;
            }
            Err(error) => return Err(Failed::There(session.transfer_failed(transfer, &error))),
        }
    }
    // The server's verdict first: what came over a connection that it calls broken is not a file.
    session.finish(transfer).map_err(|error| {
        Failed::There(Error {
            effect: Effect::None,
            ..error
        })
    })?;
    body.blocking_flush().map_err(|_| Failed::Here)?;
    Ok(total)
}

/// Writes with the host's consent. (`blocking-write-and-flush` would move only 4 KiB at a time.)
pub fn write_all(body: &OutputStream, mut bytes: &[u8]) -> Result<(), ()> {
    while !bytes.is_empty() {
        let room = body.check_write().map_err(|_| ())?;
        if room == 0 {
            body.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
        body.write(now).map_err(|_| ())?;
        bytes = later;
    }
    Ok(())
}
