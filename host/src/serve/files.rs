//! The flow files: which there are, and which have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is in a file, or why that cannot be told.
pub(super) type Content = Result<Arc<str>, String>;

/// The files that hold flows.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: BTreeMap<PathBuf, Known>,
}

#[derive(Debug)]
struct Known {
    /// What it held at the last look.
    seen: Digest,
    /// What was told of it last.
    told: Option<Digest>,
    /// Not there at the last look.
    absent: bool,
}

/// What has changed since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) changed: Vec<(PathBuf, Content)>,
    pub(super) gone: Vec<PathBuf>,
}

/// Of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(content: &Content) -> Self {
        let mut hasher = blake3::Hasher::new();
        match content {
            Ok(text) => hasher.update(b"+").update(text.as_bytes()),
            Err(message) => hasher.update(b"-").update(message.as_bytes()),
        };
        Self(*hasher.finalize().as_bytes())
    }
}

/// Reads all flow files: those that are named, and of a folder those that end in `.yaml` or `.yml`.
pub(super) fn look(named: &[PathBuf]) -> BTreeMap<PathBuf, Content> {
    let mut found = BTreeSet::new();
    let mut contents = BTreeMap::new();
    for path in named {
        if !path.is_dir() {
            found.insert(path.clone());
            continue;
        }
        match in_folder(path) {
            Ok(files) => found.extend(files),
            Err(error) => {
                contents.insert(path.clone(), Err(error.to_string()));
            }
        }
    }
    for path in found {
        let content = fs::read_to_string(&path);
        contents.insert(path, content.map(Arc::from).map_err(|error| error.to_string()));
    }
    contents
}

fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let fits = path
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml");
        if fits && !hidden && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

impl Files {
    /// Those of the first look, all of which are told.
    pub(super) fn begin(look: &BTreeMap<PathBuf, Content>) -> Self {
        let known = look.iter().map(|(path, content)| {
            let seen = Digest::of(content);
            let known = Known {
                seen,
                told: Some(seen),
                absent: false,
            };
            (path.clone(), known)
        });
        Self {
            known: known.collect(),
        }
    }

    /// What a further look says. A change counts when two looks agree on it: a file that is being written is not half
    /// a flow, and one that is being replaced is not gone.
    pub(super) fn compare(&mut self, look: BTreeMap<PathBuf, Content>) -> Changes {
        let mut changes = Changes::default();
        self.known.retain(|path, known| {
            let there = look.contains_key(path);
            if !there && known.absent {
                changes.gone.push(path.clone());
                return false;
            }
            known.absent = !there;
            true
        });
        for (path, content) in look {
            let now = Digest::of(&content);
            let known = self.known.entry(path.clone()).or_insert(Known {
                seen: now,
                told: None,
                absent: true,
            });
            let fresh = std::mem::take(&mut known.absent);
            if known.seen == now && !fresh && known.told != Some(now) {
                known.told = Some(now);
                changes.changed.push((path, content));
            }
            known.seen = now;
        }
        changes
    }

    /// Everything counts as changed at the next look.
    pub(super) fn forget(&mut self) {
        for known in self.known.values_mut() {
            known.told = None;
        }
    }

    /// The same for one file.
    pub(super) fn forget_one(&mut self, path: &Path) {
        if let Some(known) = self.known.get_mut(path) {
            known.told = None;
        }
    }

    /// Whether this is what was told of a file last: what takes long to load may be outdated when it is.
    pub(super) fn is_latest(&self, path: &Path, digest: Digest) -> bool {
        self.known
            .get(path)
            .is_some_and(|known| known.told.is_none_or(|told| told == digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(files: &[(&str, &str)]) -> BTreeMap<PathBuf, Content> {
        let files = files.iter();
        files
            .map(|(path, text)| (PathBuf::from(path), Ok(Arc::from(*text))))
            .collect()
    }

    fn told(changes: &Changes) -> Vec<(&str, &str)> {
        let pairs = changes.changed.iter();
        pairs
            .map(|(path, content)| {
                let text = content.as_deref().expect("readable");
                (path.to_str().expect("UTF-8"), text)
            })
            .collect()
    }

    #[test]
    fn a_change_counts_when_two_looks_agree() {
        let mut files = Files::begin(&seen(&[("a", "1")]));
        assert_eq!(files.compare(seen(&[("a", "1")])), Changes::default());
        assert_eq!(files.compare(seen(&[("a", "ha")])), Changes::default());
        assert_eq!(files.compare(seen(&[("a", "half")])), Changes::default());
        assert_eq!(told(&files.compare(seen(&[("a", "half")]))), [("a", "half")]);
        assert_eq!(files.compare(seen(&[("a", "half")])), Changes::default());
    }

    #[test]
    fn what_is_back_at_once_has_not_changed() {
        let mut files = Files::begin(&seen(&[("a", "1")]));
        assert_eq!(files.compare(seen(&[])), Changes::default());
        assert_eq!(files.compare(seen(&[("a", "1")])), Changes::default());
        assert_eq!(files.compare(seen(&[("a", "2")])), Changes::default());
        assert_eq!(files.compare(seen(&[("a", "1")])), Changes::default());
        assert_eq!(files.compare(seen(&[("a", "1")])), Changes::default());
    }

    #[test]
    fn files_come_and_go() {
        let mut files = Files::begin(&seen(&[("a", "1")]));
        assert_eq!(files.compare(seen(&[("b", "1")])), Changes::default());
        let changes = files.compare(seen(&[("b", "1")]));
        assert_eq!(told(&changes), [("b", "1")]);
        assert_eq!(changes.gone, [PathBuf::from("a")]);
    }

    #[test]
    fn what_is_forgotten_is_told_again() {
        let mut files = Files::begin(&seen(&[("a", "1"), ("b", "1")]));
        files.forget_one(Path::new("a"));
        assert_eq!(
            told(&files.compare(seen(&[("a", "1"), ("b", "1")]))),
            [("a", "1")]
        );
        files.forget();
        assert_eq!(files.compare(seen(&[("a", "1"), ("b", "1")])).changed.len(), 2);
    }

    #[test]
    fn a_folder_is_its_flow_files() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.yaml", "b.yml", "c.txt", ".d.yaml"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        let missing = folder.path().join("missing.yaml");
        let look = look(&[folder.path().to_owned(), missing.clone()]);
        let found: Vec<_> = look
            .keys()
            .map(|path| path.strip_prefix(folder.path()).expect("below"))
            .collect();
        assert_eq!(
            found,
            [Path::new("a.yaml"), Path::new("b.yml"), Path::new("missing.yaml")]
        );
        assert!(look[&missing].is_err());
    }
}
