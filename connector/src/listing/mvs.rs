//! MVS, now z/OS: data sets, and the members of a partitioned one, each below a header.

use super::clock::Times;
use super::dates::joined;
use super::words::{Words, time};
use super::{Entry, EntryKind, Line};

/// What the last header announced.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Table {
    #[default]
    Unknown,
    DataSets,
    Members,
}

/// Reads lines, and remembers the header above them.
#[derive(Debug, Default)]
pub struct Mvs {
    table: Table,
}

impl Mvs {
    /// Reads one line, if it is of this style.
    pub fn read(&mut self, line: &str, times: &Times) -> Option<Line> {
        let mut words = Words::new(line);
        let (first, second) = (words.next()?, words.next().unwrap_or_default());
        match (first, second) {
            ("Volume", "Unit") => self.table = Table::DataSets,
            ("Name", "VV.MM") => self.table = Table::Members,
            // Load modules.
            ("Name", "Size") if line.contains("TTR") => self.table = Table::Members,
            _ if self.table == Table::Members => return Some(member(first, words, times)),
            _ => return self.data_set(line, second, words),
        }
        Some(Line::Nothing)
    }

    /// `Volume Unit Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname`. The date is that of the last use.
    fn data_set(&self, line: &str, unit: &str, mut words: Words<'_>) -> Option<Line> {
        let third = words.next();
        let mut from_end = line
            .trim_end()
            .rsplit([' ', '\t'])
            .filter(|word| !word.is_empty());
        let (name, organisation) = (from_end.next()?, from_end.next()?);
        let referred =
            third.is_some_and(|date| date == "**NONE**" || date.contains('/') && joined(date).is_some());
        let kind = match organisation {
            "PS" | "PS-E" | "PS-L" | "PSU" | "DA" if referred => EntryKind::File,
            "PO" | "PO-E" | "POU" if referred => EntryKind::Folder,
            _ if self.table != Table::DataSets => return None,
            // Reading it brings it back; what it is shows then.
            "Migrated" => EntryKind::Link,
            "Tape" => EntryKind::File,
            // `unit` is "VSAM", "Directory" of "Pseudo Directory", or what else cannot be read as a file.
            _ if unit.is_empty() => return None,
            _ => return Some(Line::Nothing),
        };
        // With quotes a name is absolute; the others are below the prefix that we are in.
        Some(entry(name, kind, None))
    }
}

/// `Name VV.MM Created Changed Size Init Mod Id`. The sizes are in lines. Only a name is always there.
fn member(name: &str, mut words: Words<'_>, times: &Times) -> Line {
    let day = words.nth(1).and_then(joined);
    let time = words.next().and_then(time);
    let modified = time.and_then(|time| times.at(day?, Some(time), None));
    entry(name, EntryKind::File, modified)
}

fn entry(name: &str, kind: EntryKind, modified: Option<super::Modified>) -> Line {
    Line::Entry(Entry {
        name: name.to_owned(),
        kind,
        size: None,
        modified,
    })
}
