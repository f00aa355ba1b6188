//! Windows: what `dir` prints, from IIS and servers like it.

use super::clock::Times;
use super::dates::joined;
use super::words::{Time, Words, size, time};
use super::{Entry, EntryKind, Line};

/// Date, time, `<DIR>` or size, name; if it is of this style.
pub fn read(line: &str, times: &Times) -> Option<Line> {
    let mut words = Words::new(line);
    let day = joined(words.next()?)?;
    let mut time = clock_time(words.next()?)?;
    let mut word = words.next()?;
    if let Some(half) = half_of_day(word) {
        time = in_half(time, half);
        word = words.next()?;
    }
    let (kind, size) = match word {
        "<DIR>" => (EntryKind::Folder, None),
        "<JUNCTION>" | "<SYMLINK>" | "<SYMLINKD>" => (EntryKind::Link, None),
        word => (EntryKind::File, size(word)?.bytes()),
    };
    let name = match kind {
        // Right-aligned, so one blank separates the size from the name.
        EntryKind::File => words.rest().strip_prefix([' ', '\t']).unwrap_or_default(),
        // Left-aligned in a column whose width depends on the server.
        EntryKind::Folder => words.trimmed(),
        // `name [target]`.
        EntryKind::Link => match words.trimmed() {
            name if name.ends_with(']') => name.rsplit_once(" [").map_or(name, |(name, _)| name),
            name => name,
        },
    };
    Some(Line::Entry(Entry {
        name: name.to_owned(),
        kind,
        size,
        modified: times.at(day, Some(time), None),
    }))
}

#[derive(Clone, Copy)]
enum Half {
    Before,
    After,
}

/// `AM`, `PM`, or their first letters.
fn half_of_day(word: &str) -> Option<Half> {
    match word {
        "AM" | "am" | "A" | "a" => Some(Half::Before),
        "PM" | "pm" | "P" | "p" => Some(Half::After),
        _ => None,
    }
}

/// `17:03` or `05:03PM`.
fn clock_time(word: &str) -> Option<Time> {
    let letters = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
    let (number, half) = word.split_at(letters);
    let read = time(number)?;
    if half.is_empty() {
        return Some(read);
    }
    half_of_day(half).map(|half| in_half(read, half))
}

/// 12 AM is midnight, 12 PM is noon. An hour after 12 is one of 24 already.
fn in_half(time: Time, half: Half) -> Time {
    let hour = match (half, time.hour) {
        (Half::Before, 12) => 0,
        (Half::After, hour @ 0..12) => hour + 12,
        (_, hour) => hour,
    };
    Time { hour, ..time }
}
