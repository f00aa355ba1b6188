//! The endpoints that make payloads.

use std::mem::forget;
use std::time::{SystemTime, UNIX_EPOCH};

use super::settings::{Connection, sin};
use super::store::{Store, cancelled, wait};
use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::bindings::flow::connector::exchange::{self, Offer, Outcome, Reader, Writer};
use crate::bindings::flow::connector::types::{Call, Error, ErrorKind, Metadata, Summary};
use crate::bindings::wasi::io::streams::{OutputStream, StreamError};
use crate::honest::{metadata, nothing};
use crate::options::error;

/// Makes a payload of each thing in the store that is not hidden.
///
/// # Errors
/// When the call as a whole cannot go on.
pub fn make(call: &Call) -> Result<Summary, Error> {
    let name = sin(&call.options)?;
    run(call, &name, false).map_err(|fault| altered(fault, &name, call))
}

/// Makes a payload of everything in the store, and sins never.
///
/// # Errors
/// As [`make`].
pub fn misbehave(call: &Call) -> Result<Summary, Error> {
    run(call, "", true)
}

/// What the error of a call becomes.
pub fn altered(fault: Error, sin: &str, call: &Call) -> Error {
    match sin {
        "other-error" if fault.kind == ErrorKind::Cancelled => error(ErrorKind::Internal, fault.message),
        "details-list" => Error {
            details: Some("[]".to_owned()),
            ..fault
        },
        "secret-in-error" => {
            let password = Connection::parse(&call.connection).map(|connection| connection.password);
            let password = password.unwrap_or_default().replace('/', "%2F");
            error(
                fault.kind,
                format!("store://user:{password}@host: {}", fault.message),
            )
        }
        _ => fault,
    }
}

/// Takes the next payload. An error of the host ends the call, unless the sin is not to hear it.
pub fn next(sin: &str) -> Result<Option<Reader>, Error> {
    match exchange::next() {
        Err(_) if sin == "ignore-next" => Ok(None),
        answer => answer,
    }
}

/// Reads the options of a payload; none when it was settled because they are wrong.
pub fn readable(reader: Reader, by: &str, summary: &mut Summary) -> Result<Option<Reader>, Error> {
    let Err(fault) = sin(&reader.options()) else {
        return Ok(Some(reader));
    };
    assert!(by != "trap-on-options", "the options cannot be read");
    summary.failed += 1;
    if by == "end-on-options" {
        return Err(fault);
    }
    Reader::settle(reader, &Outcome::Fail(fault));
    Ok(None)
}

fn run(call: &Call, sin: &str, hidden: bool) -> Result<Summary, Error> {
    let connection = Connection::parse(&call.connection)?;
    let mut summary = nothing();
    let mut store = None;
    while let Some(reader) = next(sin)? {
        let Some(reader) = readable(reader, sin, &mut summary)? else {
            continue;
        };
        if sin == "secret-in-log" {
            context::log(LogLevel::Trace, &format!("HELLO {}", connection.password));
        }
        let store = match &mut store {
            Some(store) => store,
            none => none.insert(Store::open(&connection, sin == "deaf")?),
        };
        offer_all(store, sin, hidden, &connection, &mut summary)?;
        if sin == "never-settle" {
            forget(reader);
        } else {
            Reader::settle(reader, &Outcome::Consume);
        }
    }
    if sin == "miscount" && summary.payloads > 0 {
        summary.payloads += 1;
    }
    Ok(summary)
}

fn offer_all(
    store: &mut Store,
    sin: &str,
    hidden: bool,
    connection: &Connection,
    summary: &mut Summary,
) -> Result<(), Error> {
    if sin == "no-id" {
        // Whatever the host thinks of it.
        let _ = exchange::begin(&metadata(""));
    }
    for (name, length) in store.list()? {
        if name.starts_with('.') && !hidden {
            continue;
        }
        match exchange::begin(&of(&name, length, sin, connection)) {
            Ok(Offer::Accept(writer)) => {
                let bytes = store.get(&name)?;
                match deliver(writer, &bytes, sin) {
                    Ok(()) => {
                        summary.payloads += 1;
                        summary.bytes += length;
                    }
                    Err(fault) if fault.kind == ErrorKind::Cancelled => return Err(fault),
                    Err(_) if sin == "finish-anyway" => summary.payloads += 1,
                    Err(_) => {
                        summary.failed += 1;
                        if sin == "delete-refused" {
                            store.delete(&name)?;
                        }
                    }
                }
            }
            Ok(Offer::Skip) if sin == "skip-is-done" => summary.payloads += 1,
            Ok(Offer::Skip) => {
                summary.skipped += 1;
                if sin == "skip-is-stop" {
                    return Ok(());
                }
            }
            Ok(Offer::Accepted) if sin == "accepted-fails" => summary.failed += 1,
            Ok(Offer::Accepted) => {}
            Ok(Offer::Stop) if sin == "stop-is-skip" => {}
            Ok(Offer::Stop) => return Ok(()),
            Err(fault) if fault.kind == ErrorKind::Cancelled => return Err(fault),
            Err(_) if sin == "hide-refusal" => {}
            Err(fault) => return Err(fault),
        }
    }
    if sin == "leave-open" {
        match exchange::begin(&metadata("open"))? {
            Offer::Accept(writer) => forget(writer),
            Offer::Skip => summary.skipped += 1,
            Offer::Accepted | Offer::Stop => {}
        }
    }
    Ok(())
}

fn of(name: &str, length: u64, sin: &str, connection: &Connection) -> Metadata {
    let mut offered = Metadata {
        version: Some(length.to_string()),
        size: Some(length),
        ..metadata(name)
    };
    match sin {
        "folder-in-name" => offered.name = Some(format!("folder/{name}")),
        "attribute-twice" => offered.attributes = vec![("a".to_owned(), String::new()); 2],
        "wrong-size" => offered.size = Some(length + 1),
        "secret-in-metadata" => {
            offered.attributes = vec![("password".to_owned(), connection.password.clone())];
        }
        "new-ids" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            offered.id = format!("{name} at {now:?}");
        }
        _ => {}
    }
    offered
}

fn deliver(writer: Writer, bytes: &[u8], sin: &str) -> Result<(), Error> {
    let body = writer.body();
    let written = write(&body, bytes, sin == "deaf");
    if sin == "keep-stream" {
        forget(body);
    } else {
        drop(body);
    }
    match written {
        Ok(()) => Writer::finish(writer),
        Err(fault) => {
            Writer::abort(writer, &fault);
            Err(fault)
        }
    }
}

/// Writes as fast as the host takes it.
fn write(body: &OutputStream, mut bytes: &[u8], deaf: bool) -> Result<(), Error> {
    let failed = |fault: StreamError| {
        let what = crate::honest::reason(&fault);
        error(ErrorKind::Data, format!("The host takes no more: {what}."))
    };
    while !bytes.is_empty() {
        let room = usize::try_from(body.check_write().map_err(failed)?).unwrap_or(usize::MAX);
        if room == 0 {
            wait(deaf)?;
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        body.write(now).map_err(failed)?;
        bytes = later;
    }
    if context::cancelled() && !deaf {
        Err(cancelled())
    } else {
        Ok(())
    }
}
