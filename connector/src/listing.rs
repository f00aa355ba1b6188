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
    /// Milliseconds since 1970, where the server tells. Exact and UTC from MLSD; from LIST in the server's
    /// own time zone, which it does not tell, and to the minute or day.
    pub modified_ms: Option<u64>,
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
                modified_ms: None,
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
        name if is_name(name) && !name.contains(char::REPLACEMENT_CHARACTER) => Line::Entry(entry),
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
        modified_ms: None,
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
            "modify" => entry.modified_ms = timestamp(value),
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
        modified_ms: modified.and_then(|since| u64::try_from(since.as_millis()).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(dialect: Dialect, line: &str) -> Entry {
        match parse(dialect, line) {
            Line::Entry(entry) => entry,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn machine_lines() {
        let file = entry(
            Dialect::Machine,
            "Type=file;Size=6000000000;Modify=20240229123456.789;UNIX.mode=0644; a; b [1].csv ",
        );
        assert_eq!(file.name, "a; b [1].csv ");
        assert_eq!(file.size, Some(6_000_000_000));
        assert_eq!(file.modified_ms, Some(1_709_210_096_789));
        let folder = entry(Dialect::Machine, "type=dir;size=4096;modify=20240229123456; sub");
        assert_eq!((folder.kind, folder.size), (EntryKind::Folder, None));
        assert_eq!(
            entry(Dialect::Machine, "type=OS.unix=symlink; x").kind,
            EntryKind::Link
        );
        assert_eq!(
            entry(Dialect::Machine, "type=OS.unix=slink:/etc; x").kind,
            EntryKind::Link
        );
        assert_eq!(entry(Dialect::Machine, " -rf").name, "-rf");
        assert_eq!(parse(Dialect::Machine, "type=cdir; ."), Line::Nothing);
        assert_eq!(parse(Dialect::Machine, "type=pdir; .."), Line::Nothing);
        assert_eq!(parse(Dialect::Machine, "nonsense"), Line::Unreadable);
    }

    #[test]
    fn long_lines() {
        let file = entry(
            Dialect::Long,
            "-rw-r--r--    1 1000     1000         1234 Nov  5  2018 a  b [1].csv",
        );
        assert_eq!((file.name.as_str(), file.size), ("a  b [1].csv", Some(1234)));
        assert_eq!(file.modified_ms, Some(1_541_376_000_000));
        let large = entry(Dialect::Long, "-rw-r--r--+ 1 u g 6000000000 Nov 5 2018 large.bin");
        assert_eq!(
            (large.name.as_str(), large.size),
            ("large.bin", Some(6_000_000_000))
        );
        let folder = entry(Dialect::Long, "drwxr-xr-x   2 ftp ftp  4096 Jan 01 12:30 sub");
        assert_eq!((folder.kind, folder.size), (EntryKind::Folder, None));
        let link = entry(Dialect::Long, "lrwxrwxrwx 1 u g 7 Nov 5 2018 now -> today");
        assert_eq!((link.name.as_str(), link.kind), ("now", EntryKind::Link));
        let dos = entry(Dialect::Long, "04-08-14  03:09PM       403 read me.txt");
        assert_eq!((dos.name.as_str(), dos.size), ("read me.txt", Some(403)));
        let dos = entry(Dialect::Long, "10-19-20  03:19PM       <DIR>          pub");
        assert_eq!(dos.kind, EntryKind::Folder);
        assert_eq!(parse(Dialect::Long, "total 12"), Line::Nothing);
        assert_eq!(
            parse(Dialect::Long, "drwxr-xr-x 2 u g 4096 Nov 5 2018 .."),
            Line::Nothing
        );
        assert_eq!(parse(Dialect::Long, "?????????"), Line::Unreadable);
    }

    #[test]
    fn hostile_names_are_left_out() {
        for line in [
            "type=file;size=1; ../../etc/passwd",
            "type=file;size=1; a/b",
            "type=file;size=1; a\rDELE b",
            "type=file;size=1; a\0b",
            "type=file;size=1; a\u{fffd}b",
            "type=file;size=1; ",
        ] {
            assert_eq!(parse(Dialect::Machine, line), Line::Unreadable, "{line:?}");
        }
        assert_eq!(
            parse(Dialect::Long, "-rw-r--r-- 1 u g 1 Nov 5 2018 ../x"),
            Line::Unreadable
        );
        assert_eq!(entry(Dialect::Names, "folder/a.csv").name, "a.csv");
        assert_eq!(parse(Dialect::Names, "folder/.."), Line::Nothing);
    }

    #[test]
    fn timestamps() {
        assert_eq!(timestamp("19700101000000"), Some(0));
        assert_eq!(timestamp("20240229123456"), Some(1_709_210_096_000));
        assert_eq!(timestamp("20240229123456.5"), Some(1_709_210_096_500));
        for wrong in [
            "",
            "2024",
            "20240230123456",
            "2024-02-29 12:34",
            "20240229123456.x",
        ] {
            assert_eq!(timestamp(wrong), None, "{wrong:?}");
        }
    }
}
