//! The endpoint that takes payloads.

use std::mem::forget;

use super::calls::{altered, next, readable};
use super::settings::{Connection, sin};
use super::store::{Store, wait};
use crate::bindings::flow::connector::context;
use crate::bindings::flow::connector::exchange::{Outcome, Reader};
use crate::bindings::flow::connector::types::{Call, Effect, Error, ErrorKind, Metadata, Summary};
use crate::bindings::wasi::io::streams::StreamError;
use crate::honest::nothing;
use crate::options::error;

/// Puts each payload into the store: under a hidden name, and when it is whole under its own.
///
/// # Errors
/// When the call as a whole cannot go on.
pub fn pass(call: &Call) -> Result<Summary, Error> {
    let name = sin(&call.options)?;
    run(call, &name).map_err(|fault| altered(fault, &name, call))
}

fn run(call: &Call, sin: &str) -> Result<Summary, Error> {
    let connection = Connection::parse(&call.connection)?;
    let mut summary = nothing();
    let mut store = None;
    while let Some(reader) = next(sin)? {
        let Some(reader) = readable(reader, sin, &mut summary)? else {
            continue;
        };
        let store = match &mut store {
            Some(store) => store,
            none => none.insert(Store::open(&connection, sin == "deaf")?),
        };
        let metadata = reader.metadata();
        match put(store, &reader, &metadata, sin) {
            Ok(bytes) => {
                summary.payloads += 1;
                summary.bytes += bytes;
                let id = if sin == "other-id" {
                    "another".to_owned()
                } else {
                    metadata.id.clone()
                };
                Reader::settle(reader, &Outcome::Pass(Metadata { id, ..metadata }));
            }
            Err(fault) if fault.kind == ErrorKind::Cancelled => return Err(fault),
            Err(fault) => {
                summary.failed += 1;
                Reader::settle(reader, &Outcome::Fail(fault));
            }
        }
    }
    Ok(summary)
}

fn put(store: &mut Store, reader: &Reader, metadata: &Metadata, sin: &str) -> Result<u64, Error> {
    let mut name = metadata.name.clone().unwrap_or_else(|| metadata.id.clone());
    if sin == "twice" && reader.earlier().is_some() {
        name = format!("{name}-{}", context::attempt());
    }
    let part = format!(".{name}.part");
    let copied = copy(store, reader, &part, sin);
    let done = copied.and_then(|bytes| store.rename(&part, &name).map(|()| bytes));
    if done.is_err() && sin != "leave-part" {
        store.delete(&part)?;
    }
    done
}

fn copy(store: &mut Store, reader: &Reader, part: &str, sin: &str) -> Result<u64, Error> {
    store.add(part, &[])?;
    let Some(body) = reader.body()? else {
        return Ok(0);
    };
    let mut copied = 0;
    let ended = loop {
        match body.read(64 * 1024) {
            Ok(bytes) if bytes.is_empty() => wait(sin == "deaf")?,
            Ok(bytes) => {
                store.add(part, &bytes)?;
                copied += bytes.len() as u64;
            }
            Err(StreamError::Closed) => break Ok(copied),
            Err(StreamError::LastOperationFailed(_)) if sin == "truncate" => break Ok(copied),
            Err(StreamError::LastOperationFailed(fault)) => {
                let message = format!("The body broke off: {}.", fault.to_debug_string());
                break Err(Error {
                    effect: Effect::None,
                    ..error(ErrorKind::Data, message)
                });
            }
        }
    };
    if sin == "keep-stream" {
        forget(body);
    }
    ended
}
