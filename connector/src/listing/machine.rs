//! MLSD and MLST: facts made for programs (RFC 3659 section 7).

use super::clock::{Modified, Precision, timestamp};
use super::{Entry, EntryKind, Line, checked};

/// `[facts] SP name`; each fact is `name=value;`, its name in any case. The name is everything after the
/// first space, spaces included.
pub fn machine(line: &str) -> Line {
    let Some((facts, name)) = split(line) else {
        return if line.is_empty() {
            Line::Nothing
        } else {
            Line::Unreadable
        };
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
        if key.eq_ignore_ascii_case("type") {
            match kind(value) {
                Some(kind) => entry.kind = kind,
                None => return Line::Nothing,
            }
        } else if key.eq_ignore_ascii_case("size") {
            entry.size = value.parse().ok();
        } else if key.eq_ignore_ascii_case("modify") {
            entry.modified = timestamp(value).map(|ms| Modified {
                ms,
                precision: Precision::Second,
            });
        }
    }
    if entry.kind != EntryKind::File {
        entry.size = None;
    }
    checked(entry)
}

/// Facts and name. Some servers write a tab for the space. Only the target of a link may have spaces in the
/// facts, and then they end in `; `; drafts before RFC 3659 had no `;` after the last fact.
fn split(line: &str) -> Option<(&str, &str)> {
    let first = line.find([' ', '\t'])?;
    let end = if line[..first].contains("=slink:") && !line[..first].ends_with(';') {
        line.find("; ").map_or(first, |semicolon| semicolon + 1)
    } else {
        first
    };
    Some((&line[..end], &line[end + 1..]))
}

/// `None` for what is no entry: the folder itself, its parent, sockets, devices and what else there may be.
fn kind(value: &str) -> Option<EntryKind> {
    let value = value.to_ascii_lowercase();
    match value.as_str() {
        "file" => Some(EntryKind::File),
        "dir" => Some(EntryKind::Folder),
        "link" | "os.unix=symlink" | "os.unix=slink" => Some(EntryKind::Link),
        other if other.starts_with("os.unix=slink:") => Some(EntryKind::Link),
        _ => None,
    }
}
