//! The ledger: what runs have accepted and done, in one SQLite file that survives whatever ends the process.
//!
//! One thread writes. It takes all that waits for it into one transaction, so that many payloads which become safe at
//! the same time cost one flush of the disk. Reading goes past it. [`runs`] has the queries of runs and their steps,
//! [`payloads`] those of payloads, [`seen`] those of what a flow has had before, and
//! [`report`] those of whoever looks.

pub mod payloads;
pub mod report;
pub mod runs;
mod schema;
pub mod seen;
mod writer;

use super::spool::sync_folder;
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use writer::Writer;

pub use writer::Ticket;

/// How long a write waits for another process that writes to the same ledger. Its transactions take milliseconds.
const BUSY: Duration = Duration::from_secs(30);

/// The ledger cannot be used, or not now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// SQLite says no.
    #[error("the ledger {path} cannot be {doing}: {reason}{advice}")]
    Sqlite {
        /// Its file.
        path: PathBuf,
        /// `opened`, `read` or `written`.
        doing: &'static str,
        /// SQLite's own words.
        reason: String,
        /// What can be done about it; begins with `; ` where there is something.
        advice: &'static str,
    },
    /// It was made by a newer program.
    #[error(
        "the ledger {path} is of version {found}, and this flowhost knows versions up to {known}: use the newer flowhost \
         that made it, or another folder with `--state`"
    )]
    Newer {
        /// Its file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The file is something else.
    #[error("{path} is not a ledger of flowhost; it is left as it is. Name another folder with `--state`")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

/// The ledger of one state folder. Clones share it.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    reader: Mutex<Connection>,
    writer: Writer,
}

impl Ledger {
    /// Opens the ledger of a state folder, and makes it when there is none. An older one is brought up to date; one that
    /// is newer, broken, or something else stays as it is.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let path = folder.join("ledger.db");
        // Documents and names of partners are nobody else's business.
        private_file(&path)
            .and_then(|_| sync_folder(folder))
            .map_err(|error| LedgerError::Sqlite {
                path: path.clone(),
                doing: "opened",
                reason: error.to_string(),
                advice: "",
            })?;
        let mut connection = connect(&path).map_err(|error| refused(&path, "opened", &error))?;
        schema::migrate(&path, &mut connection)?;
        let reader = connect(&path).map_err(|error| refused(&path, "opened", &error))?;
        let writer = Writer::start(&path, connection);
        Ok(Self(Arc::new(Inner {
            path,
            reader: Mutex::new(reader),
            writer,
        })))
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Hands work to the thread that writes. What it did is on disk when the ticket says so; somebody who does not ask
    /// learns of a failure by [`Ledger::failure`].
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Ticket<T> {
        self.0.writer.write(work)
    }

    /// Waits until all that was handed in before is on disk. `since` is what [`Ledger::failures`] said before the first
    /// of it.
    ///
    /// # Errors
    /// When any of it could not be written.
    pub async fn settled(&self, since: u64) -> Result<(), LedgerError> {
        self.write(|_| Ok(())).durable().await?;
        self.failure(since).map_or(Ok(()), Err)
    }

    /// How many pieces of work could not be written so far.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.writer.failures()
    }

    /// A failure after so many. Nothing that was written after it is to be relied on.
    #[must_use]
    pub fn failure(&self, since: u64) -> Option<LedgerError> {
        self.0.writer.failure(since)
    }

    /// Reads what is on disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, LedgerError> {
        query(&self.reader()).map_err(|error| refused(&self.0.path, "read", &error))
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.0.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the file where there is none, for its owner alone. SQLite gives what it puts beside it the same permissions.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// An error of SQLite, with what somebody can do about it.
fn refused(path: &Path, doing: &'static str, error: &rusqlite::Error) -> LedgerError {
    use rusqlite::ErrorCode as Code;
    let advice = match error.sqlite_error_code() {
        Some(Code::NotADatabase) => {
            return LedgerError::Foreign {
                path: path.to_path_buf(),
            };
        }
        Some(Code::DiskFull) => {
            "; make room on the disk and run the flow again, which goes on where it stopped"
        }
        Some(Code::SystemIoFailure) => {
            "; look whether the disk is full or broken, and run the flow again, which goes on where it stopped"
        }
        Some(Code::DatabaseCorrupt) => {
            "; it is left as it is. Copy it away before anything else, and begin a new one with `--state`"
        }
        Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => {
            "; the account that runs flowhost must be able to write the folder"
        }
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => "; another process keeps it locked",
        _ => "",
    };
    LedgerError::Sqlite {
        path: path.to_path_buf(),
        doing,
        reason: error.to_string(),
        advice,
    }
}

/// Milliseconds since 1970, as the ledger writes times.
#[must_use]
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests;
