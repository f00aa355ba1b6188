//! Compiled components on disk, so that a start takes a millisecond instead of a second.
//!
//! The folder must belong to this user alone: what is in it is machine code that runs in this process.

#![allow(
    unsafe_code,
    reason = "loading machine code is unsafe by nature; see the SAFETY note on the one place that does"
)]

use anyhow::bail;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A folder of compiled components.
pub(super) struct Cache {
    folder: PathBuf,
    /// Changes with the version of wasmtime, its settings and the processor.
    compatibility: u64,
}

impl Cache {
    /// Opens the folder, or makes it. None when it cannot be made: that costs every start a second, and nothing
    /// else.
    ///
    /// # Errors
    /// When others may write into it.
    pub(super) fn open(folder: PathBuf, engine: &Engine) -> anyhow::Result<Option<Self>> {
        if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
            tracing::warn!(
                "compiled connectors are not cached: the folder {} cannot be made: {error}",
                folder.display()
            );
            return Ok(None);
        }
        check_private(&folder)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Some(Self {
            folder,
            compatibility: hasher.finish(),
        }))
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.folder
            .join(format!("{digest}-{:016x}.cwasm", self.compatibility))
    }

    /// The compiled component, if this host compiled it before.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let file = self.file(digest);
        if !file.exists() {
            return None;
        }
        // SAFETY: `deserialize_file` runs what the file holds. The file was written by `put` of this program,
        // whole (renamed into place), into a folder that only this user may write to (checked in `open`), and
        // its name binds it to the component's SHA-256 and to wasmtime's own compatibility hash.
        match unsafe { Component::deserialize_file(engine, &file) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(
                    "the cached component {} is not usable and is made anew: {error:#}",
                    file.display()
                );
                None
            }
        }
    }

    /// Keeps a compiled component. A full disk only costs the next start its speed, so that it is not an error.
    pub(super) fn put(&self, component: &Component, digest: &str) {
        let written = component.serialize().map_err(super::plain).and_then(|bytes| {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(&bytes)?;
            file.persist(self.file(digest))?;
            Ok(())
        });
        if let Err(error) = written {
            tracing::warn!("the compiled component could not be cached: {error:#}");
        }
    }
}

fn check_private(folder: &Path) -> anyhow::Result<()> {
    let metadata = fs::metadata(folder)?;
    if metadata.mode() & 0o022 != 0 {
        bail!(
            "others may write to the cache folder {}, and what is in it runs as code; `chmod 700` it or choose another",
            folder.display()
        );
    }
    Ok(())
}
