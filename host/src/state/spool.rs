//! Bodies that are accepted and not yet done: small ones in memory, large ones in files.
//!
//! A spool belongs to one run. Its folder, and with it every body, is removed with the spool; what a killed process
//! has left is removed by the next one.

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tempfile::{NamedTempFile, TempDir, TempPath};

/// A body up to this length stays in memory while there is room: it saves a file for each of thousands of
/// small payloads.
const SMALL_BODY: usize = 64 * 1024;

/// All bodies in memory together, so that the memory of a run does not grow with the number of its payloads.
const MEMORY_BUDGET: u64 = 8 * 1024 * 1024;

/// Held by the process that uses the spool's folder, and free again when that has ended in whatever way.
const LOCK_FILE: &str = "spool.lock";

/// Where the bodies of one run are.
#[derive(Debug)]
pub struct Spool {
    folder: TempDir,
    _lock: File,
    in_memory: AtomicU64,
    stored: AtomicU64,
    /// Most bytes that may be stored at the same time; none: as much as the disk holds.
    quota: Option<u64>,
}

/// Why a body could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The quota of the spool is used up.
    #[error("the spool in {folder} is full: its quota of {quota} bytes is used up")]
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
    /// Makes a spool in a new folder below `parent`, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create(parent: &Path, quota: Option<u64>) -> anyhow::Result<Arc<Self>> {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        let folder = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a spool in {}", parent.display()))?;
        let lock = lock(folder.path())
            .with_context(|| format!("cannot lock the spool in {}", folder.path().display()))?;
        remove_left(parent);
        Ok(Arc::new(Self {
            folder,
            _lock: lock,
            in_memory: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            quota,
        }))
    }

    /// Begins a body.
    #[must_use]
    pub fn writer(self: &Arc<Self>) -> BodyWriter {
        BodyWriter {
            spool: Arc::clone(self),
            small: BytesMut::new(),
            file: None,
            length: 0,
        }
    }

    /// Stores a body that is at hand.
    ///
    /// # Errors
    /// As for [`BodyWriter::write`].
    pub fn store(self: &Arc<Self>, bytes: &[u8]) -> Result<Body, SpoolError> {
        let mut writer = self.writer();
        writer.write(bytes)?;
        writer.finish()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    fn disk(&self, source: io::Error) -> SpoolError {
        SpoolError::Disk {
            folder: self.path(),
            source,
        }
    }
}

/// The lock file has its name only when it is locked: another process must not take it for one that was left.
fn lock(folder: &Path) -> io::Result<File> {
    let made = folder.join("new.lock");
    let file = File::create_new(&made)?;
    file.lock()?;
    std::fs::rename(made, folder.join(LOCK_FILE))?;
    Ok(file)
}

/// Removes the spools of processes that were killed. One that cannot be removed costs room and nothing else.
fn remove_left(parent: &Path) {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    for folder in entries.map(|entry| entry.path()) {
        // Without a lock file it is no spool, or one that is being made at this moment.
        let Ok(lock) = File::open(folder.join(LOCK_FILE)) else {
            continue;
        };
        if lock.try_lock().is_ok()
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            tracing::warn!(
                "what an earlier run has left in {} cannot be removed: {error}",
                folder.display()
            );
        }
    }
}

/// A body being written. Dropping it forgets the bytes.
#[derive(Debug)]
pub struct BodyWriter {
    spool: Arc<Spool>,
    small: BytesMut,
    file: Option<NamedTempFile>,
    length: u64,
}

impl BodyWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// When the quota is used up or the disk is full or broken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let added = bytes.len() as u64;
        let stored = self.spool.stored.fetch_add(added, Ordering::Relaxed) + added;
        self.length += added;
        if let Some(quota) = self.spool.quota.filter(|quota| stored > *quota) {
            return Err(SpoolError::Quota {
                folder: self.spool.path(),
                quota,
            });
        }
        if self.file.is_none() && self.small.len() + bytes.len() <= SMALL_BODY {
            self.small.extend_from_slice(bytes);
            return Ok(());
        }
        self.append_to_file(bytes)
            .map_err(|source| self.spool.disk(source))
    }

    fn append_to_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            let mut file = NamedTempFile::new_in(self.spool.folder.path())?;
            file.write_all(&std::mem::take(&mut self.small))?;
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Keeps the bytes as a body.
    ///
    /// # Errors
    /// When the disk is full or broken.
    pub fn finish(mut self) -> Result<Body, SpoolError> {
        let small = self.small.len() as u64;
        if self.file.is_none() {
            if self.spool.in_memory.fetch_add(small, Ordering::Relaxed) + small <= MEMORY_BUDGET {
                let bytes = std::mem::take(&mut self.small).freeze();
                return Ok(self.into_body(Place::Memory(bytes)));
            }
            self.spool.in_memory.fetch_sub(small, Ordering::Relaxed);
            self.append_to_file(&[])
                .map_err(|source| self.spool.disk(source))?;
        }
        // The file is closed here: thousands of bodies must not hold thousands of descriptors.
        let place = match self.file.take() {
            Some(file) => Place::File(file.into_temp_path()),
            None => Place::Memory(Bytes::new()),
        };
        Ok(self.into_body(place))
    }

    fn into_body(mut self, place: Place) -> Body {
        // From here on the body answers for the length, not the writer.
        let length = std::mem::take(&mut self.length);
        Body(Arc::new(Stored {
            spool: Arc::clone(&self.spool),
            place,
            length,
            handed_over: AtomicBool::new(false),
        }))
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        self.spool.stored.fetch_sub(self.length, Ordering::Relaxed);
    }
}

/// A stored body. Clones share the bytes; the last one frees them.
#[derive(Debug, Clone)]
pub struct Body(Arc<Stored>);

#[derive(Debug)]
struct Stored {
    spool: Arc<Spool>,
    place: Place,
    length: u64,
    /// Its file has a second name, outside the spool.
    handed_over: AtomicBool,
}

#[derive(Debug)]
enum Place {
    Memory(Bytes),
    File(TempPath),
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.spool.stored.fetch_sub(self.length, Ordering::Relaxed);
        if let Place::Memory(bytes) = &self.place {
            self.spool
                .in_memory
                .fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        }
    }
}

impl Body {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.length
    }

    /// Whether there is not one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }

    /// The file that holds the bytes, for a large body. It must not be changed.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0.place {
            Place::Memory(_) => None,
            Place::File(path) => Some(path),
        }
    }

    /// Gives the file of a large body a second name, and tells whether it could. Once: two owners of one file would
    /// find each other's changes in it. Nobody must read the body after that.
    #[must_use]
    pub fn hand_over(&self, name: &Path) -> bool {
        let Place::File(file) = &self.0.place else {
            return false;
        };
        // Fails where the name is on another file system, or that has no links.
        !self.0.handed_over.swap(true, Ordering::Relaxed) && std::fs::hard_link(file, name).is_ok()
    }

    /// Reads from the first byte. Each reader is independent.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> io::Result<BodyReader> {
        Ok(match &self.0.place {
            Place::Memory(bytes) => BodyReader::Memory(bytes.clone()),
            Place::File(path) => BodyReader::File(File::open(path)?),
        })
    }
}

/// Reads a stored body.
#[derive(Debug)]
pub enum BodyReader {
    /// What is left of a small body.
    Memory(Bytes),
    /// A large body at its current position.
    File(File),
}

impl BodyReader {
    /// The next bytes, at most `limit`; empty at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_chunk(&mut self, limit: usize) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.split_to(limit.min(bytes.len()))),
            Self::File(file) => {
                let mut chunk = BytesMut::zeroed(limit);
                let read = file.read(&mut chunk)?;
                chunk.truncate(read);
                Ok(chunk.freeze())
            }
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => {
                let taken = bytes.split_to(buffer.len().min(bytes.len()));
                buffer[..taken.len()].copy_from_slice(&taken);
                Ok(taken.len())
            }
            Self::File(file) => file.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(quota: Option<u64>) -> (TempDir, Arc<Spool>) {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let spool = Spool::create(parent.path(), quota).expect("a spool");
        (parent, spool)
    }

    fn content(body: &Body) -> Vec<u8> {
        let mut bytes = Vec::new();
        body.open()
            .expect("opens")
            .read_to_end(&mut bytes)
            .expect("reads");
        bytes
    }

    #[test]
    fn a_small_body_stays_in_memory_and_a_large_one_goes_to_a_file() {
        let (_parent, spool) = spool(None);
        let small = spool.store(b"small").expect("stored");
        assert_eq!(small.path(), None);
        assert_eq!(content(&small), b"small");
        let bytes: Vec<u8> = (0..=255).cycle().take(SMALL_BODY + 1).collect();
        let large = spool.store(&bytes).expect("stored");
        assert!(large.path().is_some_and(Path::exists));
        assert_eq!(content(&large), bytes);
        assert_eq!(large.len(), bytes.len() as u64);
    }

    #[test]
    fn every_reader_starts_at_the_first_byte() {
        let (_parent, spool) = spool(None);
        let body = spool.store(&vec![7; SMALL_BODY * 2]).expect("stored");
        let mut first = body.open().expect("opens");
        assert_eq!(first.next_chunk(10).expect("reads").len(), 10);
        assert_eq!(content(&body).len(), SMALL_BODY * 2);
    }

    #[test]
    fn the_memory_of_many_small_bodies_is_bounded() {
        let (_parent, spool) = spool(None);
        let count = 2 * usize::try_from(MEMORY_BUDGET).expect("fits") / SMALL_BODY;
        let bodies: Vec<Body> = (0..count)
            .map(|_| spool.store(&vec![1; SMALL_BODY]).expect("stored"))
            .collect();
        assert!(spool.in_memory.load(Ordering::Relaxed) <= MEMORY_BUDGET);
        assert!(bodies.iter().any(|body| body.path().is_some()));
        assert!(bodies.iter().all(|body| content(body).len() == SMALL_BODY));
    }

    #[test]
    fn the_quota_is_a_typed_error_and_freed_bodies_give_room_again() {
        let (_parent, spool) = spool(Some(100));
        let body = spool.store(&[0; 80]).expect("there is room");
        let refused = spool.store(&[0; 21]).expect_err("there is no room");
        assert!(
            matches!(refused, SpoolError::Quota { quota: 100, .. }),
            "{refused}"
        );
        drop(body);
        spool.store(&[0; 100]).expect("there is room again");
    }

    #[test]
    fn files_go_with_the_last_body_and_the_folder_with_the_spool() {
        let (parent, spool) = spool(None);
        let body = spool.store(&vec![0; SMALL_BODY + 1]).expect("stored");
        let path = body.path().expect("a file").to_path_buf();
        let clone = body.clone();
        drop(body);
        assert!(path.exists());
        drop(clone);
        assert!(!path.exists());
        drop(spool);
        assert_eq!(std::fs::read_dir(parent.path()).expect("readable").count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_a_living_spool_is_not() {
        let (parent, living) = spool(None);
        let left = parent.path().join("run-killed");
        std::fs::create_dir(&left).expect("a folder");
        std::fs::write(left.join(LOCK_FILE), b"").expect("a lock that nobody holds");
        std::fs::write(left.join("body"), b"bytes").expect("a body");
        let _another = Spool::create(parent.path(), None).expect("a spool");
        assert!(!left.exists());
        assert!(living.path().exists());
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_nothing() {
        let (_parent, spool) = spool(Some(SMALL_BODY as u64 * 2));
        let mut writer = spool.writer();
        writer.write(&vec![0; SMALL_BODY + 1]).expect("there is room");
        drop(writer);
        // The lock file alone.
        assert_eq!(std::fs::read_dir(spool.path()).expect("readable").count(), 1);
        assert_eq!(spool.stored.load(Ordering::Relaxed), 0);
    }
}
