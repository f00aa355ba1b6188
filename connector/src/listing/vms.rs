//! VMS: `NAME.TYPE;version`, and then size, date, owner and protection in an order that differs, on the same
//! line or, after a long name, on the next ones.

use super::clock::{Modified, Times};
use super::dates::joined;
use super::words::{Words, time};
use super::{Entry, EntryKind, Line};

/// How many columns are looked at. There are five at most.
const MOST_WORDS: usize = 12;

/// Reads lines, and remembers a name whose columns are still to come.
#[derive(Debug, Default)]
pub struct Vms {
    /// A name, without its version, and the size of a line that had no date yet.
    waiting: Option<(String, Option<u64>)>,
    /// A name came whose columns never did.
    lost: bool,
    /// The name before. Versions of a file follow each other, the newest first.
    last: String,
}

/// What the columns tell.
#[derive(Default)]
struct Columns {
    size: Option<u64>,
    /// A date was there.
    dated: bool,
    modified: Option<Modified>,
}

impl Vms {
    /// Reads one line, if it is of this style.
    pub fn read(&mut self, line: &str, times: &Times) -> Option<Line> {
        let mut words = Words::new(line);
        let first = words.next()?;
        let Some(name) = versioned(first).filter(|_| line.starts_with(first)) else {
            return self.go_on(line, times);
        };
        if self.waiting.take().is_some() {
            self.lost = true;
        }
        if words.trimmed().is_empty() {
            self.waiting = Some((name.to_owned(), None));
            return Some(Line::Nothing);
        }
        let columns = columns(words, times);
        if columns.dated {
            return Some(self.entry(name.to_owned(), &columns));
        }
        // A reason in the place of the columns, for example that the file is protected.
        Some(Line::Unreadable)
    }

    /// A line that goes on with the entry before it.
    fn go_on(&mut self, line: &str, times: &Times) -> Option<Line> {
        let Some((name, size)) = self.waiting.take() else {
            let ends_entry = line.starts_with(' ') && line.trim_start().starts_with(['[', '(']);
            return (ends_entry && !self.last.is_empty()).then_some(Line::Nothing);
        };
        let mut columns = columns(Words::new(line), times);
        columns.size = columns.size.or(size);
        if columns.dated {
            return Some(self.entry(name, &columns));
        }
        let goes_on = line.starts_with([' ', '\t']) && !line.trim().is_empty();
        self.waiting = Some((name, columns.size));
        goes_on.then_some(Line::Nothing)
    }

    /// Whether the columns of a name are still to come.
    pub fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether an entry was never completed. It is told once.
    pub fn lost(&mut self) -> bool {
        self.waiting.take().is_some() | std::mem::take(&mut self.lost)
    }

    fn entry(&mut self, name: String, columns: &Columns) -> Line {
        if name == self.last {
            return Line::Nothing;
        }
        self.last.clone_from(&name);
        let folder = name.len().checked_sub(4).filter(|at| name.is_char_boundary(*at));
        let folder = folder.filter(|at| name[*at..].eq_ignore_ascii_case(".DIR"));
        let (name, kind) = match folder {
            Some(at) => (name[..at].to_owned(), EntryKind::Folder),
            None => (name, EntryKind::File),
        };
        Line::Entry(Entry {
            name,
            kind,
            size: columns.size.filter(|_| kind == EntryKind::File),
            modified: columns.modified,
        })
    }
}

/// The name in `NAME.TYPE;version`.
fn versioned(word: &str) -> Option<&str> {
    let (name, version) = word.rsplit_once(';')?;
    let numbered = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && !name.is_empty()).then_some(name)
}

/// Owner and protection are passed over, and so are the sizes but one: they are in blocks of 512 bytes, used
/// or allocated, and a block need not be full. Only a file of no blocks has a size that is known.
fn columns(mut words: Words<'_>, times: &Times) -> Columns {
    let mut columns = Columns::default();
    for _ in 0..MOST_WORDS {
        let Some(word) = words.next() else { break };
        if let Some(day) = joined(word).filter(|_| !columns.dated && word.contains('-')) {
            let mut ahead = words.clone();
            let time = ahead.next().and_then(time);
            if time.is_some() {
                words = ahead;
            }
            columns.dated = true;
            columns.modified = times.at(day, time, None);
        } else if word == "0" || word.starts_with("0/") {
            columns.size = Some(0);
        }
    }
    columns
}
