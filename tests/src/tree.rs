//! Folders of files, compared as wholes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

/// All files below a folder: path with `/` between folders, and content.
///
/// # Panics
/// When something cannot be read.
#[must_use]
pub fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    walk(root, "", &mut |path, file| {
        found.insert(
            path.to_owned(),
            std::fs::read(file).unwrap_or_else(|error| panic!("{path}: {error}")),
        );
    });
    found
}

/// The paths of all files below a folder, sorted.
///
/// # Panics
/// When a folder cannot be read.
#[must_use]
pub fn names(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(root, "", &mut |path, _| found.push(path.to_owned()));
    found.sort();
    found
}

/// The names of what is in a folder as the bytes that they are, sorted; none when it is not there.
#[must_use]
pub fn raw_names(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map_while(Result::ok);
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_encoded_bytes())
        .collect();
    names.sort();
    names
}

/// Sets when a file was last changed.
///
/// # Panics
/// When it cannot be set.
pub fn set_modified(file: &Path, time: SystemTime) {
    let file = std::fs::File::options().write(true).open(file);
    let set = file.and_then(|file| file.set_modified(time));
    set.expect("a file of ours");
}

fn walk(folder: &Path, below: &str, seen: &mut impl FnMut(&str, &Path)) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder that can be read");
        let name = entry.file_name();
        // Few tests have names that are not UTF-8; they look at the bytes themselves.
        let path = format!("{below}{}", name.to_string_lossy());
        if entry.file_type().expect("a type").is_dir() {
            walk(&entry.path(), &format!("{path}/"), seen);
        } else {
            seen(&path, &entry.path());
        }
    }
}

/// SHA-256 of a file, read piece by piece.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn sha256(file: &Path) -> Vec<u8> {
    let mut source = std::fs::File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut hash = Sha256::new();
    std::io::copy(&mut source, &mut hash).expect("a file that can be read");
    hash.finalize().to_vec()
}
