//! The one thread that writes to the ledger.

use super::{LedgerError, refused};
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Most pieces of work in one transaction: enough to share a flush, few enough that the first does not wait long.
const MOST: usize = 512;

/// Does its part within the transaction, and gives what is to be called when that has ended.
type Work = Box<dyn FnOnce(&Connection) -> Ended + Send>;
type Ended = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    /// None while the thread is ending.
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    failures: Arc<Mutex<Failures>>,
}

/// What could not be written.
#[derive(Debug, Default)]
struct Failures {
    count: u64,
    last: Option<LedgerError>,
}

impl Failures {
    fn add(failures: &Mutex<Self>, error: &LedgerError) {
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.count += 1;
        failures.last = Some(error.clone());
    }
}

/// Stands for work that was handed in.
#[derive(Debug)]
pub struct Ticket<T> {
    path: PathBuf,
    answer: oneshot::Receiver<Result<T, LedgerError>>,
}

impl<T> Ticket<T> {
    /// Waits until it is on disk.
    ///
    /// # Errors
    /// When it could not be written. Nothing of it was.
    pub async fn durable(self) -> Result<T, LedgerError> {
        self.answer.await.unwrap_or_else(|_| Err(gone(&self.path)))
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Ticket::durable`].
    ///
    /// # Panics
    /// On a thread that drives asynchronous work.
    pub fn wait(self) -> Result<T, LedgerError> {
        self.answer
            .blocking_recv()
            .unwrap_or_else(|_| Err(gone(&self.path)))
    }
}

fn gone(path: &Path) -> LedgerError {
    LedgerError::Sqlite {
        path: path.to_path_buf(),
        doing: "written",
        reason: "the thread that writes has ended".to_owned(),
        advice: "",
    }
}

impl Writer {
    pub(super) fn start(path: &Path, connection: Connection) -> Self {
        let (sender, receiver) = channel();
        let failures = Arc::new(Mutex::new(Failures::default()));
        let (own_path, own_failures) = (path.to_path_buf(), Arc::clone(&failures));
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write_all(&own_path, connection, &receiver, &own_failures));
        Self {
            path: path.to_path_buf(),
            work: thread.is_ok().then_some(sender),
            thread: thread.ok(),
            failures,
        }
    }

    /// How many pieces of work could not be written.
    pub(super) fn failures(&self) -> u64 {
        self.look().count
    }

    /// A failure after so many.
    pub(super) fn failure(&self, after: u64) -> Option<LedgerError> {
        let failures = self.look();
        failures.last.clone().filter(|_| failures.count > after)
    }

    fn look(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Ticket<T> {
        let (sender, answer) = oneshot::channel();
        let (path, failures) = (self.path.clone(), Arc::clone(&self.failures));
        let work: Work = Box::new(move |connection| {
            let done = within_savepoint(connection, work).map_err(|error| refused(&path, "written", &error));
            Box::new(move |committed| {
                let answer = committed.and(done);
                if let Err(error) = &answer {
                    Failures::add(&failures, error);
                }
                let _ = sender.send(answer); // Nobody may be waiting.
            })
        });
        if let Some(sender) = &self.work {
            let _ = sender.send(work); // The ticket tells when the thread has ended.
        }
        Ticket {
            path: self.path.clone(),
            answer,
        }
    }
}

impl Drop for Writer {
    /// What was handed in is written before the ledger is closed.
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(path: &Path, mut connection: Connection, work: &Receiver<Work>, failures: &Mutex<Failures>) {
    while let Ok(first) = work.recv() {
        let batch = std::iter::once(first).chain(work.try_iter().take(MOST - 1));
        let mut ended: Vec<Ended> = Vec::new();
        let committed = transaction(&mut connection, batch, &mut ended).map_err(|error| {
            let error = refused(path, "written", &error);
            Failures::add(failures, &error);
            error
        });
        for tell in ended {
            tell(committed.clone());
        }
    }
}

fn transaction(
    connection: &mut Connection,
    batch: impl Iterator<Item = Work>,
    ended: &mut Vec<Ended>,
) -> rusqlite::Result<()> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => {
            // Each of them learns of it by its ticket, which is dropped with it.
            drop(batch.collect::<Vec<_>>());
            return Err(error);
        }
    };
    for work in batch {
        ended.push(work(&transaction));
    }
    transaction.commit()
}

/// One piece of work that fails takes nothing of the others with it.
fn within_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute_batch("SAVEPOINT work")?;
    let done = work(connection);
    if done.is_err() {
        connection.execute_batch("ROLLBACK TO work")?;
    }
    connection.execute_batch("RELEASE work")?;
    done
}
