//! `get`: one payload for each selected file, and what happens to the file afterwards.

use flow_connector::{Done, Metadata, Offered, Summary, context, exchange};

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::fetch::fetch;
use crate::filter::Found;
use crate::manage;
use crate::path::jail;
use crate::select::Queue;
use crate::task::{After, Task};
use crate::version::version;

/// Fetches what the task selects.
pub fn run(client: &mut Client, task: &Task, summary: &mut Summary) -> Result<Done, Error> {
    let default = client.settings().default_folder()?;
    let mut queue = Queue::new(task, &default, false);
    let mut done = Done::Consume;
    let mut taken = 0;
    while taken < task.max_files
        && let Some(found) = queue.next(client)?
    {
        let offered = fetch(client, &found, task);
        let dealt_with = match &offered {
            Ok(Offered::Taken(_)) => {
                taken += 1;
                after(client, &found, task)
            }
            Ok(Offered::Accepted) => still_after(client, &found, task),
            _ => Ok(()),
        };
        done = summary.count(offered.map_err(Into::into))?;
        if done == Done::Stop {
            break;
        }
        if let Err(error) = dealt_with {
            report(&found, task, error)?;
        }
    }
    summary.skipped += queue.left;
    Ok(done)
}

/// Deletes or moves a file that the flow has accepted, and its companion with it.
fn after(client: &mut Client, found: &Found, task: &Task) -> Result<(), Error> {
    let path = &found.path;
    let done = task
        .filter
        .done_file
        .as_ref()
        // One for all files of a folder stays.
        .filter(|done| done.depends_on_name());
    let companion = done.and_then(|_| task.filter.companion(path));
    match &task.after {
        After::Keep => return Ok(()),
        After::Delete => {
            manage::delete_one(client, path)?;
            if let Some(companion) = companion {
                manage::delete_one(client, &companion)?;
            }
        }
        After::Move(template) => {
            let named = jail(&template.fill(path.name(), &context::run_id()), "/options/after")?;
            let to = if named.folder {
                named.path.child(path.name())
            } else {
                named.path
            };
            manage::rename_one(client, path, &to, task.if_exists)?;
            // Beside the file, under the name that belongs to the file's new one.
            if let (Some(from), Some(done)) = (companion, done) {
                let to = to.parent().child(&done.fill(to.name(), ""));
                manage::rename_one(client, &from, &to, task.if_exists)?;
            }
        }
    }
    Ok(())
}

/// Does the same for a file that an earlier try brought. By size alone it could be a new one of the same length, and
/// its bytes would be lost.
fn still_after(client: &mut Client, found: &Found, task: &Task) -> Result<(), Error> {
    if task.after != After::Keep && found.modified.is_none() {
        let message = "It may be another file by now: the server tells no time of it.";
        return Err(Error::new(Kind::Data, message));
    }
    match after(client, found, task) {
        // The earlier try's command arrived after all.
        Err(error) if error.kind == Kind::NotFound && !error.session_lost => Ok(()),
        result => result,
    }
}

/// Tells the flow that a file was delivered and not dealt with afterwards.
fn report(found: &Found, task: &Task, error: Error) -> Result<(), Error> {
    let done = match task.after {
        After::Delete => "deleted",
        _ => "moved",
    };
    let ends_call = error.ends_call.then(|| error.clone());
    let message = format!("`{}` was delivered, not {done}. {}", found.path, error.message);
    exchange::report(found.path.as_str(), Error { message, ..error });
    ends_call.map_or(Ok(()), Err)
}

/// What a payload says of the entry that it stands for.
pub fn metadata(found: &Found, task: &Task) -> Metadata {
    let path = &found.path;
    let text = |own: &Option<String>, default: &str| own.clone().unwrap_or_else(|| default.to_owned());
    Metadata {
        id: path.as_str().to_owned(),
        version: version(found),
        name: Some(path.name().to_owned()),
        content_type: content_type(path.name()).map(str::to_owned),
        size: found.size,
        modified_ms: found.modified.map(|modified| modified.ms),
        attributes: vec![
            ("path".to_owned(), path.as_str().to_owned()),
            (
                Metadata::ORIGINAL_FILENAME.to_owned(),
                text(&task.original_filename, path.name()),
            ),
            (
                Metadata::ORIGINAL_PATH.to_owned(),
                text(&task.original_path, path.as_str()),
            ),
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
