//! Which files an endpoint's options mean: the walk over the folders, the filters, the order.
//!
//! A folder may have more entries than the memory holds, and the control connection is busy while a listing
//! runs. So a walk keeps the first [`WINDOW`] files of the wanted order; when they are dealt with, the next walk
//! keeps the first ones after them. Most folders need one walk, a folder of a million files forty.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use crate::client::Client;
use crate::error::{Error, Kind, Op};
use crate::files::Stat;
use crate::listing::{Entry, EntryKind, Modified, Precision};
use crate::path::{Named, RemotePath};
use crate::pattern::{Matcher, Template};
use crate::session::Session;
use crate::settings::{Options, Sort};
use crate::task::{Selection, Task};
use crate::transport::{Level, pause};

/// How deep a walk goes. Deeper than any tree that people make, and a stop for one without an end.
pub const DEEPEST: u8 = 32;
/// How many files are kept of one walk: some 4 MiB.
const WINDOW: usize = 25_000;
/// How many folders may wait to be looked into.
const MOST_FOLDERS: usize = 100_000;

/// A file or folder that was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: RemotePath,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes, for a file, where the server tells.
    pub size: Option<u64>,
    /// When it was last modified, where the server tells.
    pub modified: Option<Modified>,
}

impl Found {
    /// What is known of a path.
    pub fn new(path: RemotePath, entry: &Entry) -> Self {
        Self {
            path,
            kind: entry.kind,
            size: entry.size,
            modified: entry.modified,
        }
    }

    /// Whether it looks as it did before.
    fn is_like(&self, other: &Self) -> bool {
        self.size == other.size && self.modified == other.modified
    }
}

/// A pattern over the files below a folder.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The folder.
    pub root: RemotePath,
    matcher: Option<Matcher>,
    /// The matcher is for the whole path below the folder, not for the name.
    whole: bool,
    /// The folders below are walked.
    pub deep: bool,
}

impl Pattern {
    /// All that fits, by its whole path below `root` or by its name alone.
    pub fn new(root: RemotePath, matcher: Matcher, whole: bool, deep: bool) -> Self {
        Self {
            root,
            matcher: Some(matcher),
            whole,
            deep,
        }
    }

    /// All that there is.
    pub fn all(root: RemotePath, deep: bool) -> Self {
        Self {
            root,
            matcher: None,
            whole: false,
            deep,
        }
    }

    /// Whether a path below the folder fits.
    pub fn fits(&self, below: &RemotePath) -> bool {
        self.fits_text(below.as_str())
    }

    fn fits_text(&self, below: &str) -> bool {
        let text = if self.whole {
            below
        } else {
            below.rsplit('/').next().unwrap_or(below)
        };
        self.matcher.as_ref().is_none_or(|matcher| matcher.fits(text))
    }
}

/// What a filter says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fits,
    Not,
    /// The listing does not tell what the filter asks for.
    Unknown,
}

/// Which of the files that a pattern fits, and in which order.
#[derive(Debug, Clone)]
pub struct Filter {
    max_depth: usize,
    min_age: Option<Duration>,
    max_age: Option<Duration>,
    min_size: Option<u64>,
    max_size: Option<u64>,
    sort: Sort,
    stable_for: Option<Duration>,
    /// The companion that says that a file is complete.
    pub done_file: Option<Template>,
}

impl Filter {
    /// Reads and checks the options.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let filter = Self {
            max_depth: options.max_depth.unwrap_or(DEEPEST).into(),
            min_age: options.min_age.map(|age| age.0),
            max_age: options.max_age.map(|age| age.0),
            min_size: options.min_size.map(|size| size.0),
            max_size: options.max_size.map(|size| size.0),
            sort: options.sort.unwrap_or_default(),
            stable_for: options.stable_for.map(|span| span.0),
            done_file: match &options.done_file {
                Some(text) => Some(done_file(text)?),
                None => None,
            },
        };
        if !(1..=usize::from(DEEPEST)).contains(&filter.max_depth) {
            let message = format!("`max_depth` must be from 1 to {DEEPEST}.");
            return Err(Error::setting("/options/max_depth", message));
        }
        if options.max_files == Some(0) {
            return Err(Error::setting(
                "/options/max_files",
                "`max_files` must be 1 or more.",
            ));
        }
        for (crossed, name) in [
            (crossed(filter.min_age, filter.max_age), "age"),
            (crossed(filter.min_size, filter.max_size), "size"),
        ] {
            if crossed {
                let message = format!("`max_{name}` is below `min_{name}`: no file fits both.");
                return Err(Error::setting(format!("/options/max_{name}"), message));
            }
        }
        Ok(filter)
    }

    fn judge(&self, found: &Found, now: Duration) -> Verdict {
        if found.kind == EntryKind::Folder {
            return Verdict::Fits;
        }
        let sizes = match (self.min_size, self.max_size, found.size) {
            (None, None, _) => Verdict::Fits,
            (_, _, None) => Verdict::Unknown,
            (min, max, Some(size)) => verdict(min, max, size),
        };
        let ages = match (self.min_age, self.max_age, found.modified) {
            (None, None, _) => Verdict::Fits,
            (_, _, None) => Verdict::Unknown,
            (min, max, Some(modified)) => verdict(min, max, now.saturating_sub(latest(modified))),
        };
        match (sizes, ages) {
            (Verdict::Not, _) | (_, Verdict::Not) => Verdict::Not,
            (Verdict::Fits, Verdict::Fits) => Verdict::Fits,
            _ => Verdict::Unknown,
        }
    }

    /// The wanted order. Paths are different, so no two files are equal.
    fn order(&self, a: &Found, b: &Found) -> Ordering {
        let time = |found: &Found| found.modified.map(|modified| modified.ms);
        let by = match self.sort {
            Sort::Name => Ordering::Equal,
            Sort::NameDesc => return b.path.cmp(&a.path),
            Sort::Time => time(a).cmp(&time(b)),
            Sort::TimeDesc => time(b).cmp(&time(a)),
            Sort::Size => a.size.cmp(&b.size),
            Sort::SizeDesc => b.size.cmp(&a.size),
        };
        by.then_with(|| a.path.cmp(&b.path))
    }

    /// Whether every file passes.
    pub fn is_open(&self) -> bool {
        let ages = self.min_age.is_none() && self.max_age.is_none();
        let sizes = self.min_size.is_none() && self.max_size.is_none();
        ages && sizes && !self.confirms()
    }

    /// Whether some files have to be looked at twice.
    fn confirms(&self) -> bool {
        self.stable_for.is_some() || self.done_file.is_some()
    }
}

fn done_file(text: &str) -> Result<Template, Error> {
    const FIELD: &str = "/options/done_file";
    let template = Template::parse_name(text, FIELD)?;
    if template.fill("a.b", "") == "a.b" {
        return Err(Error::setting(
            FIELD,
            "The done file needs a name of its own, such as `{name}.ok`.",
        ));
    }
    Ok(template)
}

fn crossed<T: PartialOrd>(min: Option<T>, max: Option<T>) -> bool {
    matches!((min, max), (Some(min), Some(max)) if max < min)
}

fn verdict<T: PartialOrd + Copy>(min: Option<T>, max: Option<T>, value: T) -> Verdict {
    let fits = min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max);
    if fits { Verdict::Fits } else { Verdict::Not }
}

/// The latest time that a time with limited precision may mean: `12:30` may be a second before `12:31`.
fn latest(modified: Modified) -> Duration {
    let slack = match modified.precision {
        Precision::Second => 0,
        Precision::Minute => 59_999,
        Precision::Day => 86_399_999,
    };
    Duration::from_millis(modified.ms.saturating_add(slack))
}

/// The files that a task selects, one after another.
#[derive(Debug)]
pub struct Queue<'a> {
    source: Source,
    filter: &'a Filter,
    /// Folders are entries, too.
    folders_too: bool,
    now: Duration,
    ready: VecDeque<Found>,
    /// The last file of the walk before.
    after: Option<Found>,
    more: bool,
    /// Files that fit and were left where they are: not stable, not complete, no file.
    pub left: u64,
}

#[derive(Debug)]
enum Source {
    /// One path, which may turn out to be a folder.
    Path(RemotePath),
    Walk(Pattern),
}

impl<'a> Queue<'a> {
    /// What the task selects; `default` is the folder for a task that names none.
    pub fn new(task: &'a Task, default: &RemotePath, folders_too: bool) -> Self {
        let source = match &task.selection {
            Selection::Nothing => Source::Walk(Pattern::all(default.clone(), false)),
            Selection::Pattern(pattern) => Source::Walk(pattern.clone()),
            Selection::Static(Named { path, folder: true }) => {
                Source::Walk(Pattern::all(path.clone(), false))
            }
            Selection::Static(Named { path, folder: false }) => Source::Path(path.clone()),
        };
        Self {
            source,
            filter: &task.filter,
            folders_too,
            now: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
            ready: VecDeque::new(),
            after: None,
            more: true,
            left: 0,
        }
    }

    /// The next file. A static path that is not there is an error; a pattern that nothing fits is not.
    pub fn next(&mut self, client: &mut Client) -> Result<Option<Found>, Error> {
        loop {
            while let Some(found) = self.ready.pop_front() {
                match client.attempt(|session| self.look_closer(session, found.clone()))? {
                    Some(found) => return Ok(Some(found)),
                    None => self.left += 1,
                }
            }
            if !std::mem::take(&mut self.more) {
                return Ok(None);
            }
            self.fill(client)?;
        }
    }

    fn fill(&mut self, client: &mut Client) -> Result<(), Error> {
        let window = client.attempt(|session| {
            self.resolve(session)?;
            self.walk_once(session)
        })?;
        let Window {
            mut kept, overflowed, ..
        } = window;
        self.more = overflowed;
        self.after = kept.last().cloned();
        if self.filter.confirms() && !kept.is_empty() {
            if let Some(span) = self.filter.stable_for {
                pause(client.host(), span)
                    .map_err(|stop| Error::io(Op::List, &self.subject(), &stop).ending_call())?;
            }
            let before = kept.len();
            kept = client.attempt(|session| self.confirm(session, &kept))?;
            self.left += (before - kept.len()) as u64;
        }
        self.ready = kept.into();
        Ok(())
    }

    fn subject(&self) -> String {
        match &self.source {
            Source::Path(path) => path.to_string(),
            Source::Walk(pattern) => pattern.root.to_string(),
        }
    }

    /// Finds out whether a single path is a folder, and then means what is in it.
    fn resolve(&mut self, session: &mut Session) -> Result<(), Error> {
        let Source::Path(path) = &self.source else {
            return Ok(());
        };
        let folder = match session.stat(path)? {
            Stat::Is(entry) => entry.kind == EntryKind::Folder,
            // MLST would have known a folder.
            Stat::Missing if session.has("MLST") => false,
            // SIZE does not know folders, and some servers do not know SIZE.
            Stat::Missing | Stat::Unknown => session.is_folder(path)?,
        };
        if folder {
            self.source = Source::Walk(Pattern::all(path.clone(), false));
        }
        Ok(())
    }

    /// One walk: the first files after those of the walk before.
    fn walk_once(&self, session: &mut Session) -> Result<Window<'a>, Error> {
        let mut window = Window {
            filter: self.filter,
            kept: Vec::new(),
            overflowed: false,
        };
        let pattern = match &self.source {
            Source::Path(path) => {
                let found = single(session, path)?;
                if self.filter.judge(&found, self.now) != Verdict::Not {
                    window.kept.push(found);
                }
                return Ok(window);
            }
            Source::Walk(pattern) => pattern,
        };
        let is_companion = |name: &str| {
            self.filter
                .done_file
                .as_ref()
                .is_some_and(|done| done.may_give(name))
        };
        self.walk(session, pattern, &mut |path, entry| {
            if (entry.kind == EntryKind::Folder && !self.folders_too)
                || is_companion(&entry.name)
                || !pattern.fits_text(path.below(&pattern.root))
            {
                return;
            }
            let found = Found::new(path, &entry);
            let passed = |last: &Found| self.filter.order(&found, last) != Ordering::Greater;
            if self.filter.judge(&found, self.now) == Verdict::Not || self.after.as_ref().is_some_and(passed)
            {
                return;
            }
            window.push(found);
        })?;
        window.close();
        Ok(window)
    }

    /// Looks at the same files again: those that have not changed, where they must not, and whose companion
    /// is there, where they need one. What is said of them now counts.
    fn confirm(&self, session: &mut Session, kept: &[Found]) -> Result<Vec<Found>, Error> {
        let mut again: Vec<(Option<Found>, bool)> = vec![(None, false); kept.len()];
        let companion = |found: &Found| companion(self.filter, &found.path);
        if let Source::Path(_) = &self.source {
            for (found, (now, complete)) in kept.iter().zip(&mut again) {
                *now = match session.stat(&found.path)? {
                    Stat::Is(entry) => Some(Found::new(found.path.clone(), &entry)),
                    Stat::Missing => None,
                    Stat::Unknown => Some(found.clone()),
                };
                if let Some(companion) = companion(found) {
                    *complete = !matches!(session.stat(&companion)?, Stat::Missing);
                }
            }
        } else if let Source::Walk(pattern) = &self.source {
            let places: HashMap<&RemotePath, usize> = kept
                .iter()
                .enumerate()
                .map(|(at, found)| (&found.path, at))
                .collect();
            let mut companions: HashMap<RemotePath, Vec<usize>> = HashMap::new();
            for (at, found) in kept.iter().enumerate() {
                if let Some(companion) = companion(found) {
                    companions.entry(companion).or_default().push(at);
                }
            }
            self.walk(session, pattern, &mut |path, entry| {
                for at in companions.get(&path).into_iter().flatten() {
                    again[*at].1 = true;
                }
                if let Some(at) = places.get(&path) {
                    again[*at].0 = Some(Found::new(path, &entry));
                }
            })?;
        }
        let confirmed = kept.iter().zip(again).filter_map(|(before, (now, complete))| {
            let now = now?;
            let stable = self.filter.stable_for.is_none() || now.is_like(before);
            (stable && (complete || self.filter.done_file.is_none())).then_some(now)
        });
        Ok(confirmed.collect())
    }

    /// Goes through everything below the pattern's folder, as deep as the pattern wants.
    fn walk(
        &self,
        session: &mut Session,
        pattern: &Pattern,
        each: &mut dyn FnMut(RemotePath, Entry),
    ) -> Result<(), Error> {
        let mut waiting = vec![pattern.root.clone()];
        while let Some(folder) = waiting.pop() {
            let deeper = pattern.deep && folder.depth() - pattern.root.depth() < self.filter.max_depth;
            let mut too_many = false;
            let listed = session.list(&folder, |entry| {
                let path = folder.child(&entry.name);
                if entry.kind == EntryKind::Folder && deeper {
                    too_many |= waiting.len() >= MOST_FOLDERS;
                    if !too_many {
                        waiting.push(path.clone());
                    }
                }
                each(path, entry);
            });
            match listed {
                Ok(()) if too_many => {
                    let message = format!(
                        "There are more than {MOST_FOLDERS} folders below `{}`; set `max_depth`, or name a folder further down.",
                        pattern.root
                    );
                    return Err(Error {
                        field: Some("/options/max_depth".to_owned()),
                        ..Error::new(Kind::Data, message)
                    });
                }
                Ok(()) => {}
                // A folder further down that may not be entered hides its files from everybody.
                Err(error) if folder != pattern.root && !error.session_lost && error.code == Some(550) => {
                    (session.host.log)(Level::Warn, &format!("Left out a folder. {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Asks for what the listing did not tell. None for what turns out not to be wanted: a link to a folder or
    /// to nothing, a file that does not pass the filter.
    fn look_closer(&self, session: &mut Session, mut found: Found) -> Result<Option<Found>, Error> {
        let verdict = self.filter.judge(&found, self.now);
        if found.kind == EntryKind::Link {
            match session.target(&found.path)? {
                Stat::Is(entry) if entry.kind == EntryKind::Folder => return Ok(None),
                Stat::Is(entry) => {
                    found.kind = EntryKind::File;
                    found.size = entry.size;
                    found.modified = entry.modified.or(found.modified);
                }
                Stat::Missing if self.folders_too => return Ok(Some(found)),
                Stat::Missing => return Ok(None),
                Stat::Unknown if session.is_folder(&found.path)? => return Ok(None),
                Stat::Unknown => found.kind = EntryKind::File,
            }
        } else if verdict == Verdict::Unknown
            && let Stat::Is(entry) = session.stat(&found.path)?
        {
            found.size = entry.size.or(found.size);
            found.modified = entry.modified.or(found.modified);
        }
        Ok((self.filter.judge(&found, self.now) == Verdict::Fits).then_some(found))
    }
}

/// The companion that says that a file is complete, where one is wanted.
pub fn companion(filter: &Filter, path: &RemotePath) -> Option<RemotePath> {
    let done = filter.done_file.as_ref()?;
    Some(path.parent().child(&done.fill(path.name(), "")))
}

/// What is known of a single path that is no folder.
fn single(session: &mut Session, path: &RemotePath) -> Result<Found, Error> {
    match session.stat(path)? {
        Stat::Is(entry) => Ok(Found::new(path.clone(), &entry)),
        Stat::Unknown => Ok(Found {
            path: path.clone(),
            kind: EntryKind::File,
            size: None,
            modified: None,
        }),
        Stat::Missing => Err(Error {
            code: Some(550),
            ..Error::new(Kind::NotFound, format!("There is no file or folder `{path}`."))
        }),
    }
}

/// The first files of the wanted order.
struct Window<'a> {
    filter: &'a Filter,
    kept: Vec<Found>,
    overflowed: bool,
}

impl Window<'_> {
    /// Takes one more, and now and then lets those go that are certain to be beyond the window.
    fn push(&mut self, found: Found) {
        self.kept.push(found);
        if self.kept.len() >= 2 * WINDOW {
            let filter = self.filter;
            self.kept
                .select_nth_unstable_by(WINDOW, |a, b| filter.order(a, b));
            self.kept.truncate(WINDOW);
            self.overflowed = true;
        }
    }

    fn close(&mut self) {
        let filter = self.filter;
        self.kept.sort_unstable_by(|a, b| filter.order(a, b));
        if self.kept.len() > WINDOW {
            self.kept.truncate(WINDOW);
            self.overflowed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::jail;

    fn found(path: &str, size: u64, ms: u64) -> Found {
        Found {
            path: jail(path, "").unwrap().path,
            kind: EntryKind::File,
            size: Some(size),
            modified: Some(Modified {
                ms,
                precision: Precision::Second,
            }),
        }
    }

    fn filter(json: &str) -> Filter {
        Filter::new(&Options::parse(json).unwrap()).unwrap()
    }

    #[test]
    fn ages_and_sizes() {
        let now = Duration::from_secs(1_000_000);
        let ago = |seconds: u64| found("a", 100, (1_000_000 - seconds) * 1000);
        let aged = filter(r#"{"min_age":60,"max_age":"1h"}"#);
        assert_eq!(aged.judge(&ago(60), now), Verdict::Fits);
        assert_eq!(aged.judge(&ago(3600), now), Verdict::Fits);
        assert_eq!(aged.judge(&ago(59), now), Verdict::Not);
        assert_eq!(aged.judge(&ago(3601), now), Verdict::Not);
        let mut vague = ago(90);
        vague.modified = vague.modified.map(|modified| Modified {
            precision: Precision::Minute,
            ..modified
        });
        assert_eq!(aged.judge(&vague, now), Verdict::Not, "it may be 31 s old");
        vague.modified = None;
        assert_eq!(aged.judge(&vague, now), Verdict::Unknown);
        let sized = filter(r#"{"min_size":100,"max_size":"1kB"}"#);
        for (size, verdict) in [
            (99, Verdict::Not),
            (100, Verdict::Fits),
            (1000, Verdict::Fits),
            (1001, Verdict::Not),
        ] {
            assert_eq!(sized.judge(&found("a", size, 0), now), verdict, "{size}");
        }
        // The age is not known, but the size says enough.
        vague.size = Some(1);
        assert_eq!(
            filter(r#"{"min_age":1,"min_size":2}"#).judge(&vague, now),
            Verdict::Not
        );
    }

    #[test]
    fn orders() {
        let files = [found("b", 1, 30), found("a", 2, 20), found("c", 2, 10)];
        let names = |sort: &str| {
            let filter = filter(&format!(r#"{{"sort":"{sort}"}}"#));
            let mut files = files.to_vec();
            files.sort_by(|a, b| filter.order(a, b));
            files.iter().map(|file| file.path.as_str()).collect::<String>()
        };
        assert_eq!(names("name"), "abc");
        assert_eq!(names("name-desc"), "cba");
        assert_eq!(names("time"), "cab");
        assert_eq!(names("time-desc"), "bac");
        assert_eq!(names("size"), "bac");
        assert_eq!(names("size-desc"), "acb");
    }

    #[test]
    fn a_window_keeps_the_first_files_whatever_the_order_they_come_in() {
        let filter = filter("{}");
        let mut window = Window {
            filter: &filter,
            kept: Vec::new(),
            overflowed: false,
        };
        let count = 4 * WINDOW;
        for number in (0..count).rev() {
            window.push(found(&format!("{number:08}"), 1, 1));
            assert!(window.kept.len() < 2 * WINDOW);
        }
        window.close();
        assert!(window.overflowed && window.kept.len() == WINDOW);
        assert_eq!(window.kept[0].path.as_str(), "00000000");
        assert_eq!(
            window.kept[WINDOW - 1].path.as_str(),
            format!("{:08}", WINDOW - 1)
        );
    }
}
