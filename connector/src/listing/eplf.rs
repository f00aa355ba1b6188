//! EPLF, the Easily Parsed LIST Format of anonftpd and publicfile: `+facts,TAB name`.
//! See <https://cr.yp.to/ftp/list/eplf.html>.

use super::clock::{Modified, Precision};
use super::{Entry, EntryKind, Line};

/// Reads one line, if it is of this style.
pub fn read(line: &str) -> Option<Line> {
    let (facts, name) = line.strip_prefix('+')?.split_once('\t')?;
    let mut kind = None;
    let mut size = None;
    let mut modified = None;
    for fact in facts.split(',') {
        match fact.split_at_checked(1) {
            Some(("/", "")) => kind = Some(EntryKind::Folder),
            // What can be entered and read alike is a folder: reading it gives a listing.
            Some(("r", "")) => kind = kind.or(Some(EntryKind::File)),
            Some(("s", bytes)) => size = bytes.parse().ok(),
            Some(("m", seconds)) => {
                let ms = seconds
                    .parse::<u64>()
                    .ok()
                    .and_then(|seconds| seconds.checked_mul(1000));
                modified = ms.map(|ms| Modified {
                    ms,
                    precision: Precision::Second,
                });
            }
            _ => {}
        }
    }
    // It may neither be entered nor read.
    let Some(kind) = kind else {
        return Some(Line::Nothing);
    };
    Some(Line::Entry(Entry {
        name: name.to_owned(),
        kind,
        size: size.filter(|_| kind == EntryKind::File),
        modified,
    }))
}
