//! The secret by which this host knows its own cache files again.

use super::{make_folder, private};
use anyhow::{Context as _, bail};
use blake3::Hasher;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Bytes of the tag that a cache file begins with.
pub(super) const TAG: usize = blake3::OUT_LEN;

/// What is authenticated, and in which order. Files of another form are not ours.
const FORM: &[u8] = b"flowhost compiled component, form 1";

/// The secret. It has no `Debug`.
pub(super) struct Key([u8; blake3::KEY_LEN]);

impl Key {
    /// Reads the key, or makes one. None when that cannot be, which is told.
    ///
    /// # Errors
    /// When others may read it or write to it, or it lies in the folder that it is to protect.
    pub(super) fn open(path: &Path, cache: &Path) -> anyhow::Result<Option<Self>> {
        let unusable = |reason: String| {
            tracing::warn!(
                "compiled connectors are not cached: the key {} {reason}",
                path.display()
            );
            Ok(None)
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Err(error) = make_folder(folder) {
            return unusable(format!("cannot be made: {error}"));
        }
        if lies_in(folder, cache) {
            bail!(
                "the key {} lies in the cache folder, where it protects nothing: who can put files there can put a key \
                 beside them",
                path.display()
            );
        }
        let read = || {
            read(path).with_context(|| {
                format!(
                    "the cache's key {} cannot be relied on; remove it, and a new one is made",
                    path.display()
                )
            })
        };
        let mut bytes = read()?;
        if bytes.is_none() {
            if let Err(error) = Self::make(path, folder) {
                return unusable(format!("cannot be made: {error}"));
            }
            bytes = read()?;
        }
        match bytes.unwrap_or_default().try_into() {
            Ok(key) => Ok(Some(Self(key))),
            Err(_) => unusable("is damaged; remove it, and a new one is made".to_owned()),
        }
    }

    /// Another process may do the same at this moment: the first one's key counts.
    fn make(path: &Path, folder: &Path) -> anyhow::Result<()> {
        let mut key = [0; blake3::KEY_LEN];
        getrandom::fill(&mut key)?;
        // Made for this user alone (mode 600), and never seen with less than all of its bytes.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&key)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.error.into()),
        }
    }

    /// The keyed hash of a cache file, to be fed with the compiled code. The key of the entry comes first, so that a
    /// good file under another's name is not taken for it.
    pub(super) fn mac(&self, digest: &[u8; 32], compatibility: u64) -> Hasher {
        let mut hasher = Hasher::new_keyed(&self.0);
        hasher.update(FORM);
        hasher.update(digest);
        hasher.update(&compatibility.to_le_bytes());
        hasher
    }
}

/// What the file holds; none when there is no file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, private::NotPrivate> {
    let Some(file) = private::open(path, private::ANY)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    // One more than it should have, so that a longer file is noticed.
    file.take(blake3::KEY_LEN as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn lies_in(folder: &Path, cache: &Path) -> bool {
    match (fs::canonicalize(folder), fs::canonicalize(cache)) {
        (Ok(folder), Ok(cache)) => folder.starts_with(cache),
        _ => false,
    }
}
