//! Paths below the connection's root, and the jail that keeps them there.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A path below the root: segments joined by `/`, none of them `.` or `..`, without a slash at either
/// end. The empty path is the root itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RemotePath(String);

/// Back from where it was kept: checked like every other path.
impl TryFrom<String> for RemotePath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        jail(&text, "").map(|named| named.path)
    }
}

impl From<RemotePath> for String {
    fn from(path: RemotePath) -> Self {
        path.0
    }
}

impl RemotePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last segment; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that this is in; the root's is the root.
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or_else(String::new, |(parent, _)| parent.to_owned()),
        )
    }

    /// A checked name in this folder.
    pub fn child(&self, name: &str) -> Self {
        debug_assert!(is_name(name), "names are checked where they come in");
        if self.is_root() {
            Self(name.to_owned())
        } else {
            Self(format!("{}/{name}", self.0))
        }
    }

    /// A path below this folder.
    pub fn join(&self, below: &Self) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{}/{}", self.0, below.0)),
        }
    }

    /// The path below `folder`, which it must be in.
    pub fn below<'a>(&'a self, folder: &Self) -> &'a str {
        if folder.is_root() {
            return &self.0;
        }
        self.0
            .strip_prefix(folder.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(&self.0)
    }

    /// How many segments it has.
    pub fn depth(&self) -> usize {
        if self.is_root() {
            0
        } else {
            self.0.split('/').count()
        }
    }
}

impl std::fmt::Display for RemotePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_root() { "/" } else { &self.0 })
    }
}

/// A path as somebody wrote it: where it leads, and whether it names a folder by a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// Where it leads.
    pub path: RemotePath,
    /// It ends in `/`, or names nothing but the root.
    pub folder: bool,
}

/// Reads a path from a setting. A leading slash means the root; `..`, line breaks and NUL are refused.
///
/// `field` is the JSON Pointer of the setting.
pub fn jail(text: &str, field: &str) -> Result<Named, Error> {
    if text.contains(['\r', '\n', '\0']) {
        return Err(Error::setting(
            field,
            "A path must not contain line breaks or NUL.",
        ));
    }
    let mut segments = Vec::new();
    let mut folder = true;
    for segment in text.split('/') {
        folder = matches!(segment, "" | ".");
        match segment {
            "" | "." => {}
            ".." => {
                return Err(Error::setting(
                    field,
                    "A path must not contain `..`: every path stays below the connection's root.",
                ));
            }
            name => segments.push(name),
        }
    }
    Ok(Named {
        path: RemotePath(segments.join("/")),
        folder,
    })
}

/// A name's stem and extension. One that only starts with a dot has no extension.
pub fn stem_and_extension(name: &str) -> (&str, &str) {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => (name, ""),
    }
}

/// Whether a name, from a server or a payload, is one segment that may be put into a path.
pub fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn path(text: &str) -> RemotePath {
        jail(text, "/options/path").unwrap().path
    }

    #[test]
    fn paths_are_normal_and_below_the_root() {
        for (text, normal, folder) in [
            ("a/b.csv", "a/b.csv", false),
            ("/a//b.csv", "a/b.csv", false),
            ("./a/./b/", "a/b", true),
            ("", "", true),
            ("/", "", true),
            (".", "", true),
            ("a/.", "a", true),
            (" a/-b [1].csv ", " a/-b [1].csv ", false),
            ("...", "...", false),
        ] {
            let named = jail(text, "/options/path").unwrap();
            assert_eq!((named.path.as_str(), named.folder), (normal, folder), "{text:?}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        for text in [
            "..",
            "../a",
            "a/../b",
            "a/..",
            "/..",
            "a\r\nDELE b",
            "a\nb",
            "a\0b",
        ] {
            let error = jail(text, "/options/path").unwrap_err();
            assert_eq!(error.kind, Kind::InvalidSettings, "{text:?}");
            assert_eq!(error.field.as_deref(), Some("/options/path"));
        }
    }

    #[test]
    fn parts_of_a_path() {
        let file = path("a/b/c.csv");
        assert_eq!(file.name(), "c.csv");
        assert_eq!(file.parent().as_str(), "a/b");
        assert_eq!(file.below(&path("a")), "b/c.csv");
        assert_eq!(file.below(&RemotePath::default()), "a/b/c.csv");
        assert_eq!(path("a").parent(), RemotePath::default());
        assert_eq!(path("a").join(&path("b/c")).as_str(), "a/b/c");
        assert_eq!(RemotePath::default().child("a").as_str(), "a");
        assert_eq!((file.depth(), RemotePath::default().depth()), (3, 0));
    }

    #[test]
    fn names_from_outside() {
        for bad in ["", ".", "..", "a/b", "../a", "a\r", "a\n", "a\0"] {
            assert!(!is_name(bad), "{bad:?}");
        }
        for good in ["a", "...", "-rf", " a ", "a\\b", "é [1]'\".csv"] {
            assert!(is_name(good), "{good:?}");
        }
    }
}
