//! A stored body: in memory, in a file, or in a row of the ledger.

use super::ledger::Ledger;
use super::ledger::payloads::{self, Seq};
use super::pipe::PipeReader;
use super::spool::{Owned, Spool};
use bytes::{Bytes, BytesMut};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A stored body. Clones share the bytes; the last one of a temporary body frees them.
#[derive(Debug, Clone)]
pub struct Body(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    length: u64,
    /// Whose quota it draws on, until it is dropped; one that the ledger keeps stays.
    spool: Option<Arc<Spool>>,
    /// Its file has a second name, outside the spool.
    handed_over: AtomicBool,
}

/// Where the bytes are.
#[derive(Debug)]
pub(super) enum Place {
    /// Here.
    Memory(Bytes),
    /// In a file that goes with the body.
    Temporary(Owned),
    /// In a file that the ledger keeps.
    File(PathBuf),
    /// In the payload's row.
    Row(Ledger, Seq),
    /// On their way; none when somebody reads them already.
    Pipe(Mutex<Option<PipeReader>>),
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(spool) = &self.spool else { return };
        spool.quota().free(self.length);
        if let Place::Memory(bytes) = &self.place {
            spool.forget_in_memory(bytes.len() as u64);
        }
    }
}

impl Body {
    pub(super) fn temporary(spool: Arc<Spool>, place: Place, length: u64) -> Self {
        Self::new(place, length, Some(spool))
    }

    /// A body in memory, outside any quota.
    #[must_use]
    pub fn in_memory(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        Self::new(Place::Memory(bytes), length, None)
    }

    /// A small body that the ledger has.
    #[must_use]
    pub fn in_row(ledger: &Ledger, seq: Seq, length: u64) -> Self {
        Self::new(Place::Row(ledger.clone(), seq), length, None)
    }

    /// A large body that the ledger knows.
    #[must_use]
    pub fn in_file(path: PathBuf, length: u64) -> Self {
        Self::new(Place::File(path), length, None)
    }

    /// A body that is not stored: it can be read once. Its length is what it is said to be, or 0.
    #[must_use]
    pub fn on_its_way(pipe: PipeReader, length: u64) -> Self {
        Self::new(Place::Pipe(Mutex::new(Some(pipe))), length, None)
    }

    fn new(place: Place, length: u64, spool: Option<Arc<Spool>>) -> Self {
        Self(Arc::new(Inner {
            place,
            length,
            spool,
            handed_over: AtomicBool::new(false),
        }))
    }

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
            Place::Memory(_) | Place::Row(..) | Place::Pipe(_) => None,
            Place::Temporary(file) => Some(file.path()),
            Place::File(path) => Some(path),
        }
    }

    /// Gives the file of a large body a second name, and tells whether it could. Once: two owners of one file would
    /// find each other's changes in it. Nobody must read the body after that.
    #[must_use]
    pub fn hand_over(&self, name: &Path) -> bool {
        let Some(file) = self.path() else {
            return false;
        };
        // Fails where the name is on another file system, or that has no links.
        !self.0.handed_over.swap(true, Ordering::Relaxed) && fs::hard_link(file, name).is_ok()
    }

    /// Reads from the first byte. Each reader is independent; a body that is not stored has one.
    ///
    /// # Errors
    /// When the file or the ledger cannot be read; `ResourceBusy` for the second reader of a body that is not stored.
    pub fn open(&self) -> io::Result<BodyReader> {
        Ok(match &self.0.place {
            Place::Memory(bytes) => BodyReader::Memory(bytes.clone()),
            Place::Temporary(file) => BodyReader::File(File::open(file.path())?),
            Place::File(path) => BodyReader::File(File::open(path)?),
            Place::Row(ledger, seq) => {
                let bytes = ledger.read(|connection| payloads::body(connection, *seq));
                BodyReader::Memory(bytes.map_err(io::Error::other)?.into())
            }
            Place::Pipe(pipe) => {
                let pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
                BodyReader::Pipe(pipe.ok_or_else(|| io::Error::from(io::ErrorKind::ResourceBusy))?)
            }
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
    /// A body that is on its way. Only who can wait may read it.
    Pipe(PipeReader),
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
            Self::Pipe(_) => Err(io::ErrorKind::Unsupported.into()),
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
            Self::Pipe(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
