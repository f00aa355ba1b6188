//! What reads words from outside, opened for the fuzz targets in `fuzz/`, and for nobody else.
//!
//! Thin on purpose: everything that they call is called here, so that a change inside shows in this file
//! alone. What must hold of the results is said over there.

use std::io::{self, Read, Write};

use crate::command::{Command, Verb};
use crate::connect::address::{extended_port, passive_address};
use crate::control::{Control, Reply};
use crate::encoding::Encoding;
use crate::error::{Error, Op};
use crate::files::facts_of;
use crate::listing::{self, Clock, Dialect, EntryKind, Line, Lines};
use crate::path::{Named, jail};
use crate::session::base;
use crate::settings::{Connection, Options};
use crate::task::{Selection, Task, check_stated};

pub use crate::control::LONGEST_REPLY;

/// What a server says of one thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether it is a file, and neither a folder nor a link.
    pub file: bool,
    /// Bytes.
    pub size: Option<u64>,
}

/// Reads a listing in one of three dialects: 0 is MLSD, 1 LIST, 2 NLST.
#[must_use]
pub fn listing(dialect: u8, text: &[u8]) -> Vec<Listed> {
    let dialect = match dialect % 3 {
        0 => Dialect::Machine,
        1 => Dialect::Long,
        _ => Dialect::Names,
    };
    let clock = Clock {
        now_ms: 1_800_000_000_000,
        zone: jiff::tz::TimeZone::UTC,
    };
    let mut lines = Lines::new(dialect, &clock);
    let mut found = Vec::new();
    let mut take = |line: Line| {
        if let Line::Entry(entry) = line {
            found.push(Listed {
                file: entry.kind == EntryKind::File,
                name: entry.name,
                size: entry.size,
            });
        }
    };
    // As `Session::list` does with what comes over a data connection.
    for line in text.split(|byte| *byte == b'\n') {
        let line = Encoding::default().decode(line);
        take(lines.read(line.trim_end_matches('\r')));
    }
    take(lines.end());
    found
}

/// A reply, and everything that any command would read in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its code.
    pub code: u16,
    /// Its text.
    pub text: String,
    /// The root folder, were it an answer to PWD.
    pub base: Option<String>,
    /// The ports, were it an answer to EPSV or to PASV.
    pub ports: [Option<u16>; 2],
    /// What it says of the file `a/b.csv`, were it an answer to MLST.
    pub facts: Option<Listed>,
    /// What a person is told, were it a refusal to read `a/b.csv`.
    pub message: String,
}

/// Reads replies until the stream ends or is not FTP.
pub fn replies(stream: impl Read) -> impl Iterator<Item = Answer> {
    let mut control = Control::new(Wire {
        stream,
        sent: Vec::new(),
    });
    std::iter::from_fn(move || control.reply().ok()).map(|reply| answer(&reply))
}

fn answer(reply: &Reply) -> Answer {
    let path = jail("a/b.csv", "").map(|named| named.path).unwrap_or_default();
    // The line that `Session::stat` takes the facts from.
    let facts = facts_of(&path, reply.text.lines().nth(1).unwrap_or_default());
    let _ = listing::timestamp(reply.text.trim());
    Answer {
        code: reply.code,
        base: base(reply),
        ports: [
            extended_port(&reply.text),
            passive_address(&reply.text).map(|(_, port)| port),
        ],
        facts: facts.map(|entry| Listed {
            file: entry.kind == EntryKind::File,
            name: entry.name,
            size: entry.size,
        }),
        message: Error::reply(Op::Read, path.as_str(), reply.code, &reply.text).message,
        text: reply.text.clone(),
    }
}

/// The bytes that a name, or any text from a server, had there.
#[must_use]
pub fn bytes(text: &str) -> Vec<u8> {
    Encoding::default().encode(text).unwrap_or_default()
}

/// What reaches the wire when a command is to be sent; nothing when it is refused.
#[must_use]
pub fn sent(command: &str) -> Vec<u8> {
    let mut control = Control::new(Wire {
        stream: io::empty(),
        sent: Vec::new(),
    });
    let _ = control.send(command);
    control.stream().sent.clone()
}

/// Why words were refused, as a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was wrong.
    pub message: String,
    /// JSON Pointer of the setting.
    pub field: Option<String>,
}

impl From<Error> for Refusal {
    fn from(Error { message, field, .. }: Error) -> Self {
        Self { message, field }
    }
}

/// The path that a text leads to, below the root.
///
/// # Errors
/// When the text is no path, or would leave the root.
pub fn path(text: &str) -> Result<String, Refusal> {
    Ok(below(&jail(text, "/options/path")?))
}

/// The path in the option `command`.
///
/// # Errors
/// When it is no command.
pub fn command(text: &str) -> Result<Option<String>, Refusal> {
    let command = Command::parse(text)?;
    Command::check_template(text)?;
    Ok(command.path.as_ref().map(below))
}

/// The folders that the connection settings name: root and default folder.
///
/// # Errors
/// When they are no settings.
pub fn connection(json: &str) -> Result<Vec<String>, Refusal> {
    let settings = Connection::parse(json)?;
    let default = settings.default_folder()?;
    Ok(settings
        .root
        .clone()
        .into_iter()
        .chain([default.as_str().to_owned()])
        .collect())
}

/// All paths that the options of `ftp-put` name, after `file` was held against their pattern, if they have one.
///
/// # Errors
/// When they are no options.
pub fn options(json: &str, file: &str) -> Result<Vec<String>, Refusal> {
    let task = Task::new(&Options::parse(json)?, &minimal()?, Verb::Put)?;
    let selected = match task.selection {
        Selection::Nothing => None,
        Selection::Static(named) => Some(below(&named)),
        Selection::Pattern(pattern) => {
            let _ = pattern.fits(file);
            Some(pattern.root.as_str().to_owned())
        }
    };
    Ok(selected
        .into_iter()
        .chain(task.target.as_ref().map(below))
        .collect())
}

/// Checks the options of `ftp-put` as a flow states them, templates and all.
///
/// # Errors
/// When they are no options, whatever their templates turn out to be.
pub fn stated(json: &str) -> Result<(), Refusal> {
    Ok(check_stated(&Options::parse(json)?, &minimal()?, Verb::Put)?)
}

fn minimal() -> Result<Connection, Error> {
    Connection::parse(r#"{"host":"h","path":"inbox"}"#)
}

fn below(named: &Named) -> String {
    named.path.as_str().to_owned()
}

/// A control connection without a network.
struct Wire<R> {
    stream: R,
    sent: Vec<u8>,
}

impl<R: Read> Read for Wire<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl<R: Read> Write for Wire<R> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.sent.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
