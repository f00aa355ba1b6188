//! What is known of the files below the folder, the journal of what is done to them, and the room on their disk.
#![expect(
    unsafe_code,
    reason = "the journal is written by calls of the system, past the wrappers"
)]

use std::collections::{HashMap, HashSet};
use std::env;
use std::ffi::{CString, OsStr, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::place::{Behind, Identity, behind, named};
use crate::real::fail;
use crate::record::Record;

/// Everything that is known, under its lock.
pub struct Watch {
    folder: PathBuf,
    files: HashMap<Identity, u64>,
    next: u64,
    /// Connections on which something like FTP or HTTP was said or heard.
    pub speaking: HashSet<u64>,
    journal: Option<c_int>,
    room: Option<Room>,
}

/// A disk that fills.
struct Room {
    left: usize,
    freed: Option<PathBuf>,
}

/// The watch; none when there is no folder to be watched.
pub fn watch() -> Option<MutexGuard<'static, Watch>> {
    static WATCH: OnceLock<Option<Mutex<Watch>>> = OnceLock::new();
    let watch = WATCH.get_or_init(|| Watch::from_environment().map(Mutex::new));
    Some(watch.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Watch {
    fn from_environment() -> Option<Self> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let folder = PathBuf::from(set("FLOW_FAULTS_FOLDER")?);
        let room = set("FLOW_FAULTS_ROOM").and_then(|room| room.to_str()?.parse().ok());
        Some(Self {
            folder,
            files: HashMap::new(),
            next: 0,
            speaking: HashSet::new(),
            journal: set("FLOW_FAULTS_JOURNAL").map(|path| open_journal(&path)),
            room: room.map(|left| Room {
                left,
                freed: set("FLOW_FAULTS_FREED").map(PathBuf::from),
            }),
        })
    }

    /// A path relative to the folder; none when it is not below it.
    pub fn below(&self, whole: &Path) -> Option<Vec<u8>> {
        let below = whole.strip_prefix(&self.folder).ok()?;
        Some(below.as_os_str().as_bytes().to_vec())
    }

    /// Whether there is a journal.
    pub fn writes_down(&self) -> bool {
        self.journal.is_some()
    }

    /// The number of the file behind a descriptor, if it is one of the folder's.
    pub fn file(&self, descriptor: c_int) -> Option<u64> {
        match behind(descriptor) {
            Behind::File(identity, _) => self.files.get(&identity).copied(),
            _ => None,
        }
    }

    /// The number of the file that has a name, if it is one of the folder's.
    pub fn file_named(&self, whole: &Path) -> Option<u64> {
        match named(whole) {
            Behind::File(identity, _) => self.files.get(&identity).copied(),
            _ => None,
        }
    }

    /// Gives a file its number. A new file gets a new one: its inode may have been another's before.
    pub fn opened(&mut self, descriptor: c_int, path: Option<Vec<u8>>, is_new: bool) {
        let Behind::File(identity, _) = behind(descriptor) else {
            return;
        };
        if !is_new && self.files.contains_key(&identity) {
            return;
        }
        self.next += 1;
        let file = self.next;
        self.files.insert(identity, file);
        if let Some(path) = path {
            self.write_down(&Record::Make { path, file });
        }
    }

    /// Appends to the journal. When it cannot be written, the program ends: half a journal proves nothing.
    pub fn write_down(&self, record: &Record) {
        let Some(journal) = self.journal else { return };
        let mut line = Vec::new();
        record.encode(&mut line);
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            // SAFETY: the bytes are there, and the descriptor is ours.
            let written = unsafe { libc::syscall(libc::SYS_write, journal, rest.as_ptr(), rest.len()) };
            let written = usize::try_from(written).ok().filter(|written| *written > 0);
            rest = &rest[written.unwrap_or_else(|| fail("the journal cannot be written"))..];
        }
    }

    /// How many of these bytes have room on the disk; they then have it no more.
    pub fn take_room(&mut self, bytes: usize) -> usize {
        let Some(room) = &mut self.room else { return bytes };
        if room.left < bytes
            && room
                .freed
                .as_deref()
                .is_some_and(|freed| !matches!(named(freed), Behind::Other))
        {
            self.room = None;
            return bytes;
        }
        let taken = room.left.min(bytes);
        room.left -= taken;
        taken
    }
}

/// Opened past the wrappers: one of them may have asked for the watch.
fn open_journal(path: &OsStr) -> c_int {
    let path = CString::new(path.as_bytes()).unwrap_or_default();
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
    // SAFETY: `path` ends in a zero.
    let opened = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o600) };
    let opened = c_int::try_from(opened).ok().filter(|opened| *opened >= 0);
    opened.unwrap_or_else(|| fail("FLOW_FAULTS_JOURNAL names no file that can be made"))
}
