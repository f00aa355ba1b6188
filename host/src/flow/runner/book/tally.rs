//! What a try of a step comes to.

use super::{Book, Item};
use crate::contract::{Effect, Error, ErrorKind, Metadata, Retry};
use crate::event::Event;
use crate::failure::Failure;
use crate::imports::exchange::unsettled;
use crate::state::body::Body;
use crate::state::ledger::payloads::{self, Seq};
use crate::state::ledger::runs;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::task::JoinSet;

/// What one try has done so far, and all tries together.
#[derive(Debug, Default)]
pub(in crate::flow::runner) struct Tally {
    /// The try; the first is 1.
    pub(in crate::flow::runner) attempt: u32,
    /// Payloads that were read from the ledger and not handed out.
    pub(super) ready: VecDeque<Item>,
    /// The last one that was read.
    pub(super) last: Seq,
    /// Whether any was handed out.
    pub(super) handed_out: bool,
    /// Payloads that ended in this try, unless it has to be made again.
    pub(super) consumed: Vec<(Seq, Option<Body>)>,
    /// Payloads of which the connector said nothing.
    pub(super) unsettled: Vec<Item>,
    /// Payloads that were begun, and nothing more was said of them.
    pub(super) unfinished: Vec<Metadata>,
    /// Payloads that were given up, by id and version: what they are called, and why.
    pub(super) given_up: BTreeMap<(String, Option<String>), (String, Error)>,
    /// Something that was begun is to be made in another try.
    pub(super) lost: bool,
    /// The step was told to make no more for now.
    pub(super) stopped: bool,
    /// The longest pause that something asks for, and why.
    pub(super) again: Option<Again>,
    /// What is done behind the ledger's back when it has written.
    pub(super) behind: JoinSet<()>,
    pub(super) told: HashSet<(String, &'static str, String)>,

    // Of all tries.
    pub(in crate::flow::runner) made: u64,
    pub(in crate::flow::runner) made_bytes: u64,
    pub(in crate::flow::runner) passed: u64,
    pub(in crate::flow::runner) bytes: u64,
    pub(in crate::flow::runner) skipped: u64,
    /// Payloads that failed.
    pub(in crate::flow::runner) failed: u64,
    pub(in crate::flow::runner) problems: u64,
    /// What the ledger has been told of `skipped` and `bytes`.
    told_skipped: u64,
    told_bytes: u64,
}

/// Why, and after how long, there is another try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::flow::runner) struct Again {
    pub(in crate::flow::runner) pause: Duration,
    pub(in crate::flow::runner) reason: String,
}

impl Tally {
    pub(super) fn wait(&mut self, pause: Duration, reason: &str) {
        if let Some(again) = &mut self.again {
            again.pause = again.pause.max(pause);
        } else {
            let reason = reason.to_owned();
            self.again = Some(Again { pause, reason });
        }
    }
}

/// How a try ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::flow::runner) enum End {
    /// The step is done.
    Done,
    /// It makes more when later steps have made room.
    More,
    /// There is another try.
    Again(Again),
    /// The run was asked to end.
    Interrupted,
}

impl Book {
    /// A try begins.
    pub(in crate::flow::runner) fn begin_try(&self, attempt: u32) {
        let mut tally = self.tally();
        tally.attempt = attempt;
        tally.given_up.clear();
        tally.ready.clear();
        tally.last = 0;
        tally.again = None;
        (tally.lost, tally.stopped, tally.handed_out) = (false, false, false);
    }

    /// A try has ended: what it has said nothing of is sorted out, and everything is on the disk.
    pub(in crate::flow::runner) async fn end_try(&self, answer: Result<(), Failure>) -> Result<End, Failure> {
        let (consumed, silent, unfinished, attempt) = {
            let mut tally = self.tally();
            tally.ready.clear();
            let consumed = std::mem::take(&mut tally.consumed);
            let (silent, unfinished) = (
                std::mem::take(&mut tally.unsettled),
                std::mem::take(&mut tally.unfinished),
            );
            (consumed, silent, unfinished, tally.attempt)
        };
        // What cannot be written down has not happened, and the run goes on from what has.
        if let Some(error) = self.broken() {
            return Err(Failure::Host(error.into()));
        }
        if self.cancel.is_cancelled() && !matches!(&answer, Err(failure) if is_broken(failure)) {
            self.settle().await?;
            return Ok(End::Interrupted);
        }
        if answer.is_ok() {
            // The failure of a call tells more than the connector's silence.
            for item in &silent {
                self.fail(item, unsettled());
            }
            for metadata in &unfinished {
                self.lost(metadata, unsettled());
            }
        }
        let given_up = std::mem::take(&mut self.tally().given_up);
        for (label, error) in given_up.values() {
            self.lost_for_good(label, error);
        }
        let (lost, stopped) = {
            let tally = self.tally();
            (tally.lost, tally.stopped)
        };
        // What came of them is offered again; what was accepted is not taken again.
        let once_more = lost || (stopped && answer.is_ok());
        if once_more {
            let seqs: Vec<Seq> = consumed.iter().map(|(seq, _)| *seq).collect();
            drop(
                self.store
                    .ledger
                    .write(move |connection| payloads::touch(connection, &seqs, attempt)),
            );
        } else {
            for (seq, body) in consumed {
                let written = self
                    .store
                    .ledger
                    .write(move |connection| payloads::consume(connection, seq));
                self.release(body, written);
            }
        }
        match &answer {
            Ok(()) => self.park_rest(&payloads::untouched(), None).await?,
            Err(failure) => match self.retry_of(failure) {
                Some(pause) => self.tally().wait(pause, &failure.to_string()),
                None => self.give_up(failure).await?,
            },
        }
        self.settle().await?;
        let mut tally = self.tally();
        Ok(match tally.again.take() {
            Some(again) => End::Again(again),
            None if stopped && answer.is_ok() => End::More,
            None => End::Done,
        })
    }

    /// The pause after which what was not touched is tried again.
    fn retry_of(&self, failure: &Failure) -> Option<Duration> {
        self.pause(failure.retry())
    }

    /// The step fails as a whole, and with it each payload that it had not dealt with.
    async fn give_up(&self, failure: &Failure) -> Result<(), Failure> {
        self.step_failed(failure);
        let error = match failure {
            Failure::Connector(error) => error.clone(),
            failure => Error {
                retry: Retry::Never,
                effect: Effect::Unknown,
                ..Error::new(ErrorKind::Internal, failure.to_string())
            },
        };
        self.park_rest(&error, Some(failure)).await
    }

    /// Parks what this try has said nothing of.
    async fn park_rest(&self, error: &Error, failure: Option<&Failure>) -> Result<(), Failure> {
        let (run, position, attempt) = (self.place.run, self.place.position, self.tally().attempt);
        let kept = self.redacted(error.clone());
        let parked = self
            .store
            .ledger
            .write(move |connection| payloads::park_rest(connection, run, position, attempt, &kept));
        let parked = parked
            .durable()
            .await
            .map_err(|error| Failure::Host(error.into()))?;
        let kind = failure.map_or(error.kind.name(), Failure::kind);
        for payload in &parked {
            self.tally().failed += 1;
            self.events.send(&Event::PayloadFailed {
                step: self.place.step.clone(),
                payload: payload.clone(),
                kind: kind.to_owned(),
                message: failure.map_or_else(|| error.message.clone(), ToString::to_string),
                code: error.code.clone(),
            });
        }
        if let Some(failure) = failure
            && parked.is_empty()
        {
            self.problem(
                true,
                None,
                failure.kind(),
                &failure.to_string(),
                error.code.as_deref(),
            );
            self.tally().failed += 1;
        }
        Ok(())
    }

    /// Waits for the disk, and for what comes after it.
    async fn settle(&self) -> Result<(), Failure> {
        let (skipped, bytes) = {
            let mut tally = self.tally();
            let (skipped, bytes) = (tally.skipped - tally.told_skipped, tally.bytes - tally.told_bytes);
            (tally.told_skipped, tally.told_bytes) = (tally.skipped, tally.bytes);
            (skipped, bytes)
        };
        let (run, position) = (self.place.run, self.place.position);
        drop(
            self.store
                .ledger
                .write(move |connection| runs::count(connection, run, position, skipped, bytes)),
        );
        let settled = self.store.ledger.settled(self.failures).await;
        let mut behind = std::mem::take(&mut self.tally().behind);
        while behind.join_next().await.is_some() {}
        settled.map_err(|error| Failure::Host(error.into()))
    }
}

/// Whether a failure is the host's own, whoever asked the run to end.
fn is_broken(failure: &Failure) -> bool {
    matches!(failure, Failure::Host(_))
}
