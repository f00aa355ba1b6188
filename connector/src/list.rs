//! `list`: one payload for each entry, whose body tells what is known of it.

use serde_json::json;

use crate::bindings::flow::connector::exchange::{self, Offer};
use crate::bindings::flow::connector::types::Summary;
use crate::client::Client;
use crate::error::{Error, Kind};
use crate::flow::Done;
use crate::get::{Offered, accepted, count, metadata, select, write_all};
use crate::listing::EntryKind;
use crate::select::{Found, Task};

/// Lists what the task selects.
pub fn run(client: &mut Client, task: &Task, summary: &mut Summary) -> Result<Done, Error> {
    let default = client.settings().default_folder()?;
    let found = client.attempt(|session| select(session, &task.selection, &default, true))?;
    for item in found {
        if count(offer(&item, task), summary)? {
            return Ok(Done::Stop);
        }
    }
    Ok(Done::Consume)
}

fn offer(found: &Found, task: &Task) -> Result<Offered, Error> {
    let Found { path, entry } = found;
    let body = json!({
        "path": path.as_str(),
        "name": entry.name,
        "kind": match entry.kind {
            EntryKind::File => "file",
            EntryKind::Folder => "folder",
            EntryKind::Link => "link",
        },
        "size": entry.size,
        "modified": entry.modified_ms().and_then(rfc3339),
    })
    .to_string();
    let mut metadata = metadata(found, task);
    metadata.content_type = Some("application/json".to_owned());
    // The payload's body is the description, not the file.
    metadata.size = Some(body.len() as u64);
    let writer = match exchange::begin(&metadata).map_err(|error| Error::from(error).ending_call())? {
        Offer::Accept(writer) => writer,
        Offer::Skip => return Ok(Offered::Skipped),
        Offer::Stop => return Ok(Offered::Stop),
    };
    let stream = writer.body();
    let written = write_all(&stream, body.as_bytes()).and_then(|()| stream.blocking_flush().map_err(|_| ()));
    drop(stream);
    match (accepted(writer), written) {
        // Nothing of it went over the wire: that was the listing.
        (Ok(()), Ok(())) => Ok(Offered::Taken(0)),
        (Err(error), _) => Err(error),
        (Ok(()), Err(())) => Err(Error::new(
            Kind::Internal,
            "The host accepted a payload whose body it had refused.",
        )),
    }
}

fn rfc3339(ms: u64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(time.to_string())
}
