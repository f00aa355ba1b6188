//! What a scripted server's folders look like.

use super::{Session, fact_line, line};

impl Session {
    /// A client's path, without the leading slash, seen from the current folder.
    pub(super) fn path(&self, argument: &str) -> String {
        let whole = if argument.starts_with('/') {
            argument.to_owned()
        } else {
            format!("{}/{argument}", self.folder)
        };
        whole
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect::<Vec<_>>()
            .join("/")
    }

    /// The folders are those of the files, those that clients have made, and, with a listing of the test's
    /// own, any.
    pub(super) fn has_folder(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty()
            || self.script.listing.is_some()
            || self.script.files.keys().any(|file| file.starts_with(&below))
            || self
                .seen()
                .folders
                .iter()
                .any(|folder| folder == path || folder.starts_with(&below))
    }

    pub(super) fn has_feature(&self, name: &str) -> bool {
        let mut features = self.script.features.iter();
        features.any(|feature| feature.split(' ').next() == Some(name))
    }

    pub(super) fn size(&self, path: &str) -> Option<usize> {
        let stored = self.seen().uploads.get(path).map(Vec::len);
        let laid_out = || self.script.files.get(path).filter(|_| !self.was_removed(path));
        stored.or_else(|| laid_out().map(Vec::len))
    }

    /// `LIST` of a folder or a file, as `ls -l` writes it.
    pub(super) fn list(&self, argument: &str) -> String {
        let argument = argument.trim_start_matches(['-', 'a', 'l']).trim_start();
        let entries = self.entries(argument).into_iter();
        entries
            .map(|(name, size)| match size {
                Some(size) => line('-', size, &name),
                None => line('d', 4096, &name),
            })
            .collect()
    }

    /// `MLSD` of a folder.
    pub(super) fn facts(&self, argument: &str) -> String {
        let entries = self.entries(argument).into_iter();
        entries
            .map(|(name, size)| match size {
                Some(size) => fact_line(size, &name),
                None => format!("type=dir; {name}\r\n"),
            })
            .collect()
    }

    /// `NLST` of a folder.
    pub(super) fn names(&self, argument: &str) -> String {
        let mut names = String::new();
        for (name, _) in self.entries(argument) {
            names.extend([&name, "\r\n"]);
        }
        names
    }

    /// What is in a folder: names, and sizes of files.
    fn entries(&self, argument: &str) -> Vec<(String, Option<usize>)> {
        let folder = self.path(argument);
        let mut entries: Vec<(String, Option<usize>)> = Vec::new();
        for (path, content) in &self.script.files {
            let below = if folder.is_empty() {
                path.as_str()
            } else if path == &folder {
                path.rsplit('/').next().unwrap_or(path)
            } else {
                match path.strip_prefix(&folder).and_then(|rest| rest.strip_prefix('/')) {
                    Some(rest) => rest,
                    None => continue,
                }
            };
            let entry = match below.split_once('/') {
                None => (below.to_owned(), Some(content.len())),
                Some((inner, _)) => (inner.to_owned(), None),
            };
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
        }
        entries
    }
}
