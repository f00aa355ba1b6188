//! What is at a path, and what has become of an operation whose reply was lost.

use crate::client::Client;
use crate::error::{Effect, Error, Kind};
use crate::files::Stat;
use crate::listing::EntryKind;
use crate::path::RemotePath;
use crate::session::Session;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// A file, or a link.
    File,
    /// A folder.
    Folder,
}

impl From<EntryKind> for There {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Folder => Self::Folder,
            _ => Self::File,
        }
    }
}

/// Finds out what is at a path, the same on every server: by MLST, by SIZE and CWD, or by listing the folder
/// where the server offers neither.
pub fn look(session: &mut Session, path: &RemotePath) -> Result<There, Error> {
    let machine = session.has("MLST");
    let stat = if machine {
        session.stat(path)?
    } else {
        session.size(path)?
    };
    match stat {
        Stat::Is(entry) => Ok(entry.kind.into()),
        // SIZE does not know folders.
        Stat::Missing if !machine && session.is_folder(path)? => Ok(There::Folder),
        Stat::Missing => Ok(There::Nothing),
        Stat::Unknown => listed(session, path),
    }
}

fn listed(session: &mut Session, path: &RemotePath) -> Result<There, Error> {
    let mut there = There::Nothing;
    let result = session.list(&path.parent(), |entry| {
        if entry.name == path.name() {
            there = entry.kind.into();
        }
    });
    match result {
        // Without its folder there is no file.
        Err(error) if error.kind == Kind::NotFound && !error.session_lost => Ok(There::Nothing),
        Err(error) => Err(error),
        Ok(()) => Ok(there),
    }
}

/// What a look says of an operation whose reply was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It was done.
    Done,
    /// It was not done.
    Nothing,
    /// The look does not tell.
    Unclear,
}

/// Does what a second time would not do again, such as a rename. When its reply is lost, `look` decides in a
/// new session: it was done, or it is done now, or its effect stays unknown.
pub fn surely(
    client: &mut Client,
    mut work: impl FnMut(&mut Session) -> Result<(), Error>,
    mut look: impl FnMut(&mut Session) -> Result<Became, Error>,
) -> Result<(), Error> {
    let unsure = match client.attempt(&mut work) {
        Err(error) if error.effect == Effect::Unknown && error.kind != Kind::Cancelled => error,
        done => return done,
    };
    let mut known = false;
    let settled = client.attempt(|session| {
        known = false;
        match look(session)? {
            Became::Done => Ok(()),
            Became::Nothing => {
                known = true;
                work(session)
            }
            Became::Unclear => Err(unsure.clone()),
        }
    });
    settled.map_err(|error| {
        // It was not done the first time, and the second time it was refused: that is certain.
        if known && error.effect != Effect::Unknown {
            return error;
        }
        let message = format!(
            "{} A look afterwards did not tell whether it was done.",
            unsure.message
        );
        Error { message, ..unsure }
    })
}
