//! OS/2: size, attributes, `DIR` for a folder, date, time, name.

use super::clock::Times;
use super::dates::joined;
use super::words::{Words, size, time};
use super::{Entry, EntryKind, Line};

/// Reads one line, if it is of this style.
pub fn read(line: &str, times: &Times) -> Option<Line> {
    let mut words = Words::new(line);
    let size = size(words.next()?)?;
    let mut kind = EntryKind::File;
    let mut word = words.next()?;
    if word.bytes().all(|byte| b"RHSA".contains(&byte)) {
        word = words.next()?;
    }
    if word == "DIR" {
        kind = EntryKind::Folder;
        word = words.next()?;
        // The attributes of a folder may also follow.
        if word.bytes().all(|byte| b"RHSA".contains(&byte)) {
            word = words.next()?;
        }
    }
    let day = joined(word)?;
    let time = time(words.next()?)?;
    Some(Line::Entry(Entry {
        name: words.trimmed().to_owned(),
        kind,
        size: size.bytes().filter(|_| kind == EntryKind::File),
        modified: times.at(day, Some(time), None),
    }))
}
