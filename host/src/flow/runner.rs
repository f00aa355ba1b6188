//! Runs a flow: one step after the other, each over the payloads that wait for it in the ledger.

mod attempts;
pub(in crate::flow) mod book;
mod start;

use super::file::OnError;
use super::redact::redacted;
use super::step::{Session, Work};
use super::template::Scope;
use super::{Flow, Step};
use crate::contract::LogLevel;
use crate::event::{Event, Events};
use crate::failure::Failure;
use crate::policy::Policy;
use crate::state::ledger::runs::{self, Recorded, Totals};
use crate::state::ledger::{LedgerError, payloads};
use crate::state::spool::Spool;
use crate::state::store::Store;
use attempts::Ended;
use book::{Book, Place};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use start::{Again, retry, run};

/// How a flow is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The folder for what runs keep on disk.
    pub state: PathBuf,
    /// The same, opened: for a process with many runs. None: it is opened for this run.
    pub store: Option<Arc<Store>>,
    /// Most bytes of bodies that may be stored at the same time; none: as much as the disk holds.
    pub spool_quota: Option<u64>,
    /// What the run is called; none: a new id is made.
    pub run_id: Option<String>,
    /// Whether a run that finds nothing is left out of the ledger.
    pub forget_empty: bool,
    /// Where events go.
    pub events: Events,
    /// The quietest log lines that become events. At `trace` connectors tell their dialogue with the remote system.
    pub log_threshold: LogLevel,
    /// Ends the run early. It goes on from there when the flow is run again.
    pub cancel: CancellationToken,
    /// What the operator says: what connectors may reach and use.
    pub policy: Policy,
}

impl RunOptions {
    /// No quota, the usual policy, no dialogue, and nobody who listens or cancels.
    #[must_use]
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            store: None,
            spool_quota: None,
            run_id: None,
            forget_empty: false,
            events: Events::none(),
            log_threshold: LogLevel::Debug,
            cancel: CancellationToken::new(),
            policy: Policy::default(),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing failed.
    Ok,
    /// Something failed.
    Failed,
    /// It was asked to end before it was done, and goes on when the flow is run again.
    Interrupted,
    /// It did not begin: another run of the flow goes on.
    Skipped,
}

impl Status {
    /// What a report calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
        }
    }
}

/// How a run ended: the same as its last event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// Identifies the run.
    pub run: String,
    /// How it ended.
    pub status: Status,
    /// Payloads that the run made.
    pub payloads: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Things that were skipped.
    pub skipped: u64,
    /// Payloads that failed, steps that failed without one, and problems with payloads that did not fail.
    pub failed: u64,
    /// Earlier runs of the flow that were interrupted, and were ended before this one began.
    pub resumed: Vec<RunReport>,
}

impl RunReport {
    fn new(run: &str, status: Status, totals: Totals) -> Self {
        Self {
            run: run.to_owned(),
            status,
            payloads: totals.payloads,
            bytes: totals.bytes,
            skipped: totals.skipped,
            failed: totals.failed,
            resumed: Vec::new(),
        }
    }

    /// Whether nothing failed, in it or in a run that it went on with.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok && self.resumed.iter().all(Self::is_ok)
    }
}

/// Everything that lives as long as the run.
struct Run<'a> {
    flow: &'a Flow,
    recorded: Recorded,
    scope: Scope,
    events: Events,
    options: &'a RunOptions,
    store: Arc<Store>,
    spool: Arc<Spool>,
    session: Session,
    /// How many writes to the ledger had failed before.
    failures: u64,
}

impl<'a> Run<'a> {
    fn new(
        flow: &'a Flow,
        recorded: Recorded,
        options: &'a RunOptions,
        store: &Arc<Store>,
        spool: &Arc<Spool>,
    ) -> Self {
        let began = Timestamp::from_millisecond(recorded.started).unwrap_or_else(|_| Timestamp::now());
        Self {
            flow,
            scope: Scope::of_run(&flow.name, &recorded.id, began, &recorded.variables),
            events: redacted(&options.events, &flow.redactor),
            recorded,
            options,
            store: Arc::clone(store),
            spool: Arc::clone(spool),
            session: Session::default(),
            failures: store.ledger.failures(),
        }
    }

    /// Does what is left to do, and says how it ended.
    ///
    /// # Errors
    /// When the ledger or the disk fails. The run goes on from there when the flow is run again.
    async fn finish(mut self) -> anyhow::Result<RunReport> {
        let interrupted = self.steps().await.map_err(host_failure)?;
        // The connectors sign out before the run is called done.
        self.session = Session::default();
        let run = self.recorded.run;
        let totals = self
            .store
            .ledger
            .read(|connection| runs::totals(connection, run))?;
        let report = if interrupted {
            RunReport::new(&self.recorded.id, Status::Interrupted, totals)
        } else {
            let well = totals.failed == 0;
            let forget = self.options.forget_empty;
            let finished = self.store.ledger.write(move |connection| {
                if well {
                    payloads::forget_streams(connection, run)?;
                }
                if forget && runs::is_empty(connection, run)? {
                    return runs::forget(connection, run);
                }
                runs::finish(connection, run, well)
            });
            finished.durable().await?;
            let status = if well { Status::Ok } else { Status::Failed };
            RunReport::new(&self.recorded.id, status, totals)
        };
        let id = &self.recorded.id;
        let needed = self
            .store
            .ledger
            .read(|connection| payloads::files(connection, id))?;
        self.spool.tidy(&needed);
        self.events.send(&Event::RunFinished {
            status: report.status.name(),
            payloads: report.payloads,
            bytes: report.bytes,
            skipped: report.skipped,
            failed: report.failed,
            run: report.run.clone(),
        });
        Ok(report)
    }

    /// Runs the steps; true when the run was asked to end before they were done.
    async fn steps(&mut self) -> Result<bool, Failure> {
        loop {
            let mut more = false;
            for (position, step) in (0_i64..).zip(&self.flow.steps) {
                match self.step(position, step).await? {
                    Some(Ended::Interrupted) => return Ok(true),
                    Some(Ended::More) => more = true,
                    Some(Ended::Done) | None => {}
                }
                // Also what failed before the run was interrupted. A problem with a payload that is delivered is no
                // reason to keep it from the later steps.
                if step.on_error == OnError::Stop && self.has_failed(position).map_err(broken)? {
                    return Ok(false);
                }
            }
            if !more {
                return Ok(false);
            }
        }
    }

    fn has_failed(&self, position: i64) -> Result<bool, LedgerError> {
        let run = self.recorded.run;
        self.store
            .ledger
            .read(|connection| runs::has_failed(connection, run, position))
    }

    /// Runs a step, if anything waits for it.
    async fn step(&mut self, position: i64, step: &Step) -> Result<Option<Ended>, Failure> {
        let deadline = Instant::now() + step.timeout;
        let place = Place {
            run: self.recorded.run,
            run_id: self.recorded.id.clone(),
            flow: self.flow.name.clone(),
            position,
            step: step.id.clone(),
            steps: i64::try_from(self.flow.steps.len()).unwrap_or(i64::MAX),
        };
        let book = Arc::new(Book {
            store: Arc::clone(&self.store),
            spool: Arc::clone(&self.spool),
            place,
            dedupe: step.dedupe,
            retry: step.retry.clone(),
            events: self.events.clone(),
            redactor: self.flow.redactor.clone(),
            cancel: self.options.cancel.clone(),
            deadline,
            failures: self.failures,
            state: std::sync::Mutex::default(),
        });
        if book.waiting().map_err(broken)? == 0 {
            return Ok(None); // Nothing to do is no failure.
        }
        if self.options.cancel.is_cancelled() {
            self.cancelled(step);
            return Ok(Some(Ended::Interrupted));
        }
        // Before anything is done: what a killed run was at has to be looked at.
        self.mark(position, "running").await?;
        let work = Work {
            flow: self.flow,
            step: &step.id,
            book: &book,
            attempt: 1,
            scope: &self.scope,
            run_id: &self.recorded.id,
            events: &self.events,
            cancel: &self.options.cancel,
            log_threshold: self.options.log_threshold,
            policy: &self.options.policy,
            deadline,
            timeout: step.timeout,
        };
        let ended = attempts::all(step, work, &mut self.session).await?;
        match ended {
            Ended::Interrupted => self.cancelled(step),
            Ended::More | Ended::Done => {
                let failed = self.has_failed(position).map_err(broken)?;
                self.mark(position, if failed { "failed" } else { "done" })
                    .await?;
            }
        }
        Ok(Some(ended))
    }

    /// Says where a step is. What waits for it borrows nothing of the run: live connectors are one thread's at a time.
    fn mark(
        &self,
        position: i64,
        state: &'static str,
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        let run = self.recorded.run;
        let marked = self
            .store
            .ledger
            .write(move |connection| runs::step(connection, run, position, state));
        async move { marked.durable().await.map_err(broken) }
    }

    fn cancelled(&self, step: &Step) {
        self.events.send(&Event::StepFailed {
            step: step.id.clone(),
            kind: "cancelled".to_owned(),
            message: "the run was asked to end; it goes on from here when the flow is run again".to_owned(),
            code: None,
        });
    }
}

fn broken(error: LedgerError) -> Failure {
    Failure::Host(error.into())
}

fn host_failure(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Host(error) => error,
        failure => failure.into(),
    }
}

#[cfg(test)]
mod tests;
