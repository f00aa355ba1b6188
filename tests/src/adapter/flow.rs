//! The flow's side of a call: the suite plays it. What a connector does becomes an event, and the suite's answer is what
//! the connector hears.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use flowhost::contract::{Earlier, Error, ErrorKind, Metadata, Outcome};
use flowhost::imports::exchange::Incoming;
use flowhost::imports::exchange::counterpart::{Counterpart, Loss, Offered, Reception, Target};
use flowhost::state::pipe::pipe;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::body::{Pace, Sending};
use super::suite::Suite;
use super::words;
use crate::protocol::contract::Offer;
use crate::protocol::event::{Event, Gone};
use crate::protocol::request::Word;

/// What names a payload for good: id and version.
type Key = (String, Option<String>);

/// What was accepted in a run. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Accepted(Arc<Mutex<HashSet<Key>>>);

impl Accepted {
    fn all(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, metadata: &Metadata) -> bool {
        self.all().contains(&key(metadata))
    }
}

fn key(metadata: &Metadata) -> Key {
    (metadata.id.clone(), metadata.version.clone())
}

/// The flow's side of one call.
pub(super) struct Flow {
    call: u64,
    suite: Suite,
    cancel: CancellationToken,
    accepted: Accepted,
    /// What the connector has not taken.
    inbox: VecDeque<Incoming>,
    /// Ids of what the connector took and let fall.
    pub(super) unsettled: Vec<String>,
    /// Payloads on their way, by their writers.
    coming: HashMap<u64, Coming>,
    /// Ids of payloads that were lost, and not accepted later.
    lost: HashSet<String>,
    /// Payloads that were accepted in this call.
    made: u64,
    /// Payloads that were handed in and failed.
    failed: u64,
    /// Problems that were told.
    problems: u64,
}

/// A payload on its way.
struct Coming {
    /// Its number.
    payload: u64,
    pace: Arc<Pace>,
    /// Whether all of it was sent.
    sent: JoinHandle<bool>,
}

impl Flow {
    pub(super) fn new(
        call: u64,
        suite: Suite,
        cancel: CancellationToken,
        accepted: Accepted,
        incoming: impl IntoIterator<Item = Incoming>,
    ) -> Self {
        Self {
            call,
            suite,
            cancel,
            accepted,
            inbox: incoming.into_iter().collect(),
            unsettled: Vec::new(),
            coming: HashMap::new(),
            lost: HashSet::new(),
            made: 0,
            failed: 0,
            problems: 0,
        }
    }

    /// Whether all went well, where the call did: nothing failed, nothing was reported, nothing was left without a word.
    pub(super) fn is_well(&self) -> bool {
        // A trigger stands for the run: there is nothing in it that could be left behind.
        let left = self.inbox.iter().any(|incoming| incoming.payload.body.is_some());
        self.failed == 0 && self.problems == 0 && self.lost.is_empty() && self.unsettled.is_empty() && !left
    }

    /// The suite takes no more of a payload.
    fn forget(&mut self, writer: u64) -> Option<Coming> {
        let coming = self.coming.remove(&writer)?;
        coming.pace.stop();
        coming.sent.abort();
        self.suite.withdraw(coming.payload);
        Some(coming)
    }

    /// A payload will not come, unless it comes by another writer. The suite is told, unless it said so itself.
    fn lose(&mut self, offered: &Offered, how: Gone, reason: Option<Error>) {
        if !self.accepted.has(&offered.metadata) {
            self.lost.insert(offered.metadata.id.clone());
        }
        if let Some(coming) = self.forget(offered.writer) {
            let event = Event::Gone {
                payload: coming.payload,
                how,
                reason: reason.map(words::error),
            };
            self.suite.tell(self.call, event);
        }
    }
}

/// The suite answered another question than it was asked.
fn beside_the_point(word: &Word) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the suite's answer does not fit the question: {word:?}"),
    )
}

#[async_trait]
impl Counterpart for Flow {
    async fn offered(&mut self, offered: &Offered) -> Result<Reception, Error> {
        if self.accepted.has(&offered.metadata) {
            return Ok(Reception::Accepted);
        }
        let (payload, pace) = (self.suite.number(), Arc::new(Pace::default()));
        // The suite may ask for its bytes with the answer.
        self.suite.offer(payload, Arc::clone(&pace));
        let metadata = words::metadata(offered.metadata.clone());
        let ask = |ask| Event::Offered {
            ask,
            metadata,
            payload,
        };
        let word = self.suite.ask(self.call, &self.cancel, ask).await;
        let answer = match word {
            Word::Offer(Offer::Accept) => {
                let (writer, reader) = pipe();
                let sending = Sending {
                    suite: self.suite.clone(),
                    call: self.call,
                    payload,
                    pace: Arc::clone(&pace),
                };
                let sent = tokio::spawn(sending.send_all(reader));
                let coming = Coming { payload, pace, sent };
                self.coming.insert(offered.writer, coming);
                return Ok(Reception::Accept(Target::Pipe(writer)));
            }
            Word::Offer(Offer::Skip) => Ok(Reception::Skip),
            Word::Offer(Offer::Accepted) => Ok(Reception::Accepted),
            Word::Offer(Offer::Stop) => Ok(Reception::Stop),
            Word::Error(error) => Err(words::to_error(error)),
            word => Err(beside_the_point(&word)),
        };
        self.suite.withdraw(payload);
        answer
    }

    async fn had(&mut self, metadata: &Metadata) -> Result<bool, Error> {
        Ok(self.accepted.has(metadata))
    }

    fn made(&self) -> u64 {
        self.made + self.lost.len() as u64
    }

    async fn accept(&mut self, offered: Offered, body: Target) -> Result<bool, Error> {
        if self.accepted.has(&offered.metadata) {
            let message = format!(
                "the payload {:?} was accepted from another writer",
                offered.metadata.id
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let (Target::Pipe(pipe), Some(coming)) = (body, self.coming.get_mut(&offered.writer)) else {
            return Err(Error::new(ErrorKind::Internal, "the payload was finished before"));
        };
        pipe.finish();
        let sent = tokio::select! {
            sent = &mut coming.sent => sent.unwrap_or(false),
            () = self.cancel.cancelled() => return Err(words::cancelled()),
        };
        if !sent {
            return Err(Error::new(
                ErrorKind::Internal,
                "the body could not be sent to its end",
            ));
        }
        let payload = coming.payload;
        let ask = |ask| Event::Finishing { ask, payload };
        match self.suite.ask(self.call, &self.cancel, ask).await {
            Word::Finish(true) => {
                self.forget(offered.writer);
                self.accepted.all().insert(key(&offered.metadata));
                self.lost.remove(&offered.metadata.id);
                self.made += 1;
                Ok(true)
            }
            Word::Error(error) => {
                // It knows; but a call that is to end was not its word.
                if !self.cancel.is_cancelled() {
                    self.forget(offered.writer);
                }
                Err(words::to_error(error))
            }
            word => Err(beside_the_point(&word)),
        }
    }

    fn give_up(&mut self, offered: Offered, loss: Loss) {
        match loss {
            Loss::Aborted(reason) => self.lose(&offered, Gone::Aborted, Some(reason)),
            Loss::Dropped => self.lose(&offered, Gone::Dropped, None),
            Loss::Refused(reason) => self.lose(&offered, Gone::Refused, Some(reason)),
        }
    }

    fn unfinished(&mut self, offered: Offered) {
        self.lose(&offered, Gone::Dropped, None);
    }

    async fn next(&mut self) -> Result<Option<Incoming>, Error> {
        Ok(self.inbox.pop_front())
    }

    async fn note(&mut self, incoming: &mut Incoming, text: String) -> Result<(), Error> {
        let id = incoming.payload.metadata.id.clone();
        let noted = text.clone();
        let ask = |ask| Event::Noted { ask, id, text };
        match self.suite.ask(self.call, &self.cancel, ask).await {
            Word::Note(true) => {
                incoming.earlier = Some(Earlier { note: Some(noted) });
                Ok(())
            }
            Word::Error(error) => Err(words::to_error(error)),
            word => Err(beside_the_point(&word)),
        }
    }

    fn settled(&mut self, incoming: Incoming, outcome: Outcome) {
        self.failed += u64::from(matches!(outcome, Outcome::Fail(_)));
        let event = Event::Settled {
            id: incoming.payload.metadata.id,
            outcome: words::outcome(outcome),
        };
        self.suite.tell(self.call, event);
    }

    fn unsettled(&mut self, incoming: Incoming) {
        self.unsettled.push(incoming.payload.metadata.id);
    }

    fn problem(&mut self, id: &str, problem: &Error) -> bool {
        self.problems += 1;
        let event = Event::Reported {
            id: id.to_owned(),
            error: words::error(problem.clone()),
        };
        self.suite.tell(self.call, event);
        true
    }

    fn problems(&self) -> u64 {
        self.problems
    }

    fn label(&self, _: &str) -> Option<String> {
        None // Only flowhost's own reports have names; the suite goes by ids.
    }
}
