//! The flow's side of an exchange: answers as a check wants it, and writes everything down.

use super::ears::{Ears, Mouth};
use crate::contract::{Earlier, Error, ErrorKind, Metadata, Outcome, Retry};
use crate::imports::exchange::Incoming;
use crate::imports::exchange::counterpart::{Breach, Counterpart, Loss, Offered, Reception, Target};
use crate::state::pipe;
use crate::state::spool::Spool;
use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a call is left waiting before it is cancelled: long enough to have begun to wait.
pub(super) const WAITING: Duration = Duration::from_millis(400);

/// How the flow's side answers in one call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Script {
    pub offers: Offers,
    pub bodies: Bodies,
    pub finish: Finish,
    pub next: Next,
    /// When the call is cancelled.
    pub cancel: Option<Moment>,
}

/// What offered payloads are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Offers {
    #[default]
    Accept,
    Skip,
    Stop,
    Accepted,
    Refuse,
}

/// What becomes of the bytes of new payloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Bodies {
    #[default]
    Take,
    /// The stream fails at the first byte.
    Break,
    /// The stream never has room.
    Stall,
}

/// What `finish` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Finish {
    #[default]
    Accept,
    Refuse,
}

/// What `next` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Next {
    #[default]
    Give,
    Fail,
    /// Nothing until the call is cancelled.
    Wait,
}

/// When a call is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// While the first payload is offered.
    Offer,
    /// Some time after the first payload was accepted, or handed out: its bytes do not move.
    Body,
    /// Some time after the first payload was asked for.
    Next,
}

/// Cancels a call and knows when.
#[derive(Debug, Clone, Default)]
pub(super) struct Canceller {
    pub token: CancellationToken,
    at: Arc<Mutex<Option<Instant>>>,
}

impl Canceller {
    pub(super) fn cancel(&self) {
        self.at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
        self.token.cancel();
    }

    pub(super) fn after(&self, pause: Duration) {
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            this.cancel();
        });
    }

    pub(super) fn at(&self) -> Option<Instant> {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that the connector did, in the order in which it did it.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Offered(Metadata),
    /// `finish` was called, and this is the answer.
    Finished(Metadata, Result<Sum, Error>),
    /// `finish` was called and refused for what the stream had come to.
    Refused(Error),
    /// The payload was given up, also where the host did so after it refused it.
    GivenUp(Metadata, Error),
    /// It was begun, and the call ended.
    Unfinished(Metadata),
    Noted(String),
    Settled(String, Outcome),
    Unsettled(String),
    Reported(String, Error),
    Broken(Breach),
}

/// A body in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub bytes: u64,
    pub digest: [u8; 32],
}

/// The flow's side.
pub(super) struct Strict {
    script: Script,
    place: String,
    pub inbox: VecDeque<Incoming>,
    spool: Arc<Spool>,
    canceller: Canceller,
    ears: Ears,
    /// Ends of pipes that nobody reads, and of those that nobody writes to.
    stalled: Vec<Box<dyn Any + Send>>,
    pub acts: Vec<Act>,
}

impl Strict {
    pub(super) fn new(
        script: Script,
        place: &str,
        spool: &Arc<Spool>,
        canceller: &Canceller,
        ears: &Ears,
    ) -> Self {
        Self {
            script,
            place: place.to_owned(),
            inbox: VecDeque::new(),
            spool: Arc::clone(spool),
            canceller: canceller.clone(),
            ears: ears.clone(),
            stalled: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Keeps the other end of a pipe, so that it does not break.
    pub(super) fn hold(&mut self, end: impl Any + Send) {
        self.stalled.push(Box::new(end));
    }

    fn reached(&self, moment: Moment) {
        if self.script.cancel != Some(moment) {
            return;
        }
        match moment {
            Moment::Offer => self.canceller.cancel(),
            Moment::Body | Moment::Next => self.canceller.after(WAITING),
        }
    }

    fn target(&mut self) -> Target {
        match self.script.bodies {
            Bodies::Take => Target::Spool(Box::new(self.spool.writer())),
            Bodies::Break => Target::Pipe(pipe::pipe().0),
            Bodies::Stall => {
                let (mut writer, reader) = pipe::holding(1);
                // It is full: not even a small body finds room.
                let _ = writer.write(Bytes::from_static(b"\0"));
                self.hold(reader);
                Target::Pipe(writer)
            }
        }
    }

    fn take(&self, body: Target) -> Result<Sum, Error> {
        let refused = |message: &str| Error {
            retry: Retry::Backoff,
            ..Error::new(ErrorKind::Data, message)
        };
        let (Finish::Accept, Target::Spool(writer)) = (self.script.finish, body) else {
            return Err(refused("the host has no room for the payload"));
        };
        let body = writer.finish().map_err(|error| Error::from(&error))?;
        let bytes = body.len();
        let digest = body
            .open()
            .and_then(digest)
            .map_err(|error| refused(&error.to_string()))?;
        Ok(Sum { bytes, digest })
    }
}

fn digest(mut body: impl io::Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match body.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&piece[..read]),
        }
    }
}

#[async_trait]
impl Counterpart for Strict {
    async fn offered(&mut self, payload: &Offered) -> Result<Reception, Error> {
        let metadata = &payload.metadata;
        self.ears.hear_metadata(&self.place, metadata);
        self.acts.push(Act::Offered(metadata.clone()));
        self.reached(Moment::Offer);
        Ok(match self.script.offers {
            Offers::Accept => {
                self.reached(Moment::Body);
                Reception::Accept(self.target())
            }
            Offers::Skip => Reception::Skip,
            Offers::Stop => Reception::Stop,
            Offers::Accepted => Reception::Accepted,
            Offers::Refuse => {
                let message = "the host's limit `payloads` is reached";
                return Err(Error::new(ErrorKind::DeniedByHost, message));
            }
        })
    }

    async fn had(&mut self, _metadata: &Metadata) -> Result<bool, Error> {
        Ok(false)
    }

    fn made(&self) -> u64 {
        0 // The limit on payloads is no matter here: scripts have their own.
    }

    async fn accept(&mut self, payload: Offered, body: Target) -> Result<bool, Error> {
        let taken = self.take(body);
        self.acts.push(Act::Finished(payload.metadata, taken.clone()));
        taken.map(|_| true)
    }

    async fn refusal(&mut self, error: Error) -> Error {
        self.acts.push(Act::Refused(error.clone()));
        error
    }

    fn give_up(&mut self, payload: Offered, loss: Loss) {
        if let Loss::Aborted(reason) = &loss {
            self.ears.hear_error(&self.place, reason);
        }
        self.acts.push(Act::GivenUp(payload.metadata, loss.reason()));
    }

    fn unfinished(&mut self, payload: Offered) {
        self.acts.push(Act::Unfinished(payload.metadata));
    }

    async fn next(&mut self) -> Result<Option<Incoming>, Error> {
        self.reached(Moment::Next);
        match self.script.next {
            Next::Give => {}
            Next::Fail => {
                let message = "the host cannot read its ledger";
                return Err(Error::new(ErrorKind::Internal, message));
            }
            Next::Wait => {
                self.canceller.token.cancelled().await;
                return Err(Error::new(ErrorKind::Cancelled, "the run is being cancelled"));
            }
        }
        let incoming = self.inbox.pop_front();
        if incoming
            .as_ref()
            .is_some_and(|incoming| incoming.payload.body.is_some())
        {
            self.reached(Moment::Body);
        }
        Ok(incoming)
    }

    async fn note(&mut self, incoming: &mut Incoming, text: String) -> Result<(), Error> {
        self.ears
            .hear(Mouth::Other, &format!("a note of {}", self.place), &text);
        self.acts.push(Act::Noted(text.clone()));
        incoming.earlier = Some(Earlier { note: Some(text) });
        Ok(())
    }

    fn settled(&mut self, incoming: Incoming, outcome: Outcome) {
        match &outcome {
            Outcome::Pass(metadata) => self.ears.hear_metadata(&self.place, metadata),
            Outcome::Fail(error) => self.ears.hear_error(&self.place, error),
            Outcome::Consume => {}
        }
        self.acts
            .push(Act::Settled(incoming.payload.metadata.id, outcome));
    }

    fn unsettled(&mut self, incoming: Incoming) {
        self.acts.push(Act::Unsettled(incoming.payload.metadata.id));
    }

    fn breach(&mut self, breach: Breach) {
        self.acts.push(Act::Broken(breach));
    }

    fn problem(&mut self, id: &str, problem: &Error) -> bool {
        self.ears.hear_error(&self.place, problem);
        self.acts.push(Act::Reported(id.to_owned(), problem.clone()));
        true
    }

    fn problems(&self) -> u64 {
        let reported = self.acts.iter().filter(|act| matches!(act, Act::Reported(..)));
        reported.count() as u64
    }

    fn label(&self, _id: &str) -> Option<String> {
        None
    }
}
