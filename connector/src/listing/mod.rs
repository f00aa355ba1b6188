//! Lines of a listing, in the styles that servers give, to entries.
//!
//! MLSD is made for programs. LIST is made for people and has no standard, so each style has a file, and what
//! it reads is checked against lines from real servers (`testdata/listings.txt`). It is our own because the
//! parsers that are to be had were not enough: suppaftp's knows the plain forms of UNIX and DOS alone, reads
//! sizes into a `usize`, which has 32 bits in the component, takes a time without a year for one up to half a
//! year ahead, takes all times for UTC, refuses a line for a date that it cannot read, and cuts the blanks off
//! names, after which the file cannot be asked for.
//!
//! What is not told is left out rather than guessed, and a line is read the same whatever came before it, but
//! for headers and entries of several lines: size and time say whether a file is new.

mod as400;
mod clock;
mod dates;
mod eplf;
mod machine;
mod months;
mod mvs;
mod netware;
mod os2;
mod unix;
mod vms;
mod windows;
mod words;

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

pub use clock::{Clock, Modified, Precision, timestamp};
pub use machine::machine;

use crate::path::is_name;
use clock::Times;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A link, to either, or something that is not told. It is never followed into a folder.
    Link,
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: one segment, checked.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes, for a file, where the server tells them exactly.
    pub size: Option<u64>,
    /// When it was last changed, where the server tells. Exact from MLSD; from LIST in a zone that the server
    /// does not tell, and to the minute or day.
    pub modified: Option<Modified>,
}

/// The command that a listing answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MLSD (RFC 3659): made for programs.
    Machine,
    /// LIST: made for people, in any style.
    Long,
    /// NLST: names alone.
    Names,
}

/// What a listing turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Facts, from MLSD.
    Machine,
    /// `ls -l`, and what is like it.
    Unix,
    /// `dir`, from IIS and others.
    Windows,
    /// AS/400, now IBM i.
    As400,
    /// The Easily Parsed LIST Format.
    Eplf,
    /// OS/2.
    Os2,
    /// VMS, now `OpenVMS`.
    Vms,
    /// `NetWare`, and Hellsoft's server for it.
    Netware,
    /// MVS, now z/OS.
    Mvs,
    /// Names alone, from NLST.
    Names,
}

impl Style {
    /// How people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "MLSD",
            Self::Unix => "UNIX",
            Self::Windows => "Windows",
            Self::As400 => "AS/400",
            Self::Eplf => "EPLF",
            Self::Os2 => "OS/2",
            Self::Vms => "VMS",
            Self::Netware => "NetWare",
            Self::Mvs => "MVS",
            Self::Names => "names only",
        }
    }
}

/// The styles of LIST, those with the clearest marks and the most servers first.
const STYLES: [Style; 8] = [
    Style::Unix,
    Style::Windows,
    Style::Eplf,
    Style::Netware,
    Style::As400,
    Style::Os2,
    Style::Vms,
    Style::Mvs,
];

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// An entry.
    Entry(Entry),
    /// Nothing to know: the folder itself, its parent, a header, a total, something that is no file.
    Nothing,
    /// Not understood, or a name that must not be used.
    Unreadable,
}

/// Reads one listing, line by line. It keeps nothing but the style, and a name that a line began.
#[derive(Debug)]
pub struct Lines {
    dialect: Dialect,
    times: Times,
    style: Option<Style>,
    vms: vms::Vms,
    mvs: mvs::Mvs,
}

impl Lines {
    /// A reader for the answer to one command.
    pub fn new(dialect: Dialect, clock: &Clock) -> Self {
        Self {
            dialect,
            times: Times::new(clock),
            style: None,
            vms: vms::Vms::default(),
            mvs: mvs::Mvs::default(),
        }
    }

    /// Reads the next line, without its line break. An entry that goes over several lines comes with the
    /// last of them.
    pub fn read(&mut self, line: &str) -> Line {
        match self.dialect {
            Dialect::Machine => self.as_style(Style::Machine, machine(line)),
            Dialect::Names => self.as_style(Style::Names, name_alone(line)),
            Dialect::Long => self.long(line),
        }
    }

    /// Tells whether an entry was left incomplete. To be asked once, after the last line.
    pub fn end(&mut self) -> Line {
        if self.vms.lost() {
            Line::Unreadable
        } else {
            Line::Nothing
        }
    }

    /// What the listing is, so far; nothing before the first entry.
    pub fn style(&self) -> Option<Style> {
        self.style
    }

    /// The style of the lines before is tried first, but a listing may mix them.
    fn long(&mut self, line: &str) -> Line {
        // What an entry's second line says may look like a line of OS/2 or Windows.
        let known = if self.vms.waits() {
            Some(Style::Vms)
        } else {
            self.style
        };
        let others = STYLES.into_iter().filter(|style| Some(*style) != known);
        for style in known.into_iter().chain(others) {
            let read = match style {
                Style::Unix => unix::read(line, &self.times),
                Style::Windows => windows::read(line, &self.times),
                Style::Eplf => eplf::read(line),
                Style::Netware => netware::read(line, &self.times),
                Style::As400 => as400::read(line, &self.times),
                Style::Os2 => os2::read(line, &self.times),
                Style::Vms => self.vms.read(line, &self.times),
                Style::Mvs => self.mvs.read(line, &self.times),
                Style::Machine | Style::Names => None,
            };
            match read {
                Some(Line::Entry(entry)) => return self.as_style(style, checked(entry)),
                Some(other) => return other,
                None => {}
            }
        }
        if is_about_the_listing(line) {
            Line::Nothing
        } else {
            Line::Unreadable
        }
    }

    fn as_style(&mut self, style: Style, line: Line) -> Line {
        if matches!(line, Line::Entry(_)) {
            self.style = Some(style);
        }
        line
    }
}

/// Refuses names that could leave the folder or end a command.
fn checked(entry: Entry) -> Line {
    match entry.name.as_str() {
        "." | ".." => Line::Nothing,
        name if is_name(name) => Line::Entry(entry),
        _ => Line::Unreadable,
    }
}

/// A line of NLST. Some servers put the folder before the name, and some mark folders with a slash. A name
/// alone may be a folder's; reading it tells.
fn name_alone(line: &str) -> Line {
    if line.is_empty() {
        return Line::Nothing;
    }
    let drive = matches!(line.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    let separators: &[char] = if drive { &['/', '\\'] } else { &['/'] };
    let (path, kind) = match line.strip_suffix(separators) {
        Some(folder) => (folder, EntryKind::Folder),
        None => (line, EntryKind::Link),
    };
    checked(Entry {
        name: path.rsplit(separators).next().unwrap_or(path).to_owned(),
        kind,
        size: None,
        modified: None,
    })
}

/// Blank lines, headers and totals.
fn is_about_the_listing(line: &str) -> bool {
    let line = line.trim();
    let mut words = words::Words::new(line);
    let (Some(first), second) = (words.next(), words.next()) else {
        return true;
    };
    // `total 12` in any language.
    let total = first.chars().all(|c| !c.is_ascii() || c.is_ascii_alphabetic())
        && second.is_some_and(|number| words::size(number).is_some())
        && words.next().is_none();
    // VMS: `Directory DISK$ANONFTP:[ANONYMOUS]`, and `Total of 3 files, 10/20 blocks`.
    let directory = first == "Directory" || line.ends_with(']') && line.contains(":[") && second.is_none();
    let summary = matches!(first, "Total" | "Grand") && second.is_some();
    total || directory || summary
}
