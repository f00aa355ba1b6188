//! What has become of an upload that an earlier try may have made: the host was killed, or nobody knows.
//!
//! With `if_exists: overwrite` nothing is looked for and nothing noted: the same file under the same name again is the
//! same, and the temporary name holds the run's id, so that what was left is written over. The other ways must not take
//! for another's file what is their own. So they note the name that they chose, at the last moment before it can be
//! seen. A note costs the host a flush of its disk, so there is one for each upload and no more.
//!
//! | killed | note | temporary file | final name | what a later try does |
//! |---|---|---|---|---|
//! | before STOR | none | none | as it was | chooses, uploads |
//! | during STOR, before the note | none | a part, or all | as it was | removes it, chooses, uploads |
//! | after the note, before RNTO | renaming | all | free, or by now another's | takes the note back, removes the file, chooses, uploads |
//! | after RNTO, before settle | renaming | none | as long as the body | done: nothing is sent |
//! | the same, and the file was changed or fetched meanwhile | renaming | none | another length, or nothing | fails with an unknown effect: nobody can tell |
//!
//! Without a temporary name, because the options or the server want it so, the note comes before STOR:
//!
//! | killed | note | final name | what a later try does |
//! |---|---|---|---|
//! | before the note | none | as it was | chooses, writes |
//! | before STOR, or after it and the file was fetched | writing | nothing | chooses, writes |
//! | during STOR | writing | shorter than the body | writes over it: it is ours |
//! | after STOR, before settle | writing | as long as the body | done: nothing is sent |
//! | the same, and the file was changed meanwhile | writing | longer, or another hash | fails with an unknown effect |
//!
//! And for `append`, with the length that the file had before:
//!
//! | killed | note | length | what a later try does |
//! |---|---|---|---|
//! | before the note | none | any | appends |
//! | before APPE | appending | as before | appends |
//! | during APPE | appending | more, and not all | appends the rest |
//! | after APPE, before settle | appending | the body's more | done: nothing is sent |
//! | any time, and others wrote to the file too | appending | less, or too much | fails with an unknown effect |
//! | any time, and the server tells no lengths | appending | unknown | fails with an unknown effect |

use flow_connector::{Reader, context};

use crate::client::Client;
use crate::command::Verb;
use crate::error::{Effect, Error, Kind};
use crate::files::Stat;
use crate::hash::{Algorithm, Digest};
use crate::look::{There, look};
use crate::manage::delete_one;
use crate::note::{Note, keep};
use crate::path::RemotePath;
use crate::proof::Proof;
use crate::put::File;
use crate::session::Session;
use crate::settings::{IfExists, TransferType, Verify};
use crate::source::Source;
use crate::target::temporary;
use crate::transport::Level;

/// What is there of an upload that an earlier try may have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// All of it, under this name.
    Whole(RemotePath, Proof),
    /// Perhaps a part of it, under this final name, which is ours.
    Part(RemotePath),
    /// Perhaps a part of it, at the end of this file, which was so long before.
    Added(RemotePath, u64),
}

/// Finds out what is there, and removes temporary files. `asked` is the name that the options give.
///
/// A failure leaves the effect of the earlier try unknown, where a repetition could do something twice.
pub fn find(client: &mut Client, file: &File, asked: &RemotePath) -> Result<Found, Error> {
    if !file.earlier.is_possible() {
        return Ok(Found::Nothing);
    }
    let harmless = file.task.verb == Verb::Put && file.task.if_exists == IfExists::Overwrite;
    let found = by_note(client, file).and_then(|found| {
        remove_left(client, file, asked, &found)?;
        Ok(found)
    });
    found.map_err(|error| error.leaving(if harmless { Effect::None } else { Effect::Unknown }))
}

fn by_note(client: &mut Client, file: &File) -> Result<Found, Error> {
    match file.earlier.note() {
        Some(Note::Renaming { temporary, target }) => renamed(client, file, temporary, target),
        Some(Note::Writing { target, .. }) => written(client, file, target),
        Some(Note::Appending {
            path,
            before: Some(before),
        }) if file.appends() => Ok(Found::Added(path.clone(), *before)),
        Some(Note::Appending { path, before: None }) if file.appends() => {
            let message = format!(
                "An earlier try may have added this payload to `{path}`, and the server does not tell how long files \
                 are: look whether it is at the end of the file."
            );
            Err(Error::new(Kind::Unsupported, message))
        }
        _ => Ok(Found::Nothing),
    }
}

/// What became of an upload that was about to be renamed.
fn renamed(
    client: &mut Client,
    file: &File,
    temporary: &RemotePath,
    target: &RemotePath,
) -> Result<Found, Error> {
    if client.attempt(|session| look(session, temporary))? != There::Nothing {
        // Without this, a try that is killed after it has removed the file would look like one that has renamed it.
        keep(file.reader, &Note::Nothing)?;
        return Ok(Found::Nothing);
    }
    let whole = |proof| Ok(Found::Whole(target.clone(), proof));
    match client.attempt(|session| look(session, target))? {
        There::File => match compare(client, file, target)? {
            Likeness::Same(proof) => whole(proof),
            Likeness::Untold => whole(Proof::Reply),
            // Others have added to it since.
            Likeness::Other if file.appends() => whole(Proof::Reply),
            Likeness::Shorter | Likeness::Other => {
                Err(unclear(target, "what is there now is not this payload"))
            }
        },
        There::Nothing | There::Folder => Err(unclear(
            target,
            "neither that file nor the temporary one is there now, so somebody has taken one of them away",
        )),
    }
}

/// What became of an upload under its final name.
fn written(client: &mut Client, file: &File, target: &RemotePath) -> Result<Found, Error> {
    if client.attempt(|session| look(session, target))? != There::File {
        return Ok(Found::Nothing);
    }
    Ok(match compare(client, file, target)? {
        Likeness::Same(proof) => Found::Whole(target.clone(), proof),
        Likeness::Shorter | Likeness::Untold => Found::Part(target.clone()),
        Likeness::Other => return Err(unclear(target, "what is there now is not this payload")),
    })
}

fn unclear(target: &RemotePath, why: &str) -> Error {
    let message = format!(
        "An earlier try may have stored this payload as `{target}`, and {why}: look whether it has arrived."
    );
    Error::new(Kind::Conflict, message)
}

/// How a file compares with the body.
#[derive(Debug, PartialEq, Eq)]
enum Likeness {
    /// It is the same, by this proof.
    Same(Proof),
    /// It is shorter.
    Shorter,
    /// It is longer, or has another hash.
    Other,
    /// It cannot be compared.
    Untold,
}

fn by_length(body: u64, there: Option<u64>) -> Likeness {
    match there {
        None => Likeness::Untold,
        Some(there) if there < body => Likeness::Shorter,
        Some(there) if there > body => Likeness::Other,
        Some(there) => Likeness::Same(Proof::Size(there)),
    }
}

/// Compares a file with the body by length, and by a hash where the options want that. The body is read at most once.
fn compare(client: &mut Client, file: &File, path: &RemotePath) -> Result<Likeness, Error> {
    // Line ends make lengths differ.
    if file.task.transfer_type == TransferType::Ascii {
        return Ok(Likeness::Untold);
    }
    client.attempt(|session| {
        let there = match session.size(path)? {
            Stat::Is(entry) => entry.size,
            Stat::Missing | Stat::Unknown => None,
        };
        let algorithm = (file.task.verify == Verify::Hash)
            .then(|| Algorithm::offered(session))
            .flatten();
        if let Some(size) = file.size {
            match by_length(size, there) {
                Likeness::Same(_) if algorithm.is_some() => {}
                likeness => return Ok(likeness),
            }
        }
        by_body(session, file, path, there, algorithm)
    })
}

fn by_body(
    session: &mut Session,
    file: &File,
    path: &RemotePath,
    there: Option<u64>,
    algorithm: Option<Algorithm>,
) -> Result<Likeness, Error> {
    let mut source = Source::open(file.reader, file.task)?;
    source.digest = algorithm.map(Algorithm::start);
    let size = source.pass_over(session, path)?;
    let likeness = by_length(size, there);
    match (&likeness, source.digest.map(Digest::hash)) {
        (Likeness::Same(_), Some(hash)) => Ok(match session.hash_fits(path, &hash)? {
            Some(true) => Likeness::Same(Proof::Hash(hash)),
            Some(false) => Likeness::Other,
            None => likeness,
        }),
        _ => Ok(likeness),
    }
}

/// Removes the temporary files that the earlier try may have left. The upload that follows would write over the one
/// of its own name on most servers, but some refuse that, and some store the new file under another name then.
fn remove_left(client: &mut Client, file: &File, asked: &RemotePath, found: &Found) -> Result<(), Error> {
    if file.task.verb != Verb::Put {
        return Ok(());
    }
    let noted = match file.earlier.note() {
        // It is gone, or the note would not be believed.
        Some(Note::Renaming { .. }) if *found != Found::Nothing => None,
        Some(Note::Renaming { temporary, .. }) => Some(temporary.clone()),
        Some(Note::Writing { temporary, .. }) => temporary.clone(),
        _ => None,
    };
    let own = temporary(asked, &file.task.temporary_name, &context::run_id())?;
    for path in noted
        .iter()
        .chain(own.iter().filter(|own| Some(*own) != noted.as_ref()))
    {
        match delete_one(client, path) {
            Err(error) if error.session_lost || error.ends_call => return Err(error),
            Err(error) if error.kind != Kind::NotFound => {
                let message = format!("What an earlier try has left may stay as `{path}`. {error}");
                (client.host().log)(Level::Warn, &message);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes a note back before a temporary file is removed, after a failure: as in [`renamed`].
pub fn take_back(client: &Client, reader: &Reader) {
    if let Err(error) = keep(reader, &Note::Nothing) {
        (client.host().log)(Level::Warn, &format!("A note stays. {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_length_says() {
        assert_eq!(by_length(5, Some(5)), Likeness::Same(Proof::Size(5)));
        assert_eq!(by_length(5, Some(4)), Likeness::Shorter);
        assert_eq!(by_length(0, Some(0)), Likeness::Same(Proof::Size(0)));
        assert_eq!(by_length(5, Some(6)), Likeness::Other);
        assert_eq!(by_length(5, None), Likeness::Untold);
    }
}
