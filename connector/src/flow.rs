//! What both endpoints do: each payload's options, its command, and one session for all of them.

use std::cell::RefCell;

use flow_connector::{Done, Metadata, Reader, Summary, exchange};

use crate::client::Client;
use crate::command::Verb;
use crate::error::Error;
use crate::held::HOST;
use crate::settings::{Connection, Options};
use crate::task::Task;
use crate::{get, list, manage, put};

thread_local! {
    /// The client of the last call. The steps of a run that use the same instance share one session.
    static KEPT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

/// Runs an endpoint over all incoming payloads.
pub fn run(connection: &Connection, default: Verb) -> Result<Summary, flow_connector::Error> {
    let mut client = take_client(connection.clone());
    let result = exchange::each(
        |json| Task::new(&Options::parse(json)?, connection, default),
        |reader, task, summary| one_payload(&mut client, reader, task, summary),
    );
    KEPT.with_borrow_mut(|kept| *kept = Some(client));
    result
}

fn take_client(connection: Connection) -> Client {
    match KEPT.with_borrow_mut(Option::take) {
        Some(mut kept) if kept.is_for(&connection) => {
            kept.wake();
            kept
        }
        Some(mut other) => {
            other.quit();
            Client::new(connection, HOST)
        }
        None => Client::new(connection, HOST),
    }
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

/// Puts in what the options want later steps to see.
pub fn set_originals(metadata: &mut Metadata, task: &Task) {
    for (name, value) in [
        (Metadata::ORIGINAL_FILENAME, &task.original_filename),
        (Metadata::ORIGINAL_PATH, &task.original_path),
    ] {
        if let Some(value) = value {
            metadata.set_attribute(name, value.clone());
        }
    }
}
