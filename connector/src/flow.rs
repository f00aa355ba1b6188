//! The loop of both endpoints: next payload, its options, its command, settle.

use std::cell::RefCell;

use crate::bindings::flow::connector::exchange::{self, Outcome, Reader};
use crate::bindings::flow::connector::types::{Call, Metadata, Summary};
use crate::client::Client;
use crate::command::Verb;
use crate::error::Error;
use crate::settings::{Connection, Options};
use crate::task::{Task, check_stated};
use crate::transport::Host;
use crate::{get, list, manage, put};

thread_local! {
    /// The client of the last call. The steps of a run that use the same instance share one session.
    static KEPT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

/// How a command ended that did not fail.
pub enum Done {
    /// The payload goes on, with this metadata.
    Pass(Metadata),
    /// The payload ends here; what came of it went into the flow.
    Consume,
    /// The same, and the flow wants nothing more from this call.
    Stop,
}

/// Runs an endpoint over all incoming payloads.
pub fn run(call: &Call, default: Verb, host: Host) -> Result<Summary, Error> {
    let connection = Connection::parse(&call.connection)?;
    check_stated(&Options::parse(&call.options)?, &connection, default)?;
    let mut client = take_client(connection, host);
    let mut summary = Summary {
        payloads: 0,
        bytes: 0,
        skipped: 0,
        failed: 0,
    };
    let result = each_payload(&mut client, default, &mut summary);
    KEPT.with_borrow_mut(|kept| *kept = Some(client));
    result.map(|()| summary)
}

fn take_client(connection: Connection, host: Host) -> Client {
    match KEPT.with_borrow_mut(Option::take) {
        Some(mut kept) if kept.is_for(&connection) => {
            kept.wake();
            kept
        }
        Some(mut other) => {
            other.quit();
            Client::new(connection, host)
        }
        None => Client::new(connection, host),
    }
}

fn each_payload(client: &mut Client, default: Verb, summary: &mut Summary) -> Result<(), Error> {
    // Compiling a pattern costs more than a small file; most payloads have the same options.
    let mut known: Option<(String, Task)> = None;
    while let Some(reader) = exchange::next()? {
        let json = reader.options();
        let task = match known.take() {
            Some((same, task)) if same == json => Ok((json, task)),
            _ => Options::parse(&json)
                .and_then(|options| Task::new(&options, client.settings(), default))
                .map(|task| (json, task)),
        };
        let result = task.and_then(|task| {
            let (_, task) = known.insert(task);
            one_payload(client, &reader, task, summary)
        });
        match result {
            Ok(Done::Pass(metadata)) => {
                summary.payloads += 1;
                Reader::settle(reader, &Outcome::Pass(metadata));
            }
            Ok(Done::Consume) => Reader::settle(reader, &Outcome::Consume),
            Ok(Done::Stop) => {
                Reader::settle(reader, &Outcome::Consume);
                return Ok(());
            }
            // The payload was not touched: the call as a whole failed.
            Err(error) if error.ends_call => return Err(error),
            Err(error) => {
                summary.failed += 1;
                Reader::settle(reader, &Outcome::Fail(error.into()));
            }
        }
    }
    Ok(())
}

fn one_payload(
    client: &mut Client,
    reader: &Reader,
    task: &Task,
    summary: &mut Summary,
) -> Result<Done, Error> {
    match task.verb {
        Verb::Get => get::run(client, task, summary),
        Verb::List => list::run(client, task, summary),
        Verb::Put | Verb::Append => put::run(client, reader, task, summary),
        Verb::Rename => manage::rename(client, reader, task, summary),
        Verb::Delete => manage::delete(client, reader, task, summary),
        Verb::Mkdir => manage::mkdir(client, reader.metadata(), task),
        Verb::Rmdir => manage::rmdir(client, reader, task),
    }
}

/// An attribute that all connectors share: the file name that a payload came with.
pub const ORIGINAL_FILENAME: &str = "original_filename";
/// The path that a payload came from, below the root of its connection.
pub const ORIGINAL_PATH: &str = "original_path";

/// The value of an attribute, unless it is empty.
pub fn attribute<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a str> {
    metadata
        .attributes
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// Sets an attribute; names stay unique.
pub fn set_attribute(metadata: &mut Metadata, name: &str, value: impl Into<String>) {
    let value = value.into();
    match metadata.attributes.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => metadata.attributes.push((name.to_owned(), value)),
    }
}

/// Removes an attribute.
pub fn remove_attribute(metadata: &mut Metadata, name: &str) {
    metadata.attributes.retain(|(known, _)| known != name);
}

/// Puts in what the options want later steps to see.
pub fn set_originals(metadata: &mut Metadata, task: &Task) {
    for (name, value) in [
        (ORIGINAL_FILENAME, &task.original_filename),
        (ORIGINAL_PATH, &task.original_path),
    ] {
        if let Some(value) = value {
            set_attribute(metadata, name, value.clone());
        }
    }
}
