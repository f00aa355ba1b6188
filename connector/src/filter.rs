//! What a file must be like: the pattern over its path, the filters over its size and age, and the order.

use std::cmp::Ordering;
use std::time::Duration;

use crate::error::Error;
use crate::listing::{Entry, EntryKind, Modified, Precision};
use crate::path::RemotePath;
use crate::pattern::{Matcher, Template};
use crate::settings::{Options, Sort};

/// How deep a walk goes. Deeper than any tree that people make, and a stop for one without an end.
const DEEPEST: u8 = 32;

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
    pub fn is_like(&self, other: &Self) -> bool {
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
    pub fn fits(&self, below: &str) -> bool {
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
pub enum Verdict {
    Fits,
    Not,
    /// The listing does not tell what the filter asks for.
    Unknown,
}

/// Which of the files that a pattern fits, and in which order.
#[derive(Debug, Clone)]
pub struct Filter {
    /// How many folders deep a walk goes.
    pub max_depth: usize,
    min_age: Option<Duration>,
    max_age: Option<Duration>,
    min_size: Option<u64>,
    max_size: Option<u64>,
    sort: Sort,
    /// How long a file must not change before it is taken.
    pub stable_for: Option<Duration>,
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

    /// Whether a file passes, as far as its listing tells.
    pub fn judge(&self, found: &Found, now: Duration) -> Verdict {
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
    pub fn order(&self, a: &Found, b: &Found) -> Ordering {
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

    /// The companion that says that a file is complete, where one is wanted.
    pub fn companion(&self, path: &RemotePath) -> Option<RemotePath> {
        let done = self.done_file.as_ref()?;
        Some(path.parent().child(&done.fill(path.name(), "")))
    }

    /// Whether every file passes.
    pub fn is_open(&self) -> bool {
        let ages = self.min_age.is_none() && self.max_age.is_none();
        let sizes = self.min_size.is_none() && self.max_size.is_none();
        ages && sizes && !self.confirms()
    }

    /// Whether some files have to be looked at twice.
    pub fn confirms(&self) -> bool {
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
    pub fn orders() {
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
}
