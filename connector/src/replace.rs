//! Names that may be taken: what `if_exists` makes of them, and renaming onto them. `put`, `rename` and
//! `after: move` all come here, so that they do the same on every server.

use std::collections::HashSet;

use crate::client::Client;
use crate::error::{Error, Kind};
use crate::files::Stat;
use crate::look::{Became, There, look, surely};
use crate::path::{RemotePath, stem_and_extension};
use crate::session::Session;
use crate::settings::IfExists;

/// The highest number that `if_exists: rename` gives.
const HIGHEST: u16 = 999;
/// How many numbered names are asked for one by one. Beyond that, one listing of the folder is quicker.
const ASKED: u16 = 5;
/// File systems end names at 255 bytes.
const LONGEST_NAME: usize = 255;

/// What `if_exists` makes of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It is written.
    Here,
    /// This one is written in its place.
    Instead(RemotePath),
    /// What is there stays, and nothing is written.
    Skip,
    /// The bytes go to the end of what is there.
    Append,
}

/// Looks whether a target is taken, where that makes a difference, and decides.
pub fn choose(session: &mut Session, target: &RemotePath, if_exists: IfExists) -> Result<Choice, Error> {
    // What overwrites need not look: it is renamed onto the target, whatever is there.
    if if_exists == IfExists::Overwrite {
        return Ok(Choice::Here);
    }
    let there = look(session, target)?;
    match (there, if_exists) {
        (There::Nothing, _) | (There::File, IfExists::Overwrite) => Ok(Choice::Here),
        (_, IfExists::Rename) => free_name(session, target).map(Choice::Instead),
        (There::Folder, _) => Err(is_folder(target)),
        (There::File, IfExists::Skip) => Ok(Choice::Skip),
        (There::File, IfExists::Append) => Ok(Choice::Append),
        (There::File, IfExists::Fail) => Err(Error::new(
            Kind::Conflict,
            format!("`{target}` is there already, and `if_exists` is `fail`."),
        )),
    }
}

/// A folder is where a file should go.
pub fn is_folder(target: &RemotePath) -> Error {
    let message = format!("`{target}` is a folder; end the path with `/` to keep the file's name in it.");
    Error::new(Kind::Conflict, message)
}

/// The first numbered name that is free.
fn free_name(session: &mut Session, target: &RemotePath) -> Result<RemotePath, Error> {
    for number in 1..=ASKED {
        let path = numbered(target, number);
        match session.stat(&path)? {
            Stat::Missing => return Ok(path),
            Stat::Is(_) => {}
            Stat::Unknown => break,
        }
    }
    // Whether the server tells `A` and `a` apart is not known. Passing over a number that is free does no harm.
    let mut taken = HashSet::new();
    let (stem, _) = stem_and_extension(target.name());
    let begin: String = stem.chars().take(1).flat_map(char::to_lowercase).collect();
    session.list(&target.parent(), |entry| {
        let name = entry.name.to_lowercase();
        if name.starts_with(&begin) {
            taken.insert(name);
        }
    })?;
    (1..=HIGHEST)
        .map(|number| numbered(target, number))
        .find(|path| !taken.contains(&path.name().to_lowercase()))
        .ok_or_else(|| {
            let message = format!(
                "`{target}` is there already, and so are its numbered names up to `{}`; move some of them away.",
                numbered(target, HIGHEST)
            );
            Error::new(Kind::Conflict, message)
        })
}

/// `order.csv` and 2 to `order-2.csv`.
fn numbered(target: &RemotePath, number: u16) -> RemotePath {
    let (stem, extension) = stem_and_extension(target.name());
    let end = if extension.is_empty() {
        format!("-{number}")
    } else {
        format!("-{number}.{extension}")
    };
    let stem = cut(stem, LONGEST_NAME.saturating_sub(end.len()).max(1));
    target.parent().child(&format!("{stem}{end}"))
}

/// The start of a text, at most this many bytes, without half a character at its end.
pub fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Renames onto a target. With `over`, a file that is there goes, also where the server does not rename onto
/// existing names. Folders on the way are made.
pub fn move_onto(client: &mut Client, from: &RemotePath, to: &RemotePath, over: bool) -> Result<(), Error> {
    let mut removed = false;
    let moved = surely(
        client,
        |session| {
            in_folder(session, &to.parent(), |session| {
                onto(session, from, to, over, &mut removed)
            })
        },
        // Whichever of the two names is there tells what happened.
        |session| {
            if look(session, from)? != There::Nothing {
                return Ok(Became::Nothing);
            }
            Ok(match look(session, to)? {
                There::Nothing => Became::Unclear,
                _ => Became::Done,
            })
        },
    );
    moved.map_err(|error| {
        if !removed {
            return error;
        }
        let message = format!(
            "{} The old `{to}` was removed before, to make room.",
            error.message
        );
        Error { message, ..error }.after_a_part()
    })
}

fn onto(
    session: &mut Session,
    from: &RemotePath,
    to: &RemotePath,
    over: bool,
    removed: &mut bool,
) -> Result<(), Error> {
    // To a server that does not tell `A` and `a` apart the target is the file itself.
    let over = over && from.as_str().to_lowercase() != to.as_str().to_lowercase();
    // The look keeps the target when there is nothing to put in its place.
    if over && session.renames_over == Some(false) && look(session, from)? == There::File {
        match session.delete(to) {
            Ok(()) => *removed = true,
            Err(error) if error.session_lost => return Err(error),
            // Not there, or not to be removed: what the rename says of it counts.
            Err(_) => {}
        }
    }
    let refused = match session.rename(from, to) {
        Err(error) if may_be_taken(&error) => error,
        result => return noted(session, result),
    };
    match look(session, to)? {
        There::Nothing => return Err(refused),
        There::Folder => return Err(is_folder(to)),
        There::File if !over => return Err(refused),
        There::File => {}
    }
    match session.delete(to) {
        Ok(()) => *removed = true,
        Err(error) if error.session_lost => return Err(error),
        Err(error) => {
            let message = format!("{} {}", refused.message, error.message);
            return Err(Error { message, ..refused });
        }
    }
    let result = session.rename(from, to);
    noted(session, result)?;
    session.renames_over = Some(false);
    Ok(())
}

fn noted(session: &mut Session, result: Result<(), Error>) -> Result<(), Error> {
    if result.is_ok() {
        session.renames = Some(true);
    }
    result
}

/// Whether RNTO was refused with what servers also say when the name is taken. A refused RNFR must not look
/// like that: the target would be removed for a file that cannot be moved.
fn may_be_taken(error: &Error) -> bool {
    !error.session_lost && error.code.is_some() && error.kind == Kind::Conflict
}

/// Works in a folder, which is made before. One that is only remembered may have gone since: then it is made
/// again, and the work tried once more.
pub fn in_folder<T>(
    session: &mut Session,
    folder: &RemotePath,
    mut work: impl FnMut(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let remembered = session.folders.contains(folder);
    session.ensure_folder(folder)?;
    match work(session) {
        Err(error)
            if remembered
                && !error.session_lost
                && matches!(error.code, Some(550 | 553))
                && !session.is_folder(folder)? =>
        {
            // Those above may have gone with it.
            session.folders.clear();
            session.ensure_folder(folder)?;
            work(session)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests;
