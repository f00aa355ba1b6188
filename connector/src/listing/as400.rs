//! AS/400, now IBM i: owner, size, date, time, type, name.

use super::clock::{Times, Ymd, century};
use super::words::{Words, digits, size, time};
use super::{Entry, EntryKind, Line};

/// Reads one line, if it is of this style. A member has neither size nor date.
pub fn read(line: &str, times: &Times) -> Option<Line> {
    let mut words = Words::new(line);
    let _owner = words.next()?;
    let second = words.next()?;
    let (size, modified, object) = if second == "*MEM" {
        (None, None, second)
    } else {
        let size = size(second)?;
        let date = words.next()?;
        let time = time(words.next()?)?;
        let day = readings(date)?
            .into_iter()
            .flatten()
            .find(|day| day.date().is_some());
        let modified = day.and_then(|day| times.at(day, Some(time), None));
        (size.bytes(), modified, words.next()?)
    };
    let kind = match object.strip_prefix('*')? {
        "SOCKET" | "CHRSF" | "BLKSF" | "FIFO" => return Some(Line::Nothing),
        "SYMLNK" => EntryKind::Link,
        "DIR" | "DDIR" | "FLR" | "LIB" => EntryKind::Folder,
        _ if line.ends_with('/') => EntryKind::Folder,
        _ => EntryKind::File,
    };
    // Members are listed with their file before them, and some files with the whole path.
    let path = words.trimmed();
    let name = path
        .strip_suffix('/')
        .unwrap_or(path)
        .rsplit('/')
        .next()
        .unwrap_or_default();
    Some(Line::Entry(Entry {
        name: name.to_owned(),
        kind,
        size: size.filter(|_| kind == EntryKind::File),
        modified,
    }))
}

/// What a date means in the orders that the server's job may be set to, which it does not tell: `02/23/00`,
/// `23/02/00`, `04/03/24`, `18.09.06`. American comes before European before year first; with full stops,
/// European comes first. The choice is the same for the same date wherever it stands, so that a file does not
/// seem changed because another one came.
fn readings(word: &str) -> Option<[Option<Ymd>; 3]> {
    let separator = word.chars().find(|c| matches!(c, '/' | '.' | '-'))?;
    let mut parts = word.split(separator);
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let number = |part: &str| digits(part, 2, 4);
    let (first, middle, last) = (number(a)?, number(b)?, number(c)?);
    let ymd = |year: &str, month, day| {
        let year = century(number(year)?, year.len())?;
        Some(Ymd { year, month, day })
    };
    let american = ymd(c, first, middle).filter(|_| separator != '.');
    Some([american, ymd(c, middle, first), ymd(a, middle, last)])
}
