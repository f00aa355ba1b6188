//! Compiled components on disk, so that a start takes milliseconds instead of a second.
//!
//! What is in a cache file runs as machine code in this process, outside every sandbox. So a file is run only when
//! this host can tell that it wrote the file itself, for this component and this compiler: it begins with a keyed hash
//! (BLAKE3, which costs half of what HMAC-SHA256 does) over all that, and the key lies elsewhere. A cache folder that
//! somebody planted, restored or wrote to is worth nothing. What is verified is a copy that nobody else can reach, and
//! the copy is what runs.

#![allow(
    unsafe_code,
    reason = "loading machine code is unsafe by nature; see the SAFETY note on the one place that does"
)]

mod copy;
mod key;
mod private;

use super::CacheOptions;
use crate::component::artefact::hexadecimal;
use anyhow::{Context as _, bail};
use copy::PrivateCopy;
use key::{Key, TAG};
use std::fs::{self, DirEntry, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Marks our files, in a folder that may have others.
const SUFFIX: &str = ".compiled";
/// A file that nobody loaded for so long belongs to a connector or a host that is gone.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);
/// Who builds connectors makes many files in a day, of some megabytes each.
const MOST_FILES: usize = 32;
/// How exactly the last use of a file is known. Telling it every time would cost every start a write.
const USE_KNOWN_TO: Duration = Duration::from_hours(24);

/// A folder of compiled components.
pub(super) struct Cache {
    folder: PathBuf,
    key: Key,
    /// Changes with the version of wasmtime, its settings and the processor.
    compatibility: u64,
}

impl Cache {
    /// Opens the folder and reads the key, or makes them. None when they cannot be made: that costs every start a
    /// second, and nothing else.
    ///
    /// # Errors
    /// When the folder or the key is there and not this user's alone.
    pub(super) fn open(options: &CacheOptions, engine: &Engine) -> anyhow::Result<Option<Self>> {
        let folder = &options.folder;
        if let Err(error) = make_folder(folder) {
            tracing::warn!(
                "compiled connectors are not cached: the folder {} cannot be made: {error}",
                folder.display()
            );
            return Ok(None);
        }
        private::check_folder(folder).with_context(|| {
            format!(
                "what is in the cache folder {} runs as code; `chmod 700` it or choose another",
                folder.display()
            )
        })?;
        let Some(key) = Key::open(&options.key, folder)? else {
            return Ok(None);
        };
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Some(Self {
            folder: folder.clone(),
            key,
            compatibility: hasher.finish(),
        }))
    }

    fn file(&self, digest: &[u8; 32]) -> PathBuf {
        let digest = hexadecimal(digest);
        self.folder
            .join(format!("{digest}-{:016x}{SUFFIX}", self.compatibility))
    }

    /// The compiled component, if this host compiled it before. A file that it did not write is removed.
    pub(super) fn get(&self, engine: &Engine, digest: &[u8; 32]) -> Option<Component> {
        let path = self.file(digest);
        let copy = match self.verified(&path, digest) {
            Ok(copy) => copy?,
            Err(error) => {
                // Not a warning, which people see only when they ask: somebody else may have been at work here.
                tracing::error!(
                    "the compiled connector {} is not used, but removed and made anew: {error:#}",
                    path.display()
                );
                let _ = fs::remove_file(&path); // It is replaced anyway.
                return None;
            }
        };
        // SAFETY: `deserialize_file` runs what the file holds. This file has no name that others could open, is sealed
        // against writing, and holds what `verified` found to be written by `put` of this user's host: the bytes that
        // wasmtime made of the component with this digest, with this version and these settings. Wasmtime checks
        // version and settings once more.
        match unsafe { Component::deserialize_file(engine, copy.path()) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(
                    "the compiled connector {} is not usable and is made anew: {error:#}",
                    path.display()
                );
                None
            }
        }
    }

    /// A private copy of a cache file's content without its tag; none when there is no file.
    ///
    /// # Errors
    /// When this host did not write the file for this component.
    fn verified(&self, path: &Path, digest: &[u8; 32]) -> anyhow::Result<Option<PrivateCopy>> {
        let Some(mut file) = private::open(path, private::WRITABLE)? else {
            return Ok(None);
        };
        let mut expected = [0; TAG];
        file.read_exact(&mut expected)
            .context("it is shorter than it can be")?;
        let mut mac = self.key.mac(digest, self.compatibility);
        let copied = PrivateCopy::of(&mut file, |chunk| {
            mac.update(chunk);
        });
        let copy = match copied {
            Ok(copy) => copy,
            Err(error) => {
                // No room for a copy is nobody's doing, and the next process may have some.
                tracing::warn!(
                    "the compiled connector {} cannot be copied: {error}",
                    path.display()
                );
                return Ok(None);
            }
        };
        // Compared in constant time.
        if mac.finalize() != blake3::Hash::from_bytes(expected) {
            bail!("this host did not write it, or it was changed since");
        }
        tell_use(&file);
        Ok(Some(copy))
    }

    /// Keeps a compiled component. A full disk only costs the next start its speed, so that it is not an error.
    pub(super) fn put(&self, component: &Component, digest: &[u8; 32]) {
        let written = component.serialize().map_err(super::plain).and_then(|bytes| {
            let tag = self.key.mac(digest, self.compatibility).update(&bytes).finalize();
            let mut file = tempfile::Builder::new()
                .suffix(SUFFIX)
                .tempfile_in(&self.folder)?;
            file.write_all(tag.as_bytes())?;
            file.write_all(&bytes)?;
            // Whole or not at all; of several processes that do the same, one wins.
            file.persist(self.file(digest))?;
            Ok(())
        });
        if let Err(error) = written {
            tracing::warn!("the compiled connector could not be cached: {error:#}");
        }
        self.tidy();
    }

    /// Removes what nobody uses any more: files of former hosts and connectors, and those of processes that ended
    /// while they wrote.
    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<(Duration, PathBuf)> =
            entries.flatten().filter_map(|entry| unused_for(&entry)).collect();
        files.sort();
        for (index, (unused, path)) in files.iter().enumerate() {
            if index >= MOST_FILES || *unused > KEPT_FOR {
                let _ = fs::remove_file(path); // Another process may have done it; the next one tries again.
            }
        }
    }
}

/// The folder with those above it, for this user alone.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// One of our files, and how long ago it was written or loaded.
fn unused_for(entry: &DirEntry) -> Option<(Duration, PathBuf)> {
    if !entry.file_name().to_string_lossy().ends_with(SUFFIX) {
        return None;
    }
    let used = entry.metadata().ok()?.modified().ok()?;
    Some((used.elapsed().unwrap_or_default(), entry.path()))
}

/// Marks the file as used now, for `tidy`.
fn tell_use(file: &File) {
    let known = file.metadata().and_then(|metadata| metadata.modified());
    if known.is_ok_and(|known| known.elapsed().is_ok_and(|ago| ago > USE_KNOWN_TO)) {
        let _ = file.set_modified(SystemTime::now()); // It only lives longer by it.
    }
}
