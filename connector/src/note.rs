//! What a try keeps for a later one, which has to find out how far it came.
//!
//! The host flushes each note to its disk, so only what cannot be found out by looking is noted: see
//! [`earlier`](crate::earlier) for which and when.

use serde::{Deserialize, Serialize};

use flow_connector::Reader;

use crate::error::{Effect, Error, Kind};
use crate::path::RemotePath;

/// The form of the notes below. A later form gets a later number, so that neither is taken for the other.
const FORM: u32 = 1;

/// What is about to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// An upload is whole under its temporary name, and gets its own, which was free.
    Renaming {
        /// Where it is.
        temporary: RemotePath,
        /// What it will be called.
        target: RemotePath,
    },
    /// The body is written under its final name, which was free, at once.
    Writing {
        /// The final name.
        target: RemotePath,
        /// A temporary file that is removed afterwards.
        temporary: Option<RemotePath>,
    },
    /// The body is added to a file.
    Appending {
        /// The file.
        path: RemotePath,
        /// How long it was, where the server tells.
        before: Option<u64>,
    },
    /// A file gets a name with a number, which was free.
    Numbering {
        /// The file.
        from: RemotePath,
        /// The name.
        target: RemotePath,
    },
    /// What an earlier note told of did not happen, and will not.
    Nothing,
}

/// A note as the host keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<N> {
    form: u32,
    note: N,
}

impl Note {
    fn text(&self) -> Result<String, Error> {
        serde_json::to_string(&Kept {
            form: FORM,
            note: self,
        })
        .map_err(|error| Error::new(Kind::Internal, format!("A note cannot be written: {error}.")))
    }

    fn read(text: &str) -> Result<Self, Error> {
        let unknown = |why: &str| {
            let message = format!(
                "An earlier try may have done something with this payload, and its note cannot be read ({why}): look \
                 on the server whether it was done."
            );
            Error::new(Kind::Internal, message).leaving(Effect::Unknown)
        };
        let kept: Kept<serde_json::Value> =
            serde_json::from_str(text).map_err(|error| unknown(&error.to_string()))?;
        if kept.form != FORM {
            return Err(unknown("it is of another version of the connector"));
        }
        serde_json::from_value(kept.note).map_err(|error| unknown(&error.to_string()))
    }
}

/// What is known of an earlier try of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// There was none.
    Never,
    /// There may have been one that did something. What it noted, if it came so far.
    Perhaps(Option<Note>),
}

impl Earlier {
    /// What the host knows.
    pub fn of(reader: &Reader) -> Result<Self, Error> {
        Ok(match reader.earlier() {
            None => Self::Never,
            Some(earlier) => Self::Perhaps(earlier.note.as_deref().map(Note::read).transpose()?),
        })
    }

    /// Whether there may have been one.
    pub fn is_possible(&self) -> bool {
        *self != Self::Never
    }

    /// What it noted.
    pub fn note(&self) -> Option<&Note> {
        match self {
            Self::Never => None,
            Self::Perhaps(note) => note.as_ref(),
        }
    }
}

/// Keeps a note. It is on the host's disk when this returns.
pub fn keep(reader: &Reader, note: &Note) -> Result<(), Error> {
    reader.note(&note.text()?).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::jail;

    fn path(text: &str) -> RemotePath {
        jail(text, "").unwrap().path
    }

    #[test]
    fn notes_are_read_as_they_were_written() {
        for (note, text) in [
            (
                Note::Renaming {
                    temporary: path("in/.a.part"),
                    target: path("in/a \"1\".csv"),
                },
                r#"{"form":1,"note":{"renaming":{"temporary":"in/.a.part","target":"in/a \"1\".csv"}}}"#,
            ),
            (
                Note::Writing {
                    target: path("a"),
                    temporary: None,
                },
                r#"{"form":1,"note":{"writing":{"target":"a","temporary":null}}}"#,
            ),
            (
                Note::Appending {
                    path: path("a"),
                    before: Some(7),
                },
                r#"{"form":1,"note":{"appending":{"path":"a","before":7}}}"#,
            ),
            (
                Note::Numbering {
                    from: path("a"),
                    target: path("a-1"),
                },
                r#"{"form":1,"note":{"numbering":{"from":"a","target":"a-1"}}}"#,
            ),
            (Note::Nothing, r#"{"form":1,"note":"nothing"}"#),
        ] {
            assert_eq!(note.text().unwrap(), text);
            assert_eq!(Note::read(text).unwrap(), note);
        }
    }

    #[test]
    fn a_note_that_cannot_be_read_leaves_the_effect_unknown() {
        for text in [
            "",
            "{}",
            r#"{"form":2,"note":"nothing"}"#,
            r#"{"form":1,"note":"something"}"#,
            r#"{"form":1,"note":{"appending":{"path":"../a","before":7}}}"#,
        ] {
            let error = Note::read(text).unwrap_err();
            assert_eq!(error.effect, Effect::Unknown, "{text}");
            assert!(error.message.contains("note cannot be read"), "{error}");
        }
    }
}
