//! The flow's side of an exchange: who takes what a connector makes, and gives it what to work on.
//!
//! Of ours, [`Exchange`](super::Exchange) keeps all of it in memory, for whoever calls a connector by hand; the
//! runner's writes it to the ledger.

use super::unsettled;
use crate::bindings::flow::connector::exchange::Earlier;
use crate::contract::{Error, ErrorKind, Metadata, Outcome, Retry};
use crate::payload::Payload;
use crate::state::pipe::PipeWriter;
use crate::state::spool::{BodyWriter, SpoolError};
use async_trait::async_trait;
use bytes::Bytes;
use std::any::Any;

/// A payload to hand to a connector, with the endpoint's options for it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The payload.
    pub payload: Payload,
    /// The endpoint's options with the templates filled in, JSON text.
    pub options: String,
    /// An earlier try of which nobody knows how far it came.
    pub earlier: Option<Earlier>,
    /// What the flow knows it by; no matter to the connector.
    pub ticket: i64,
}

impl Incoming {
    /// A payload that is handed in for the first time.
    #[must_use]
    pub fn new(payload: Payload, options: String) -> Self {
        Self {
            payload,
            options,
            earlier: None,
            ticket: 0,
        }
    }
}

/// A payload on its way in.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The number of the writer that brings it, which no other of the live connector has: the same payload may be begun
    /// several times.
    pub writer: u64,
    /// What the connector says of it.
    pub metadata: Metadata,
}

/// How a payload on its way in was lost.
#[derive(Debug, Clone)]
pub enum Loss {
    /// The connector gave it up, and said why.
    Aborted(Error),
    /// The connector let it fall without a word.
    Dropped,
    /// The host did not accept it; the connector has heard this.
    Refused(Error),
}

impl Loss {
    /// Why, for a report.
    #[must_use]
    pub fn reason(self) -> Error {
        match self {
            Self::Aborted(reason) | Self::Refused(reason) => reason,
            Self::Dropped => unsettled(),
        }
    }
}

/// What an offered payload is told.
#[derive(Debug)]
pub enum Reception {
    /// It is wanted, and its bytes go there.
    Accept(Target),
    /// It is not wanted.
    Skip,
    /// It was accepted before.
    Accepted,
    /// No more are wanted.
    Stop,
}

/// Where the bytes of a payload go.
#[derive(Debug)]
pub enum Target {
    /// They are stored until later steps have dealt with them.
    Spool(Box<BodyWriter>),
    /// They go on at once, and the connector waits while nobody takes them: see [`pipe`](crate::state::pipe::pipe).
    Pipe(PipeWriter),
}

impl Target {
    /// Bytes so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        match self {
            Self::Spool(writer) => writer.len(),
            Self::Pipe(writer) => writer.written(),
        }
    }

    pub(super) fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        match self {
            Self::Spool(writer) => writer.write(&bytes).map_err(|error| Error::from(&error)),
            Self::Pipe(writer) => {
                let taken = writer.write(bytes).then_some(());
                taken.ok_or_else(|| Error {
                    retry: Retry::Backoff,
                    ..Error::new(
                        ErrorKind::Data,
                        "the step that takes the document takes no more of it",
                    )
                })
            }
        }
    }
}

impl From<&SpoolError> for Error {
    fn from(error: &SpoolError) -> Self {
        let kind = match error {
            SpoolError::Quota { .. } => ErrorKind::DeniedByHost,
            SpoolError::Disk { .. } => ErrorKind::Data,
        };
        Self::new(kind, error.to_string())
    }
}

/// Something that the contract forbids and the host survives: it answers in a way of its own and goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breach {
    /// A payload was offered without an id.
    EmptyId,
    /// The payload with this id was finished or given up while the stream of its body was still held.
    WriterStream(String),
    /// The payload with this id was settled while a stream of its body was still held.
    ReaderStream(String),
    /// A payload was passed on under another id.
    OtherId {
        /// The one it came with.
        came: String,
        /// The one it was given.
        went: String,
    },
}

/// The flow's side of an exchange. What it is told has happened already; what it answers is the connector's to hear.
///
/// Errors come as the connector made them, of any length and with any character: who shows them on a terminal or keeps
/// them shows and keeps [`Error::tamed`] ones.
#[async_trait]
pub trait Counterpart: Any + Send {
    /// A payload is offered.
    ///
    /// # Errors
    /// When it cannot be told whether it is wanted.
    async fn offered(&mut self, payload: &Offered) -> Result<Reception, Error>;

    /// Whether this very payload was accepted before, by id and version. Asked where a limit allows no more of them: what
    /// was accepted is answered so all the same, and anything else is not offered.
    ///
    /// # Errors
    /// When it cannot be told.
    async fn had(&mut self, metadata: &Metadata) -> Result<bool, Error>;

    /// Payloads that were accepted or given up in this exchange: what limits count.
    fn made(&self) -> u64;

    /// A payload is whole; the size in its metadata is that of its body. When this returns, it is accepted for good. False
    /// when its content was had before, and it goes no further.
    ///
    /// # Errors
    /// When it is not accepted: [`Counterpart::give_up`] follows.
    async fn accept(&mut self, payload: Offered, body: Target) -> Result<bool, Error>;

    /// Why a payload is not accepted whose bytes nobody took any more: who took them knows better than the bytes.
    async fn refusal(&mut self, error: Error) -> Error {
        error
    }

    /// A payload will not come.
    fn give_up(&mut self, payload: Offered, loss: Loss);

    /// A payload was begun, and neither finished nor given up when the call ended.
    fn unfinished(&mut self, payload: Offered);

    /// The next payload to work on.
    ///
    /// # Errors
    /// When it cannot be had.
    async fn next(&mut self) -> Result<Option<Incoming>, Error>;

    /// Keeps a connector's note on a payload that it has.
    ///
    /// # Errors
    /// When it cannot be stored.
    async fn note(&mut self, incoming: &mut Incoming, text: String) -> Result<(), Error>;

    /// The connector is through with a payload.
    fn settled(&mut self, incoming: Incoming, outcome: Outcome);

    /// The connector has let a payload fall without a word of what became of it.
    fn unsettled(&mut self, incoming: Incoming);

    /// The connector has broken the contract. Flows have no use for that: they are told what came of it.
    fn breach(&mut self, _breach: Breach) {}

    /// There is a problem with a payload that was accepted. False when it was told before.
    fn problem(&mut self, id: &str, problem: &Error) -> bool;

    /// How many problems were told.
    fn problems(&self) -> u64;

    /// What reports call the payload with this id, where it is known.
    fn label(&self, id: &str) -> Option<String>;
}
