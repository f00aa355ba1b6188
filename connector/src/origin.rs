//! What has become of a file that an earlier try may have renamed or deleted: the host was killed, or nobody knows.
//!
//! | what is there now | delete | rename |
//! |---|---|---|
//! | the file | it is deleted | it is renamed |
//! | nothing under its name; the target is there | done | done, if the target is as long as the file was |
//! | nothing under its name, and no target | done | fails with an unknown effect |
//! | another file under its name, come since | done: that one stays | as if nothing was there |
//!
//! With `if_exists: rename` the number that a file gets is noted before. A pattern needs none of this: it fits what is
//! there.

use flow_connector::Metadata;

use crate::client::Client;
use crate::error::{Effect, Error, Kind};
use crate::files::Stat;
use crate::look::{There, look};
use crate::note::{Earlier, Note};
use crate::path::{Named, RemotePath, jail};
use crate::session::Session;
use crate::task::{Selection, Task};
use crate::transport::Level;
use crate::version::Known;

/// The one file that a command is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Where it was.
    pub path: RemotePath,
    /// It may be a folder.
    may_be_folder: bool,
    /// What is known of it, where it is the one that the payload was made of.
    known: Option<Known>,
}

impl Subject {
    /// The file that the options name, else the one that the payload came from. None for a pattern.
    pub fn of(task: &Task, metadata: &Metadata) -> Result<Option<Self>, Error> {
        Ok(match &task.selection {
            Selection::Pattern(_) => None,
            Selection::Static(named) => Some(Self {
                path: named.path.clone(),
                may_be_folder: true,
                known: None,
            }),
            Selection::Nothing => {
                let path = origin(metadata)?;
                let made_of_it = metadata.id == path.as_str();
                let version = metadata.version.as_deref().filter(|_| made_of_it);
                Some(Self {
                    path,
                    may_be_folder: false,
                    known: version.and_then(Known::read),
                })
            }
        })
    }

    /// Whether it is still there.
    fn is_there(&self, session: &mut Session) -> Result<bool, Error> {
        match look(session, &self.path)? {
            There::Nothing => return Ok(false),
            There::Folder => return Ok(true),
            There::File => {}
        }
        let Some(known) = &self.known else {
            return Ok(true);
        };
        let same = match session.stat(&self.path)? {
            Stat::Is(entry) => known.may_be(&entry),
            Stat::Missing | Stat::Unknown => true,
        };
        if !same {
            let message = format!(
                "Another `{}` has come since an earlier try, and stays where it is.",
                self.path
            );
            (session.host.log)(Level::Warn, &message);
        }
        Ok(same)
    }

    /// Whether the earlier try has deleted it.
    pub fn was_deleted(&self, client: &mut Client) -> Result<bool, Error> {
        let there = client.attempt(|session| self.is_there(session));
        there.map(|there| !there).map_err(unknown)
    }

    /// Where the earlier try has put it, if it did. `to` is the name that the options give.
    pub fn was_renamed(
        &self,
        client: &mut Client,
        earlier: &Earlier,
        to: &RemotePath,
    ) -> Result<Option<RemotePath>, Error> {
        let to = match earlier.note() {
            Some(Note::Numbering { from, target }) if *from == self.path => target,
            _ => to,
        };
        if *to == self.path {
            return Ok(None);
        }
        let result = client.attempt(|session| {
            if self.is_there(session)? {
                return Ok(None);
            }
            let arrived = match look(session, to)? {
                There::Nothing => false,
                There::Folder => self.may_be_folder,
                There::File => self.may_be_at(session, to)?,
            };
            if arrived {
                return Ok(Some(to.clone()));
            }
            let message = format!(
                "An earlier try may have renamed `{}` to `{to}`: the file is not there any more, and what is at the \
                 target does not tell; look whether it was renamed.",
                self.path
            );
            Err(Error::new(Kind::NotFound, message))
        });
        result.map_err(unknown)
    }

    /// By the length: a rename keeps it, and the time on most servers alone.
    fn may_be_at(&self, session: &mut Session, to: &RemotePath) -> Result<bool, Error> {
        let Some(size) = self.known.and_then(|known| known.size) else {
            return Ok(true);
        };
        Ok(match session.size(to)? {
            Stat::Is(entry) => entry.size.is_none_or(|now| now == size),
            Stat::Missing | Stat::Unknown => true,
        })
    }
}

/// As long as nothing was found out, the earlier try may have done it.
fn unknown(error: Error) -> Error {
    error.leaving(Effect::Unknown)
}

/// The file that the payload came from.
pub fn origin(metadata: &Metadata) -> Result<RemotePath, Error> {
    let path = metadata
        .attribute(Metadata::ORIGINAL_PATH)
        .map(|path| jail(path, "/options/path"))
        .transpose()?;
    match path {
        Some(Named { path, .. }) if !path.is_root() => Ok(path),
        _ => Err(Error::setting(
            "/options/path",
            "Nothing says which file: the payload has no `original_path`, so name the file in `path`.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Verb;
    use crate::settings::{Connection, Options};

    fn subject(options: &str, id: &str, version: Option<&str>) -> Option<Subject> {
        let connection = Connection::parse(r#"{"host":"h"}"#).unwrap();
        let task = Task::new(&Options::parse(options).unwrap(), &connection, Verb::Put).unwrap();
        let metadata = Metadata {
            id: id.to_owned(),
            version: version.map(str::to_owned),
            name: None,
            content_type: None,
            size: Some(99),
            modified_ms: None,
            attributes: vec![(Metadata::ORIGINAL_PATH.to_owned(), "out/a.csv".to_owned())],
        };
        Subject::of(&task, &metadata).unwrap()
    }

    #[test]
    fn what_is_known_of_the_file() {
        let size = |subject: &Subject| subject.known.and_then(|known| known.size);
        // The size of the payload is not that of the file, when a step has changed its body.
        let original = subject(r#"{"command":"delete"}"#, "out/a.csv", Some("5-1000")).unwrap();
        assert_eq!((original.path.as_str(), size(&original)), ("out/a.csv", Some(5)));
        for (options, id, version) in [
            (r#"{"command":"delete"}"#, "out/a.csv", None),
            (r#"{"command":"delete"}"#, "another", Some("5-1000")),
            (r#"{"command":"delete out/a.csv"}"#, "out/a.csv", Some("5-1000")),
        ] {
            let other = subject(options, id, version).unwrap();
            assert_eq!((other.path.as_str(), size(&other)), ("out/a.csv", None));
        }
        let pattern = r#"{"command":"delete","root":"out","path":".*"}"#;
        assert!(subject(pattern, "out/a.csv", Some("5-1000")).is_none());
    }
}
