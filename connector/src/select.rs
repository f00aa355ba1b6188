//! Which files an endpoint's options mean: the walk over the folders.
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
use crate::filter::{Filter, Found, Pattern, Verdict};
use crate::listing::{Entry, EntryKind};
use crate::path::{Named, RemotePath};
use crate::session::Session;
use crate::task::{Selection, Task};
use crate::transport::{Level, pause};

/// How many files are kept of one walk: some 4 MiB.
const WINDOW: usize = 25_000;
/// How many folders may wait to be looked into.
const MOST_FOLDERS: usize = 100_000;

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
        let window = client.attempt(|session| match self.single(session)? {
            Some(found) => Ok(self.window_of(found)),
            None => self.walk_once(session),
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

    /// What is known of a single path; none when it is a folder, and then what is in that is meant. One look has
    /// to do, for each is a round trip.
    fn single(&mut self, session: &mut Session) -> Result<Option<Found>, Error> {
        let Source::Path(path) = &self.source else {
            return Ok(None);
        };
        let stat = session.stat(path)?;
        let folder = match &stat {
            Stat::Is(entry) => entry.kind == EntryKind::Folder,
            // MLST would have known a folder.
            Stat::Missing if session.has("MLST") => false,
            // SIZE does not know folders, and some servers do not know SIZE.
            Stat::Missing | Stat::Unknown => session.is_folder(path)?,
        };
        if folder {
            self.source = Source::Walk(Pattern::all(path.clone(), false));
            return Ok(None);
        }
        match stat {
            Stat::Is(entry) => Ok(Some(Found::new(path.clone(), &entry))),
            Stat::Unknown => Ok(Some(Found {
                path: path.clone(),
                kind: EntryKind::File,
                size: None,
                modified: None,
            })),
            Stat::Missing => Err(Error {
                code: Some(550),
                ..Error::new(Kind::NotFound, format!("There is no file or folder `{path}`."))
            }),
        }
    }

    /// A window of one file, if it may pass.
    fn window_of(&self, found: Found) -> Window<'a> {
        let passes = self.filter.judge(&found, self.now) != Verdict::Not;
        Window {
            filter: self.filter,
            kept: passes.then_some(found).into_iter().collect(),
            overflowed: false,
        }
    }

    /// One walk: the first files after those of the walk before.
    fn walk_once(&self, session: &mut Session) -> Result<Window<'a>, Error> {
        let mut window = Window {
            filter: self.filter,
            kept: Vec::new(),
            overflowed: false,
        };
        let Source::Walk(pattern) = &self.source else {
            return Ok(window);
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
                || !pattern.fits(path.below(&pattern.root))
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
        if let Source::Path(_) = &self.source {
            for (found, (now, complete)) in kept.iter().zip(&mut again) {
                *now = match session.stat(&found.path)? {
                    Stat::Is(entry) => Some(Found::new(found.path.clone(), &entry)),
                    Stat::Missing => None,
                    Stat::Unknown => Some(found.clone()),
                };
                if let Some(companion) = self.filter.companion(&found.path) {
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
                if let Some(companion) = self.filter.companion(&found.path) {
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
    use crate::settings::Options;

    #[test]
    fn a_window_keeps_the_first_files_whatever_the_order_they_come_in() {
        let filter = Filter::new(&Options::parse("{}").unwrap()).unwrap();
        let mut window = Window {
            filter: &filter,
            kept: Vec::new(),
            overflowed: false,
        };
        let count = 4 * WINDOW;
        for number in (0..count).rev() {
            window.push(Found {
                path: jail(&format!("{number:08}"), "").unwrap().path,
                kind: EntryKind::File,
                size: None,
                modified: None,
            });
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
