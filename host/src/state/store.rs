//! The state folder as a whole.

use super::body::Body;
use super::ledger::{Ledger, payloads, report, runs, seen};
use super::lock::Lock;
use super::spool::{Need, Quota, Spool, is_locked, private_folder, remove_left};
use anyhow::Context as _;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state folder of a process. Other processes may use the same one.
#[derive(Debug)]
pub struct Store {
    /// What was accepted and done.
    pub ledger: Ledger,
    folder: PathBuf,
    quota: Arc<Quota>,
    /// The runs that this process works on.
    active: Mutex<HashSet<String>>,
    /// A run has used up bodies in the spools of others.
    untidy: AtomicBool,
}

/// A run that this process works on.
#[derive(Debug)]
pub struct Active {
    /// Where its bodies are.
    pub spool: Arc<Spool>,
    store: Arc<Store>,
    run: String,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.store.active().remove(&self.run);
        if self.store.untidy.swap(false, Ordering::Relaxed) {
            self.store.sweep();
        }
    }
}

impl Store {
    /// Opens a state folder, and makes it when it is not there. `quota` is the most bytes of bodies that this process adds
    /// to those that are kept already.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(folder: &Path, quota: Option<u64>) -> anyhow::Result<Arc<Self>> {
        private_folder(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let ledger = Ledger::open(folder)?;
        let kept = ledger.read(payloads::bytes_kept)?;
        drop(ledger.write(seen::forget_expired));
        let store = Self {
            ledger,
            folder: folder.to_path_buf(),
            quota: Arc::new(Quota::new(quota, kept)),
            active: Mutex::default(),
            untidy: AtomicBool::new(false),
        };
        store.sweep();
        Ok(Arc::new(store))
    }

    /// Begins to work on a run; none when somebody does already, in this process or another.
    ///
    /// # Errors
    /// When the folder of its bodies cannot be made.
    pub fn work_on(self: &Arc<Self>, run: &str) -> anyhow::Result<Option<Active>> {
        // Asked of this process first: many runs at once are not to ask the disk for each other.
        if !self.active().insert(run.to_owned()) {
            return Ok(None);
        }
        let spool = if self.is_worked_on(run) {
            Ok(None)
        } else {
            self.spool(run).map(Some)
        };
        if !matches!(spool, Ok(Some(_))) {
            self.active().remove(run);
        }
        Ok(spool?.map(|spool| Active {
            spool,
            store: Arc::clone(self),
            run: run.to_owned(),
        }))
    }

    fn active(&self) -> MutexGuard<'_, HashSet<String>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run takes payloads over from others, and with them bodies in their spools.
    pub fn takes_over(&self) {
        self.untidy.store(true, Ordering::Relaxed);
    }

    fn spool(&self, run: &str) -> anyhow::Result<Arc<Spool>> {
        let spool = Spool::of_run(&self.spools(), run, Arc::clone(&self.quota))?;
        // What a killed process was writing.
        let needed = self.ledger.read(|connection| payloads::files(connection, run))?;
        if !needed.is_empty() {
            spool.tidy(&needed);
        }
        Ok(spool)
    }

    /// Whether a process works on a run.
    #[must_use]
    pub fn is_worked_on(&self, run: &str) -> bool {
        is_locked(&self.spools().join(run))
    }

    /// Removes a run with what its spool holds; false when a process works on it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn forget(&self, run: &str) -> anyhow::Result<bool> {
        let Ok(spool) = Spool::of_run(&self.spools(), run, Arc::clone(&self.quota)) else {
            return Ok(false);
        };
        let id = run.to_owned();
        let forgotten = self
            .ledger
            .write(move |connection| match runs::by_id(connection, &id)? {
                Some(recorded) => runs::forget(connection, recorded.run),
                None => Ok(()),
            });
        forgotten.durable().await?;
        // Another run may have taken some of it over.
        let needed = self.ledger.read(|connection| payloads::files(connection, run))?;
        spool.tidy(&needed);
        Ok(true)
    }

    /// Reads the body of a document that is kept.
    ///
    /// # Errors
    /// When it is not kept, or cannot be read.
    pub fn body(&self, number: i64) -> anyhow::Result<Body> {
        let kept = self.ledger.read(|connection| report::kept(connection, number))?;
        let (bytes, file) = kept.with_context(|| format!("the document {number} is not kept"))?;
        let length = bytes.map_or(0, |bytes| bytes.len() as u64);
        Ok(match file {
            Some(file) => Body::in_file(self.spools().join(file), length),
            None => Body::in_row(&self.ledger, number, length),
        })
    }

    /// Takes the lock of a flow, as whoever runs it does; none while another process or run has it.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn lock(&self, flow: &str) -> anyhow::Result<Option<Lock>> {
        Lock::try_take(&self.locks(), &lock_name(flow)).with_context(|| self.no_lock())
    }

    /// Waits for the lock of a flow.
    ///
    /// # Errors
    /// As [`Store::lock`].
    pub async fn wait_for_lock(&self, flow: &str) -> anyhow::Result<Lock> {
        let lock = Lock::take(&self.locks(), &lock_name(flow)).await;
        lock.with_context(|| self.no_lock())
    }

    /// The folder of the locks.
    #[must_use]
    pub fn locks(&self) -> PathBuf {
        self.folder.join("locks")
    }

    /// Removes what nobody needs any more from the folder of the spools.
    pub fn sweep(&self) {
        remove_left(&self.spools(), |run| {
            let need = self.ledger.read(|connection| {
                let files = payloads::files(connection, run)?;
                Ok(match runs::by_id(connection, run)? {
                    _ if !files.is_empty() => Need::Needed,
                    Some(recorded) if recorded.state == "running" => Need::Needed,
                    Some(_) => Need::Over,
                    None => Need::Unknown,
                })
            });
            // Where the ledger does not tell, it is better kept.
            need.unwrap_or(Need::Needed)
        });
    }

    fn spools(&self) -> PathBuf {
        self.folder.join("spool")
    }

    fn no_lock(&self) -> String {
        format!("cannot make a lock in {}", self.locks().display())
    }
}

fn lock_name(flow: &str) -> String {
    format!("flow {flow}")
}
