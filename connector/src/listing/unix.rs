//! UNIX: what `ls -l` prints, and what many servers print in its likeness.
//!
//! Owners and groups may be missing, be numbers, or have blanks in them, so nothing is read by counting
//! columns: the first number that is followed by a date is the size, and the rest of the line is the name.

use super::clock::{Modified, Times};
use super::dates::{self, Dated};
use super::months::month;
use super::words::{Size, Words, size};
use super::{Entry, EntryKind, Line};

/// How many words are looked at before the date. Groups with many blanks exist; so do endless lines.
const MOST_WORDS: usize = 24;

/// Type, and rights of user, group and others.
const MODE: usize = 10;

/// Reads one line, if it is of this style.
pub fn read(line: &str, times: &Times) -> Option<Line> {
    let mode = line.as_bytes().first_chunk::<MODE>()?;
    let [kind, rights @ ..] = mode;
    // Servers that are not UNIX put letters of their own in the place of the rights.
    if !rights
        .iter()
        .all(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
    {
        return None;
    }
    let kind = match kind {
        b'-' | b'f' => EntryKind::File,
        b'd' => EntryKind::Folder,
        b'l' => EntryKind::Link,
        // Devices, pipes, sockets, doors: nothing to transfer.
        b'b' | b'c' | b'p' | b's' | b'D' if rights.iter().copied().all(is_right) => {
            return Some(Line::Nothing);
        }
        _ => return None,
    };
    // An ACL's mark, or an attribute's, may run into the number of links.
    let rest = &line[MODE..];
    let words = Words::new(rest.strip_prefix(['+', '.', '@']).unwrap_or(rest));
    let columns = columns(&words, times).or_else(|| {
        let exact = rights.iter().copied().all(is_right);
        exact.then(|| undated(words)).flatten()
    })?;
    let name = columns.rest.strip_prefix([' ', '\t']).unwrap_or_default();
    Some(Line::Entry(entry(kind, name, &columns)))
}

fn is_right(byte: u8) -> bool {
    b"-rwxsStTlLhH".contains(&byte)
}

fn entry(kind: EntryKind, name: &str, columns: &Columns) -> Entry {
    let name = match kind {
        EntryKind::Link => name.split_once(" -> ").map_or(name, |(name, _)| name),
        // As `ls -p` marks them.
        EntryKind::Folder => name.strip_suffix('/').unwrap_or(name),
        EntryKind::File => name,
    };
    Entry {
        // Relative to the folder that is listed, as all are. Any other path leads elsewhere and is refused.
        name: name.strip_prefix("./").unwrap_or(name).to_owned(),
        kind,
        size: columns.size.bytes().filter(|_| kind == EntryKind::File),
        modified: columns.modified,
    }
}

/// What stands before the name.
pub struct Columns<'a> {
    /// The size as it was given.
    pub size: Size,
    /// The time.
    pub modified: Option<Modified>,
    /// The name, with the blanks before it.
    pub rest: &'a str,
}

/// Finds size and date.
pub fn columns<'a>(words: &Words<'a>, times: &Times) -> Option<Columns<'a>> {
    find(words, |rest| dates::read(rest, times)).or_else(|| find(words, dates::pass))
}

fn find<'a>(words: &Words<'a>, date: impl Fn(&Words<'a>) -> Option<Dated<'a>>) -> Option<Columns<'a>> {
    let mut words = words.clone();
    for _ in 0..MOST_WORDS {
        let word = words.next()?;
        let Some(size) = size(word).or_else(|| overrun(word)) else {
            continue;
        };
        if let Some(Dated { modified, rest }) = date(&words) {
            return Some(Columns { size, modified, rest });
        }
    }
    None
}

/// A group that was too long for its column runs into the size. Where the one ends is not to be seen.
fn overrun(word: &str) -> Option<Size> {
    word.ends_with(|c: char| c.is_ascii_digit())
        .then_some(Size::Inexact)
}

/// A line without a date: links, owner, group, size, name.
fn undated(mut words: Words<'_>) -> Option<Columns<'_>> {
    let links = words.next().and_then(size);
    let (_owner, _group) = (words.next()?, words.next()?);
    let (Some(_), Some(size)) = (links, words.next().and_then(size)) else {
        return None;
    };
    // A date that we cannot read must not become part of a name.
    let rest = words.rest();
    let dated = words.next().is_some_and(|word| month(word).is_some());
    (!dated).then_some(Columns {
        size,
        modified: None,
        rest,
    })
}
