//! What one step of a run has to do, and what becomes of it: the ledger as a step sees it.
//!
//! Everything that happens to a payload is written as it happens, and what a try of the step comes to is decided when it
//! ends. What must not be done twice waits for the disk; the rest is written behind it.

mod making;
mod tally;

use crate::contract::{Effect, Error, ErrorKind, Metadata, Retry};
use crate::event::{Event, Events};
use crate::failure::Failure;
use crate::flow::dedupe::Dedupe;
use crate::flow::retry::{RetryPolicy, jitter};
use crate::flow::secret::Redactor;
use crate::payload::Payload;
use crate::state::body::Body;
use crate::state::ledger::payloads::{self, After, Passed, Recorded, Seq};
use crate::state::ledger::runs::{self, Problem};
use crate::state::ledger::{LedgerError, Ticket};
use crate::state::spool::Spool;
use crate::state::store::Store;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tally::Tally;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use tally::End;

/// Payloads that are read from the ledger at a time.
const BATCH: u32 = 128;

/// Which step of which run.
#[derive(Debug, Clone)]
pub(in crate::flow) struct Place {
    /// The run's row.
    pub(in crate::flow) run: i64,
    /// The run's id.
    pub(in crate::flow) run_id: String,
    /// The flow's name.
    pub(in crate::flow) flow: String,
    /// The step's position.
    pub(in crate::flow) position: i64,
    /// The step's id.
    pub(in crate::flow) step: String,
    /// How many steps the flow has.
    pub(in crate::flow) steps: i64,
}

/// What a step has to do, and what becomes of it.
pub(in crate::flow) struct Book {
    pub(in crate::flow) store: Arc<Store>,
    pub(in crate::flow) spool: Arc<Spool>,
    pub(in crate::flow) place: Place,
    pub(in crate::flow) dedupe: Dedupe,
    pub(in crate::flow) retry: RetryPolicy,
    pub(in crate::flow) events: Events,
    pub(in crate::flow) redactor: Redactor,
    pub(in crate::flow) cancel: CancellationToken,
    pub(in crate::flow) deadline: Instant,
    /// How many writes to the ledger had failed when the run began.
    pub(super) failures: u64,
    pub(super) state: Mutex<Tally>,
}

/// A payload in the hands of a step.
#[derive(Debug, Clone)]
pub(in crate::flow) struct Item {
    pub(in crate::flow) seq: Seq,
    pub(in crate::flow) payload: Payload,
    /// Whether nobody knows how far an earlier try came, and what was noted in it.
    #[expect(
        clippy::option_option,
        reason = "a try that may have been made is one thing, its note another"
    )]
    pub(in crate::flow) earlier: Option<Option<String>>,
    /// The run that accepted it first.
    pub(in crate::flow) origin: String,
}

impl Book {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a payload only stands for the run itself.
    pub(in crate::flow) fn is_trigger(&self, payload: &Payload) -> bool {
        payload.body.is_none() && payload.metadata.id == self.place.run_id
    }

    /// Why nothing more can be done: what cannot be written down has not happened.
    pub(in crate::flow) fn broken(&self) -> Option<LedgerError> {
        self.store.ledger.failure(self.failures)
    }

    // What the step has to do.

    /// How many payloads wait for the step.
    pub(super) fn waiting(&self) -> Result<u64, LedgerError> {
        let (run, position) = (self.place.run, self.place.position);
        self.store
            .ledger
            .read(|connection| payloads::waiting(connection, run, position))
    }

    /// The next payload that this try has not had.
    pub(in crate::flow) fn next(&self) -> Result<Option<Item>, LedgerError> {
        let mut tally = self.tally();
        if tally.ready.is_empty() {
            let (run, position, after) = (self.place.run, self.place.position, tally.last);
            let ledger = &self.store.ledger;
            let batch = ledger.read(|connection| payloads::to_do(connection, run, position, after, BATCH))?;
            tally.last = batch.last().map_or(after, |recorded| recorded.seq);
            tally.ready = batch
                .into_iter()
                .map(|recorded| self.item(recorded))
                .collect::<VecDeque<_>>();
        }
        let item = tally.ready.pop_front();
        tally.handed_out |= item.is_some();
        Ok(item)
    }

    fn item(&self, recorded: Recorded) -> Item {
        let Recorded {
            seq,
            metadata,
            size,
            stored,
            file,
            unknown,
            note,
            origin,
        } = recorded;
        let body = size.filter(|_| stored).map(|size| match &file {
            Some(file) => Body::in_file(self.spool.file(file), size),
            None => Body::in_row(&self.store.ledger, seq, size),
        });
        Item {
            seq,
            payload: Payload { metadata, body },
            earlier: unknown.then_some(note),
            origin,
        }
    }

    // What becomes of it.

    /// Keeps a connector's note.
    pub(in crate::flow) async fn note(&self, seq: Seq, text: String) -> Result<(), Error> {
        let noted = self
            .store
            .ledger
            .write(move |connection| payloads::note(connection, seq, &text));
        noted.durable().await.map_err(|error| internal(&error))
    }

    /// A payload came through the step. `facts` is what the step says of it, for the ledger.
    pub(in crate::flow) fn pass(
        &self,
        item: &Item,
        metadata: Metadata,
        facts: &serde_json::Value,
        bytes: u64,
    ) {
        let payload = Payload {
            metadata,
            body: item.payload.body.clone(),
        };
        self.tell_done(&payload);
        let through = self.place.position + 1 >= self.place.steps;
        let passed = Passed {
            seq: item.seq,
            metadata: payload.metadata,
            step: self.place.position,
            through,
            place: facts["path"].as_str().map(str::to_owned),
            proof: self.redactor.redact(&facts.to_string()),
        };
        {
            let mut tally = self.tally();
            tally.bytes = tally.bytes.saturating_add(bytes);
            tally.passed += 1;
        }
        let written = self
            .store
            .ledger
            .write(move |connection| payloads::pass(connection, &passed));
        self.release(item.payload.body.clone().filter(|_| through), written);
    }

    /// A payload that is through needs its body no more. Nobody waits for that, but the ledger is first.
    pub(super) fn release(&self, body: Option<Body>, written: Ticket<()>) {
        let Some(body) = body else { return };
        let spool = Arc::clone(&self.spool);
        self.tally().behind.spawn(async move {
            if written.durable().await.is_ok() {
                spool.release_body(&body);
            }
        });
    }

    /// A payload ended in the step.
    pub(in crate::flow) fn consume(&self, item: &Item) {
        self.tally().consumed.push((item.seq, item.payload.body.clone()));
    }

    /// A payload failed in the step.
    pub(in crate::flow) fn fail(&self, item: &Item, error: Error) {
        let (seq, attempt) = (item.seq, self.tally().attempt);
        if self.is_interrupted(&error) {
            self.lose(item);
            return;
        }
        let after = match self.pause(&error.retry) {
            Some(pause) => {
                self.tally().wait(pause, &error.message);
                let look = error.effect == Effect::Unknown;
                After::Again { look }
            }
            // No document failed: the step itself did.
            None if self.is_trigger(&item.payload) => {
                self.tally().failed += 1;
                self.step_failed(&Failure::Connector(error.clone()));
                self.problem(
                    true,
                    None,
                    error.kind.name(),
                    &error.message,
                    error.code.as_deref(),
                );
                After::Parked
            }
            None => {
                self.tell_failed(item.payload.label(), &error);
                After::Parked
            }
        };
        let error = self.redacted(error);
        drop(
            self.store
                .ledger
                .write(move |connection| payloads::fail(connection, seq, attempt, &error, after)),
        );
    }

    /// Nobody knows how far this try came with a payload: the next one has to look.
    pub(in crate::flow) fn lose(&self, item: &Item) {
        let seq = item.seq;
        drop(
            self.store
                .ledger
                .write(move |connection| payloads::lose(connection, seq)),
        );
    }

    /// The step was given a payload and said nothing of it.
    pub(in crate::flow) fn unsettled(&self, item: Item) {
        self.lose(&item);
        self.tally().unsettled.push(item);
    }

    /// A payload that the step began to make will not come, unless the same try still makes it.
    pub(in crate::flow) fn lost(&self, metadata: &Metadata, error: Error) {
        let key = (metadata.id.clone(), metadata.version.clone());
        let label = metadata.name.clone().unwrap_or_else(|| metadata.id.clone());
        self.tally().given_up.insert(key, (label, error));
    }

    /// The same, when the try is over.
    fn lost_for_good(&self, label: &str, error: &Error) {
        if self.is_interrupted(error) {
            self.tally().lost = true;
            return;
        }
        if let Some(pause) = self.pause(&error.retry) {
            let mut tally = self.tally();
            tally.wait(pause, &error.message);
            tally.lost = true;
            return;
        }
        self.tell_failed(label, error);
        self.problem(
            true,
            Some(label),
            error.kind.name(),
            &error.message,
            error.code.as_deref(),
        );
    }

    /// There is a problem with a payload that is safe. False when it was told before.
    pub(in crate::flow) fn trouble(&self, label: &str, problem: &Error) -> bool {
        let key = (label.to_owned(), problem.kind.name(), problem.message.clone());
        let new = self.tally().told.insert(key);
        if new {
            self.tally().problems += 1;
            let (kind, code) = (problem.kind.name(), problem.code.as_deref());
            self.problem(false, Some(label), kind, &problem.message, code);
        }
        new
    }

    /// Adds to what was skipped, and to the bytes that moved.
    pub(in crate::flow) fn count(&self, skipped: u64, bytes: u64) {
        let mut tally = self.tally();
        // What a connector counts is its own affair; it may be anything.
        tally.skipped = tally.skipped.saturating_add(skipped);
        tally.bytes = tally.bytes.saturating_add(bytes);
    }

    /// A payload was begun, and nothing more was said of it.
    pub(in crate::flow) fn unfinished(&self, metadata: Metadata) {
        self.tally().unfinished.push(metadata);
    }

    /// Whether another payload of this run has a place in this step.
    pub(in crate::flow) async fn is_taken(&self, place: &str, but: Seq) -> Result<bool, Error> {
        let (run, position, place) = (self.place.run, self.place.position, place.to_owned());
        // By the thread that writes, behind what was written just now.
        let taken = self
            .store
            .ledger
            .write(move |connection| payloads::is_taken(connection, run, position, &place, but));
        taken.durable().await.map_err(|error| internal(&error))
    }

    // The end of a try.

    /// Whether a failure is no more than the run's coming to an end: then nothing has failed, and the run goes on from
    /// here when it is taken up again. It ends when it is asked to, and when the ledger cannot be written.
    fn is_interrupted(&self, error: &Error) -> bool {
        error.kind == ErrorKind::Cancelled && self.cancel.is_cancelled() || self.broken().is_some()
    }

    /// The pause before the next try, if there is one.
    fn pause(&self, retry: &Retry) -> Option<Duration> {
        let pause = self.retry.pause(self.tally().attempt, retry, jitter())?;
        // A pause beyond the step's deadline would end in a time-out that hides the reason.
        (Instant::now() + pause < self.deadline && !self.cancel.is_cancelled()).then_some(pause)
    }

    /// A step as a whole failed.
    pub(super) fn step_failed(&self, failure: &Failure) {
        let code = match failure {
            Failure::Connector(error) => error.code.clone(),
            _ => None,
        };
        self.events.send(&Event::StepFailed {
            step: self.place.step.clone(),
            kind: failure.kind().to_owned(),
            message: failure.to_string(),
            code,
        });
    }

    fn tell_done(&self, payload: &Payload) {
        if self.is_trigger(payload) {
            return;
        }
        self.events.send(&Event::PayloadDone {
            step: self.place.step.clone(),
            payload: payload.label().to_owned(),
            bytes: payload.body.as_ref().map_or(0, Body::len),
            attributes: payload.metadata.attributes.clone(),
        });
    }

    fn tell_failed(&self, payload: &str, error: &Error) {
        self.tally().failed += 1;
        self.events.send(&Event::PayloadFailed {
            step: self.place.step.clone(),
            payload: payload.to_owned(),
            kind: error.kind.name().to_owned(),
            message: error.message.clone(),
            code: error.code.clone(),
        });
    }

    fn problem(&self, failure: bool, payload: Option<&str>, kind: &str, message: &str, code: Option<&str>) {
        let problem = Problem {
            failure,
            payload: payload.map(|payload| self.redactor.redact(payload)),
            kind: kind.to_owned(),
            message: self.redactor.redact(message),
            code: code.map(str::to_owned),
        };
        let (run, position) = (self.place.run, self.place.position);
        drop(
            self.store
                .ledger
                .write(move |connection| runs::problem(connection, run, position, &problem)),
        );
    }

    fn redacted(&self, error: Error) -> Error {
        Error {
            message: self.redactor.redact(&error.message),
            details: None,
            ..error
        }
    }
}

/// The ledger failed: whoever waits for it cannot go on.
pub(in crate::flow) fn internal(error: &LedgerError) -> Error {
    Error::new(ErrorKind::Internal, error.to_string())
}
