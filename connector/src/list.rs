//! `list`: one payload for each entry, whose body tells what is known of it.

use serde_json::json;

use crate::bindings::flow::connector::exchange::{self, Offer};
use crate::bindings::flow::connector::types::Summary;
use crate::client::Client;
use crate::error::Error;
use crate::fetch::write_all;
use crate::filter::Found;
use crate::flow::Done;
use crate::get::{Offered, accepted, contradiction, count, metadata};
use crate::listing::EntryKind;
use crate::select::Queue;
use crate::task::Task;

/// Lists what the task selects.
pub fn run(client: &mut Client, task: &Task, summary: &mut Summary) -> Result<Done, Error> {
    let default = client.settings().default_folder()?;
    let mut queue = Queue::new(task, &default, true);
    let mut done = Done::Consume;
    let mut taken = 0;
    while taken < task.max_files
        && let Some(found) = queue.next(client)?
    {
        let offered = offer(&found, task);
        taken += u64::from(matches!(offered, Ok(Offered::Taken(_))));
        if count(offered, summary)? {
            done = Done::Stop;
            break;
        }
    }
    summary.skipped += queue.left;
    Ok(done)
}

fn offer(found: &Found, task: &Task) -> Result<Offered, Error> {
    let body = json!({
        "path": found.path.as_str(),
        "name": found.path.name(),
        "kind": match found.kind {
            EntryKind::File => "file",
            EntryKind::Folder => "folder",
            EntryKind::Link => "link",
        },
        "size": found.size,
        "modified": found.modified.and_then(|modified| rfc3339(modified.ms)),
    })
    .to_string();
    let mut metadata = metadata(found, task);
    metadata.content_type = Some("application/json".to_owned());
    // The payload's body is the description, not the file.
    metadata.size = Some(body.len() as u64);
    let writer = match exchange::begin(&metadata).map_err(|error| Error::from(error).ending_call())? {
        Offer::Accept(writer) => writer,
        Offer::Skip => return Ok(Offered::Skipped),
        Offer::Accepted => return Ok(Offered::Accepted),
        Offer::Stop => return Ok(Offered::Stop),
    };
    let stream = writer.body();
    let written = write_all(&stream, body.as_bytes()).and_then(|()| stream.blocking_flush().map_err(|_| ()));
    drop(stream);
    match (accepted(writer), written) {
        // Nothing of it went over the wire: that was the listing.
        (Ok(()), Ok(())) => Ok(Offered::Taken(0)),
        (Err(error), _) => Err(error),
        (Ok(()), Err(())) => Err(contradiction()),
    }
}

fn rfc3339(ms: u64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(time.to_string())
}
