//! Lines of a listing, in the three forms that servers give, to entries.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;
use std::sync::LazyLock;
use std::time::SystemTime;
use suppaftp::list::{File, ListParser};

use crate::path::is_name;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A link, to either. It is never followed into a folder.
    Link,
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: one segment, checked.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes, for a file, where the server tells.
    pub size: Option<u64>,
    /// When it was last modified, where the server tells.
    pub modified: Option<Modified>,
}

/// How exact a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// To the day.
    Day,
    /// To the minute.
    Minute,
    /// To the second or better.
    Second,
}

/// When something was last modified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modified {
    /// Milliseconds since 1970-01-01T00:00:00Z, the start of what it may be.
    pub ms: u64,
    /// How exact it is.
    pub precision: Precision,
}

/// What the reading of a LIST listing depends on.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// The zone of the listing's times.
    pub zone: TimeZone,
}

/// What a listing turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// MLSD.
    Machine,
    /// UNIX.
    Unix,
}

impl Style {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "MLSD",
            Self::Unix => "UNIX",
        }
    }
}

/// Reads the lines of one listing.
#[derive(Debug)]
pub struct Lines {
    dialect: Dialect,
}

impl Lines {
    /// A reader for the answer to the dialect's command.
    pub fn new(dialect: Dialect, _: &Clock) -> Self {
        Self { dialect }
    }

    /// Reads one line.
    pub fn read(&mut self, line: &str) -> Line {
        parse(self.dialect, line)
    }

    /// The end of the listing.
    pub fn end(&mut self) -> Line {
        Line::Nothing
    }

    /// What the listing turned out to be.
    pub fn style(&self) -> Option<Style> {
        Some(Style::Unix)
    }
}

/// The form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MLSD (RFC 3659): made for programs.
    Machine,
    /// LIST: made for people, UNIX or DOS style.
    Long,
    /// NLST: names alone.
    Names,
}

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// An entry.
    Entry(Entry),
    /// Nothing to know: the folder itself, its parent, a total.
    Nothing,
    /// Not understood, or a name that must not be used.
    Unreadable,
}

/// Reads one line, without its line break.
pub fn parse(dialect: Dialect, line: &str) -> Line {
    let entry = match dialect {
        Dialect::Machine => return machine(line),
        Dialect::Long => {
            if line.is_empty() || line.starts_with("total ") {
                return Line::Nothing;
            }
            long(line)
        }
        Dialect::Names => {
            // Some servers put the folder before the name.
            let name = line.rsplit('/').next().unwrap_or(line);
            (!name.is_empty()).then(|| Entry {
                name: name.to_owned(),
                // A name alone may be a folder's; reading it tells.
                kind: EntryKind::Link,
                size: None,
                modified: None,
            })
        }
    };
    match entry {
        Some(entry) => checked(entry),
        None => Line::Unreadable,
    }
}

/// Refuses names that could leave the folder or end a command, and names that are not in the encoding:
/// what was lost in decoding cannot be asked for again.
fn checked(entry: Entry) -> Line {
    match entry.name.as_str() {
        "." | ".." => Line::Nothing,
        name if is_name(name) => Line::Entry(entry),
        _ => Line::Unreadable,
    }
}

/// `[facts] SP name`; each fact is `name=value;`, its name in any case. The name is everything after the
/// first space, spaces included.
pub fn machine(line: &str) -> Line {
    let Some((facts, name)) = line.split_once(' ') else {
        return Line::Unreadable;
    };
    let mut entry = Entry {
        name: name.to_owned(),
        kind: EntryKind::File,
        size: None,
        modified: None,
    };
    for pair in facts.split(';') {
        let Some((key, value)) = pair.split_once('=') else {
            continue;
        };
        match key.to_ascii_lowercase().as_str() {
            "type" => {
                let word = value.to_ascii_lowercase();
                entry.kind = match word.as_str() {
                    "file" => EntryKind::File,
                    "dir" => EntryKind::Folder,
                    "cdir" | "pdir" => return Line::Nothing,
                    other if other == "link" || other.starts_with("os.unix=s") => EntryKind::Link,
                    // Sockets, devices and what else there may be: nothing to transfer.
                    _ => return Line::Nothing,
                };
            }
            "size" => entry.size = value.parse().ok(),
            "modify" => {
                entry.modified = timestamp(value).map(|ms| Modified {
                    ms,
                    precision: Precision::Second,
                })
            }
            _ => {}
        }
    }
    if entry.kind != EntryKind::File {
        entry.size = None;
    }
    checked(entry)
}

/// `YYYYMMDDHHMMSS[.fraction]`, UTC, as in MLSD facts and MDTM replies (RFC 3659 section 2.3).
pub fn timestamp(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() != 14 || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", whole).ok()?;
    let seconds = time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let millis: u64 = digits.parse().ok()?;
    u64::try_from(seconds).ok().map(|seconds| seconds * 1000 + millis)
}

/// A UNIX line cut up: type and rights, an ACL mark that the parser does not know, everything up to the
/// size, the size, and the rest.
static UNIX: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([-ld][-rwxsStTlL]{9})[+.@]?(\s+\d+\s+\S+\s+\S+\s+)(\d+)(\s+.+)$").ok());

fn long(line: &str) -> Option<Entry> {
    // The size is taken out first: the parser reads it into a `usize`, which has 32 bits in the component.
    if let Some(parts) = UNIX.as_ref().and_then(|unix| unix.captures(line)) {
        let size = parts[3].parse().ok()?;
        let without = format!("{}{}0{}", &parts[1], &parts[2], &parts[4]);
        return ListParser::parse_posix(&without)
            .ok()
            .map(|file| entry(&file, size));
    }
    let file = ListParser::parse_dos(line).ok()?;
    let size = u64::try_from(file.size()).ok()?;
    Some(entry(&file, size))
}

fn entry(file: &File, size: u64) -> Entry {
    let kind = match (file.is_directory(), file.is_symlink()) {
        (true, _) => EntryKind::Folder,
        (_, true) => EntryKind::Link,
        _ => EntryKind::File,
    };
    let modified = file.modified().duration_since(SystemTime::UNIX_EPOCH).ok();
    Entry {
        name: file.name().to_owned(),
        kind,
        size: (kind == EntryKind::File).then_some(size),
        modified: modified
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .map(|ms| Modified {
                ms,
                precision: Precision::Minute,
            }),
    }
}
