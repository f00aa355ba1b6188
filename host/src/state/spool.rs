//! Bodies that are accepted and not yet done.
//!
//! A spool is the folder of one run. There are two kinds. One that is *kept* belongs to a run in the ledger: a small body
//! goes into the payload's row, a large one into a file that is on the disk, whole and under its final name, before the
//! ledger hears of it. A *temporary* one has no ledger: small bodies are in memory, and all goes with it; what a killed
//! process has left of it is removed by the next one.

use super::body::{Body, Place};
use super::ledger::payloads::Stored;
use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use uuid::Uuid;

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
        BodyWriter {
            spool: Arc::clone(self),
            small: BytesMut::new(),
            file: None,
            hash: self.kept.then(blake3::Hasher::new),
            length: 0,
        }
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

/// How old a spool without a lock must be to be taken for one that was left while it was made.
const MAKING: Duration = Duration::from_mins(1);

/// Removes the spools below a folder that no process has and nobody needs. One that cannot be removed costs room and
/// nothing else.
pub(super) fn remove_left(parent: &Path, need: impl Fn(&str) -> Need) {
    for folder in entries(parent) {
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let is_free = match File::open(folder.join(LOCK_FILE)) {
            Ok(lock) => lock.try_lock().is_ok(),
            // It may be one that is being made at this moment.
            Err(_) => need(name) == Need::Over || is_old(&folder),
        };
        if is_free && need(name) != Need::Needed {
            remove(&folder);
        }
    }
}

fn is_old(folder: &Path) -> bool {
    let modified = fs::metadata(folder).and_then(|folder| folder.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > MAKING))
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

/// A body being written. Dropping it forgets the bytes.
#[derive(Debug)]
pub struct BodyWriter {
    spool: Arc<Spool>,
    small: BytesMut,
    file: Option<(Owned, File)>,
    /// Of what is kept.
    hash: Option<blake3::Hasher>,
    length: u64,
}

impl BodyWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// When the quota is used up or the disk is full or broken.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let added = bytes.len() as u64;
        self.length += added;
        if let Err(quota) = self.spool.quota.take(added) {
            let folder = self.spool.folder.clone();
            return Err(SpoolError::Quota { folder, quota });
        }
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
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
            let path = self
                .spool
                .folder
                .join(format!("{}.{PART}", Uuid::now_v7().simple()));
            let mut file = File::create_new(&path)?;
            let owned = Owned(path);
            file.write_all(&std::mem::take(&mut self.small))?;
            self.file = Some((owned, file));
        }
        let Some((_, file)) = &mut self.file else {
            return Ok(());
        };
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

    /// The spool that it writes to.
    #[must_use]
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// Keeps the bytes as a body of a temporary spool.
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
            self.spool.forget_in_memory(small);
            self.append_to_file(&[])
                .map_err(|source| self.spool.disk(source))?;
        }
        // The file is closed here: thousands of bodies must not hold thousands of descriptors.
        let place = match self.file.take() {
            Some((file, _)) => Place::Temporary(file),
            None => Place::Memory(Bytes::new()),
        };
        Ok(self.into_body(place))
    }

    fn into_body(mut self, place: Place) -> Body {
        // From here on the body answers for the length, not the writer.
        let length = std::mem::take(&mut self.length);
        Body::temporary(Arc::clone(&self.spool), place, length)
    }

    /// Keeps the bytes for the ledger. A large body is on the disk when this returns, under a name that tells its hash; it
    /// takes as long as the disk does.
    ///
    /// # Errors
    /// When the disk is full or broken.
    pub fn seal(mut self) -> Result<Sealed, SpoolError> {
        let hash = self.hash.take().unwrap_or_default().finalize();
        let file = match self.file.take() {
            Some((part, file)) => {
                let folder = self.spool.folder.file_name().unwrap_or_default().display();
                let name = format!("{folder}/{}.{}", hash.to_hex(), Uuid::now_v7().simple());
                let renamed = file
                    .sync_all()
                    .and_then(|()| fs::rename(part.path(), self.spool.file(&name)))
                    .and_then(|()| sync_folder(&self.spool.folder));
                renamed.map_err(|source| self.spool.disk(source))?;
                Some(name)
            }
            None => None,
        };
        let stored = Stored {
            size: std::mem::take(&mut self.length),
            hash: *hash.as_bytes(),
            bytes: file.is_none().then(|| std::mem::take(&mut self.small).to_vec()),
            file,
        };
        Ok(Sealed {
            spool: Arc::clone(&self.spool),
            stored: Some(stored),
        })
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        self.spool.quota.free(self.length);
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

/// A body that is on its way into the ledger. Unless it gets there, its bytes are forgotten.
#[derive(Debug)]
pub struct Sealed {
    spool: Arc<Spool>,
    stored: Option<Stored>,
}

impl Sealed {
    /// What the ledger is to record.
    #[must_use]
    pub fn stored(&self) -> Option<&Stored> {
        self.stored.as_ref()
    }

    /// The ledger has it.
    pub fn keep(mut self) {
        self.stored = None;
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        if let Some(stored) = self.stored.take() {
            self.spool.release(stored.size, stored.file.as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use tempfile::TempDir;

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
        assert!(living.folder().exists());
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_nothing() {
        let (_parent, spool) = spool(Some(SMALL_BODY as u64 * 2));
        let mut writer = spool.writer();
        writer.write(&vec![0; SMALL_BODY + 1]).expect("there is room");
        drop(writer);
        // The lock file alone.
        assert_eq!(std::fs::read_dir(spool.folder()).expect("readable").count(), 1);
        assert_eq!(spool.quota.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_sealed_is_kept_once_the_ledger_has_it_and_forgotten_otherwise() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let quota = Arc::new(Quota::new(None, 0));
        let spool = Spool::of_run(parent.path(), "run-1", Arc::clone(&quota)).expect("a spool");
        let seal = |length: usize| {
            let mut writer = spool.writer();
            writer.write(&vec![7; length]).expect("there is room");
            writer.seal().expect("sealed")
        };
        let small = seal(10);
        assert_eq!(
            small.stored().and_then(|stored| stored.bytes.clone()),
            Some(vec![7; 10])
        );
        small.keep();
        let large = seal(SMALL_BODY + 1);
        let stored = large.stored().expect("not kept yet").clone();
        let name = stored.file.expect("a file");
        let hash = blake3::hash(&vec![7; SMALL_BODY + 1]).to_hex();
        assert!(name.starts_with(&format!("run-1/{hash}.")), "{name}");
        large.keep();
        drop(seal(SMALL_BODY + 2));
        let used = 10 + SMALL_BODY as u64 + 1;
        assert_eq!(quota.used.load(Ordering::Relaxed), used);
        drop(spool);
        let spool = Spool::of_run(parent.path(), "run-1", quota).expect("the same spool");
        fs::write(spool.folder().join("x.part"), "cut").expect("written");
        spool.tidy(std::slice::from_ref(&name));
        let left: Vec<PathBuf> = entries(spool.folder()).collect();
        assert_eq!(left.len(), 2, "the lock and the body: {left:?}");
        spool.release(SMALL_BODY as u64 + 1, Some(&name));
        spool.tidy(&[]);
        assert!(!spool.folder().exists());
        assert_eq!(spool.quota.used.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn the_spool_of_a_run_is_one_processs() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let first = Spool::of_run(parent.path(), "run-1", Arc::default()).expect("a spool");
        assert!(Spool::of_run(parent.path(), "run-1", Arc::default()).is_err());
        for need in [Need::Over, Need::Unknown] {
            remove_left(parent.path(), |_| need);
            assert!(first.folder().exists());
        }
        drop(first);
        remove_left(parent.path(), |name| {
            assert_eq!(name, "run-1");
            Need::Needed
        });
        assert!(parent.path().join("run-1").exists());
        remove_left(parent.path(), |_| Need::Unknown);
        assert!(!parent.path().join("run-1").exists());
        // Its lock never came to the disk; or it is being made just now.
        fs::create_dir(parent.path().join("run-2")).expect("made");
        remove_left(parent.path(), |_| Need::Unknown);
        assert!(parent.path().join("run-2").exists());
        remove_left(parent.path(), |_| Need::Over);
        assert!(!parent.path().join("run-2").exists());
    }
}
