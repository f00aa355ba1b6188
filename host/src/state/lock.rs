//! Locks between processes: held while a file is locked, and free when the process has ended in whatever way.

use super::spool::private_folder;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Often enough that nobody notices the wait, rarely enough to cost nothing.
const PAUSE: Duration = Duration::from_millis(200);

/// A lock that this process holds; free again when it is dropped.
///
/// Its file stays: whoever removed it might remove one that another process has just locked.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of this name in a folder, which is made when it is not there; none while another has it.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub fn try_take(folder: &Path, name: &str) -> io::Result<Option<Self>> {
        // Whoever may open a lock can keep it.
        private_folder(folder)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(file_name(name)))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits for the lock. To be dropped when the wait is over.
    ///
    /// # Errors
    /// As [`Lock::try_take`].
    pub async fn take(folder: &Path, name: &str) -> io::Result<Self> {
        loop {
            if let Some(lock) = Self::try_take(folder, name)? {
                return Ok(lock);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What can be read of the name, and a digest that keeps apart what cannot.
fn file_name(name: &str) -> String {
    let readable = name
        .chars()
        .take(40)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let digest = blake3::hash(name.as_bytes()).to_hex();
    format!("{}-{}.lock", readable.collect::<String>(), &digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_one_processs_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = |name| Lock::try_take(&folder.path().join("locks"), name).expect("no error");
        let held = take("a flow").expect("free");
        assert!(take("a flow").is_none());
        assert!(take("a-flow").is_some(), "another name is another lock");
        drop(held);
        assert!(take("a flow").is_some());
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_lock_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = Lock::try_take(folder.path(), "x").expect("no error");
        let waiting = tokio::time::timeout(Duration::from_millis(1), Lock::take(folder.path(), "x"));
        assert!(waiting.await.is_err());
        drop(held);
        Lock::take(folder.path(), "x").await.expect("free");
    }
}
