//! Bodies being written.

use super::{MEMORY_BUDGET, Owned, PART, SMALL_BODY, Spool, SpoolError, sync_folder};
use crate::state::body::{Body, Place};
use crate::state::ledger::payloads::Stored;
use bytes::{Bytes, BytesMut};
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uuid::Uuid;

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
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self {
            small: BytesMut::new(),
            file: None,
            hash: spool.kept.then(blake3::Hasher::new),
            length: 0,
            spool,
        }
    }

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
