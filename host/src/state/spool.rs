//! Bodies that are accepted and not yet done.
//!
//! A spool is the folder of one run. There are two kinds. One that is *kept* belongs to a run in the ledger: a small body
//! goes into the payload's row, a large one into a file that is on the disk, whole and under its final name, before the
//! ledger hears of it. A *temporary* one has no ledger: small bodies are in memory, and all goes with it; what a killed
//! process has left of it is removed by the next one.

mod writer;

use super::body::Body;
use anyhow::Context as _;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

pub use writer::{BodyWriter, Sealed};

/// A body up to this length is no file of its own: it saves one for each of thousands of small payloads.
const SMALL_BODY: usize = 64 * 1024;

/// All bodies in memory together, so that the memory of a run does not grow with the number of its payloads.
const MEMORY_BUDGET: u64 = 8 * 1024 * 1024;

/// Held by the process that uses the spool's folder, and free again when that has ended in whatever way.
const LOCK_FILE: &str = "spool.lock";

/// What a body's file is called until it is whole.
const PART: &str = "part";

/// How many bytes may be stored at the same time. Shared by all spools that draw on it.
#[derive(Debug, Default)]
pub struct Quota {
    /// None: as much as the disk holds.
    most: Option<u64>,
    used: AtomicU64,
}

impl Quota {
    /// So many bytes, of which some are in use.
    #[must_use]
    pub fn new(most: Option<u64>, used: u64) -> Self {
        Self {
            most,
            used: AtomicU64::new(used),
        }
    }

    /// Whether there is room for so many bytes more.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        self.most.is_none_or(|most| used.saturating_add(bytes) <= most)
    }

    /// Takes room, also where there is none: then it says how much there would be in all.
    fn take(&self, bytes: u64) -> Result<(), u64> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.filter(|most| used > *most).map_or(Ok(()), Err)
    }

    pub(super) fn free(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Where the bodies of one run are.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    kept: bool,
    _lock: File,
    in_memory: AtomicU64,
    quota: Arc<Quota>,
}

/// Why a body could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The quota of the spool is used up.
    #[error(
        "the spool in {folder} is full: its quota of {quota} bytes is used up by documents that are not done yet; \
         `--spool-quota` gives it more, `flowhost runs` shows which they are"
    )]
    Quota {
        /// The spool's folder.
        folder: PathBuf,
        /// Bytes.
        quota: u64,
    },
    /// The disk failed or is full.
    #[error("the spool in {folder} cannot be written: {source}")]
    Disk {
        /// The spool's folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Spool {
    /// Makes a temporary spool in a new folder below `parent`, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create(parent: &Path, quota: Option<u64>) -> anyhow::Result<Arc<Self>> {
        let spool = Self::open(
            parent,
            &Uuid::now_v7().to_string(),
            false,
            Arc::new(Quota::new(quota, 0)),
        )?;
        remove_left(parent, |_| Need::Unknown);
        Ok(spool)
    }

    /// Opens the spool that is kept for a run; it may have been begun by a process that has ended.
    ///
    /// # Errors
    /// When the folder cannot be made, or another process has it.
    pub fn of_run(parent: &Path, run: &str, quota: Arc<Quota>) -> anyhow::Result<Arc<Self>> {
        Self::open(parent, run, true, quota)
    }

    fn open(parent: &Path, name: &str, kept: bool, quota: Arc<Quota>) -> anyhow::Result<Arc<Self>> {
        private_folder(parent)
            .and_then(|()| parent.parent().map_or(Ok(()), sync_folder))
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        let folder = parent.join(name);
        private_folder(&folder)
            .and_then(|()| sync_folder(parent))
            .with_context(|| format!("cannot make a spool in {}", parent.display()))?;
        let lock = lock(&folder).with_context(|| format!("cannot lock the spool in {}", folder.display()))?;
        Ok(Arc::new(Self {
            folder,
            kept,
            _lock: lock,
            in_memory: AtomicU64::new(0),
            quota,
        }))
    }

    /// Begins a body.
    #[must_use]
    pub fn writer(self: &Arc<Self>) -> BodyWriter {
        BodyWriter::new(Arc::clone(self))
    }

    /// Stores a body that is at hand, in a temporary spool.
    ///
    /// # Errors
    /// As for [`BodyWriter::write`].
    pub fn store(self: &Arc<Self>, bytes: &[u8]) -> Result<Body, SpoolError> {
        let mut writer = self.writer();
        writer.write(bytes)?;
        writer.finish()
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its bodies draw on.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The path of a body's file, which may be in another run's spool.
    #[must_use]
    pub fn file(&self, file: &str) -> PathBuf {
        self.folder.parent().unwrap_or(&self.folder).join(file)
    }

    /// Removes the files that nobody needs any more: what a killed process was writing, and bodies of payloads that are
    /// through. When none is needed, the folder goes.
    pub fn tidy(&self, needed: &[String]) {
        if needed.is_empty() {
            remove(&self.folder);
            return;
        }
        let needed: Vec<PathBuf> = needed.iter().map(|file| self.file(file)).collect();
        for file in entries(&self.folder) {
            let name = file
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name != LOCK_FILE && !needed.contains(&file) {
                let _ = fs::remove_file(&file); // It costs room and nothing else.
            }
        }
    }

    /// A payload is through, and its body not needed any more.
    pub fn release(&self, size: u64, file: Option<&str>) {
        self.quota.free(size);
        if let Some(file) = file {
            let _ = fs::remove_file(self.file(file)); // What stays is removed with the folder.
        }
    }

    /// The same, for a body that the ledger had.
    pub fn release_body(&self, body: &Body) {
        self.quota.free(body.len());
        if let Some(path) = body.path() {
            let _ = fs::remove_file(path);
        }
    }

    pub(super) fn forget_in_memory(&self, bytes: u64) {
        self.in_memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn disk(&self, source: io::Error) -> SpoolError {
        SpoolError::Disk {
            folder: self.folder.clone(),
            source,
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !self.kept {
            remove(&self.folder);
        }
    }
}

/// Documents are nobody else's business.
pub(super) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The lock file has its name only when it is locked: another process must not take it for one that was left.
fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK_FILE);
    if let Ok(file) = File::open(&path) {
        file.try_lock()?;
        return Ok(file);
    }
    let made = folder.join("new.lock");
    let file = File::create(&made)?;
    file.try_lock()?;
    fs::rename(made, path)?;
    Ok(file)
}

/// Whether a process has the spool in a folder.
pub(super) fn is_locked(folder: &Path) -> bool {
    File::open(folder.join(LOCK_FILE)).is_ok_and(|file| file.try_lock().is_err())
}

/// What is known of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Its run goes on, or its bodies are needed.
    Needed,
    /// Its run has ended, and none of its bodies is needed.
    Over,
    /// Nobody knows of its run.
    Unknown,
}

/// Removes the spools below a folder that no process has and nobody needs. One that cannot be removed costs room and
/// nothing else. A folder that neither has a spool's lock nor is known as one's is somebody else's, and stays.
pub(super) fn remove_left(parent: &Path, need: impl Fn(&str) -> Need) {
    for folder in entries(parent) {
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let is_free = match File::open(folder.join(LOCK_FILE)) {
            Ok(lock) => lock.try_lock().is_ok(),
            // The lock may not have come to the disk.
            Err(_) => need(name) == Need::Over,
        };
        if is_free && need(name) != Need::Needed {
            remove(&folder);
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("the spool in {} cannot be removed: {error}", folder.display());
    }
}

/// A file under a name of its own. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Owned(PathBuf);

impl Owned {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // It may have been renamed.
    }
}

/// What a rename or a new name in a folder needs to be on the disk. Elsewhere than on Unix folders cannot be opened.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
