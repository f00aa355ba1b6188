//! `NetWare`: `d [R----F--] supervisor  512  Jan 16 18:53  login`, and Hellsoft's FTP server for it, which
//! writes `-[R----F-]  1 raj  857 Feb 23  2000 !info!`.

use super::clock::Times;
use super::unix::columns;
use super::words::Words;
use super::{Entry, EntryKind, Line};

/// The trustee rights: supervisor, read, write, create, erase, access control, file scan, modify.
const RIGHTS: &[u8] = b"-SRWCEAFM";

/// Reads one line, if it is of this style.
pub fn read(line: &str, times: &Times) -> Option<Line> {
    let (kind, rest) = line.split_at_checked(1)?;
    let kind = match kind {
        "d" => EntryKind::Folder,
        "-" => EntryKind::File,
        _ => return None,
    };
    let (rights, rest) = rest.trim_start_matches(' ').strip_prefix('[')?.split_once(']')?;
    if !rights.bytes().all(|byte| RIGHTS.contains(&byte)) {
        return None;
    }
    let columns = columns(&Words::new(rest), times)?;
    Some(Line::Entry(Entry {
        // How many blanks separate the name depends on the version.
        name: Words::new(columns.rest).trimmed().to_owned(),
        kind,
        size: columns.size.bytes().filter(|_| kind == EntryKind::File),
        modified: columns.modified,
    }))
}
