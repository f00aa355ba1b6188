//! `list`: one payload for each entry, whose body tells what is known of it.

use std::io::Write as _;

use flow_connector::{Done, Offered, Summary, exchange};
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::filter::Found;
use crate::get::metadata;
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
        done = summary.count(offered.map_err(Into::into))?;
        if done == Done::Stop {
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
    Ok(
        match exchange::emit(&metadata, |writer| Ok(writer.write_all(body.as_bytes())?))? {
            // Nothing of it went over the wire: that was the listing.
            Offered::Taken(_) => Offered::Taken(0),
            offered => offered,
        },
    )
}

fn rfc3339(ms: u64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(time.to_string())
}
