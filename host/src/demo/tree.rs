//! The files below a folder by path and digest, to compare what is there with what should be.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::files::hex;

/// Path below the folder -> SHA-256 of the content.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Reads a folder. One that is not there is empty.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        if root.is_dir() {
            tree.walk(root, "")?;
        }
        Ok(tree)
    }

    fn walk(&mut self, folder: &Path, below: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.walk(&entry.path(), &format!("{path}/"))?;
            } else {
                self.insert(&path, &std::fs::read(entry.path())?);
            }
        }
        Ok(())
    }

    pub fn insert(&mut self, path: &str, content: &[u8]) {
        self.0.insert(path.to_owned(), hex(&Sha256::digest(content)));
    }

    /// Moves a file; one that is not there cannot be expected elsewhere either.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(digest) = self.0.remove(from) {
            self.0.insert(to.to_owned(), digest);
        }
    }

    /// What is missing, left over or different from `expected`, in words.
    pub fn differences(&self, place: &str, expected: &Self) -> Vec<String> {
        let missing = expected
            .0
            .iter()
            .filter_map(|(path, digest)| match self.0.get(path) {
                None => Some(format!("{place}: {path} is missing")),
                Some(found) if found != digest => Some(format!("{place}: {path} has other bytes")),
                Some(_) => None,
            });
        let left = self.0.keys().filter(|path| !expected.0.contains_key(*path));
        missing
            .chain(left.map(|path| format!("{place}: {path} should not be there")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told() {
        let (mut found, mut expected) = (Tree::default(), Tree::default());
        for (path, content) in [("same", "1"), ("other", "2"), ("from", "3")] {
            found.insert(path, content.as_bytes());
            expected.insert(path, content.as_bytes());
        }
        assert!(found.differences("here", &expected).is_empty());
        expected.rename("from", "to");
        expected.insert("other", b"4");
        assert_eq!(
            found.differences("here", &expected),
            [
                "here: other has other bytes",
                "here: to is missing",
                "here: from should not be there"
            ]
        );
    }
}
