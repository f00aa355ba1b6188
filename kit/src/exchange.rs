//! Payloads between the flow and the connector: readers in, writers out.
//!
//! What the contract forbids does not compile here: a body is borrowed from its reader, so it is gone when the reader is
//! settled; [`each`] settles every reader, once; a writer owns its stream, and is used up by `finish` and `abort`.
//!
//! ```compile_fail
//! fn twice(writer: flow_connector::Writer) {
//!     writer.abort(flow_connector::Error::data("It broke."));
//!     let _ = writer.finish();
//! }
//! ```
//!
//! ```compile_fail
//! fn kept<'a>(reader: flow_connector::Reader) -> flow_connector::Body<'a> {
//!     reader.body().unwrap().unwrap()
//! }
//! ```

use std::io::{self, BufRead, Read, Write};
use std::marker::PhantomData;

pub use crate::bindings::flow::connector::exchange::Earlier;
use crate::bindings::flow::connector::exchange::Outcome;
use crate::error::Error;
use crate::sys::{InputStream, OutputStream, StreamError, exchange as host, wait};
use crate::{Metadata, Summary};

/// The size of a body's pieces. WASI moves at most 64 KiB at a time, and larger buffers gain nothing.
pub const CHUNK: usize = 64 * 1024;

/// How the work on an incoming payload ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The payload goes on, with this metadata. Its id is the one it came with.
    Pass(Metadata),
    /// The payload ends here; what came of it went into the flow.
    Consume,
    /// The same, and the flow wants nothing more from this call.
    Stop,
}

/// Takes all incoming payloads, one after another, and settles each with what `deal` says of it.
///
/// `prepare` reads a payload's options. Most payloads of a call have the same, so what came of them is kept while they
/// stay the same. Passed and failed payloads are added to the summary; made ones `deal` adds itself, by
/// [`Summary::count`].
///
/// # Errors
/// What ends the call: a failure of the host, and one of `prepare` or `deal` that says so. The payload at hand then
/// counts as not touched.
pub fn each<P, E: Into<Error>>(
    mut prepare: impl FnMut(&str) -> Result<P, E>,
    mut deal: impl FnMut(&Reader, &P, &mut Summary) -> Result<Done, E>,
) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    let mut known: Option<(String, P)> = None;
    while let Some(reader) = host::next()? {
        let reader = Reader(reader);
        let json = reader.0.options();
        let prepared = match known.take() {
            Some((same, prepared)) if same == json => Ok((json, prepared)),
            _ => prepare(&json).map(|prepared| (json, prepared)),
        };
        let result = prepared.and_then(|prepared| {
            let (_, prepared) = known.insert(prepared);
            deal(&reader, prepared, &mut summary)
        });
        match result.map_err(Into::into) {
            Ok(Done::Pass(metadata)) => {
                summary.payloads += 1;
                reader.settle(&Outcome::Pass(metadata));
            }
            Ok(Done::Consume) => reader.settle(&Outcome::Consume),
            Ok(Done::Stop) => {
                reader.settle(&Outcome::Consume);
                break;
            }
            Err(error) if error.ends_call => return Err(error),
            Err(error) => {
                summary.failed += 1;
                reader.settle(&Outcome::Fail(error.into()));
            }
        }
    }
    Ok(summary)
}

/// A payload that arrived from the step before.
#[derive(Debug)]
pub struct Reader(host::Reader);

impl Reader {
    /// What is known of it.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    /// Its body from the first byte, or none when it has none (the trigger of a run). Each call begins anew.
    ///
    /// # Errors
    /// The host cannot read what it stored, or has the body but once.
    pub fn body(&self) -> Result<Option<Body<'_>>, Error> {
        Ok(self.0.body()?.map(Body::new))
    }

    /// The same, for an endpoint that cannot do without a body.
    ///
    /// # Errors
    /// It has none, or as [`body`](Self::body).
    pub fn content(&self) -> Result<Body<'_>, Error> {
        let message = "This payload has no body: a step before must make one that has.";
        self.body()?.ok_or_else(|| Error::data(message))
    }

    /// Whether an earlier try may have done something with it and nobody knows. What a second time would do twice must
    /// be looked for before it is done again.
    #[must_use]
    pub fn earlier(&self) -> Option<Earlier> {
        self.0.earlier()
    }

    /// Keeps a text for a later try, in place of the one before. It is on the host's disk when this returns.
    ///
    /// # Errors
    /// The text is too long, or the host cannot store it.
    pub fn note(&self, text: &str) -> Result<(), Error> {
        Ok(self.0.note(text)?)
    }

    fn settle(self, outcome: &Outcome) {
        host::Reader::settle(self.0, outcome);
    }
}

/// The body of an incoming payload. Reads in pieces, so small reads need no buffer around it.
#[derive(Debug)]
pub struct Body<'a> {
    stream: InputStream,
    piece: Vec<u8>,
    /// How much of the piece was read.
    read: usize,
    reader: PhantomData<&'a Reader>,
}

impl Body<'_> {
    fn new(stream: InputStream) -> Self {
        Self {
            stream,
            piece: Vec::new(),
            read: 0,
            reader: PhantomData,
        }
    }

    /// The next piece as the host gives it, at most so long, without copying it; none at the end.
    ///
    /// # Errors
    /// The host cannot read the body, or the call is to end.
    pub fn piece(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        if self.read < self.piece.len() {
            let rest = self.piece.split_off(self.read);
            self.piece = Vec::new();
            self.read = 0;
            if rest.len() <= most {
                return Ok(Some(rest));
            }
            self.piece = rest;
            self.read = most;
            return Ok(Some(self.piece[..most].to_vec()));
        }
        loop {
            match self.stream.read(most as u64) {
                Ok(piece) if piece.is_empty() => wait(&self.stream.subscribe())?,
                Ok(piece) => return Ok(Some(piece)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(_)) => {
                    return Err(Error::internal("The host could not read the payload's body.").into());
                }
            }
        }
    }
}

impl BufRead for Body<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read == self.piece.len() {
            self.read = 0;
            self.piece.clear();
            self.piece = self.piece(CHUNK)?.unwrap_or_default();
        }
        Ok(&self.piece[self.read..])
    }

    fn consume(&mut self, amount: usize) {
        self.read = (self.read + amount).min(self.piece.len());
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut there = self.fill_buf()?;
        let read = there.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// The flow's answer to an offered payload.
#[derive(Debug)]
pub enum Offer {
    /// It wants it.
    Accept(Writer),
    /// It does not want it. Leave the original alone, go on to the next.
    Skip,
    /// It has accepted this very payload before. Do with the original what is done after `finish`.
    Accepted,
    /// It wants no more payloads from this call; return when the current work is done.
    Stop,
}

/// Offers a new payload to the flow.
///
/// # Errors
/// The metadata is not right, a limit is reached, or the run ends. Each ends the call.
pub fn begin(metadata: &Metadata) -> Result<Offer, Error> {
    let offer = host::begin(metadata).map_err(|error| Error::from(error).ending_call())?;
    Ok(match offer {
        host::Offer::Accept(writer) => Offer::Accept(Writer {
            stream: writer.body(),
            payload: writer,
            written: 0,
            refused: false,
            cut: false,
        }),
        host::Offer::Skip => Offer::Skip,
        host::Offer::Accepted => Offer::Accepted,
        host::Offer::Stop => Offer::Stop,
    })
}

/// A new payload on its way into the flow. Dropping it without `finish` gives it up.
#[derive(Debug)]
pub struct Writer {
    // Before the payload, since that is the order in which both have to be dropped.
    stream: OutputStream,
    payload: host::Writer,
    written: u64,
    refused: bool,
    /// Not all of it was written, since the call is to end.
    cut: bool,
}

/// The flow takes no more bytes of a body. Why is what [`Writer::finish`] says. Travels inside an `io::Error`.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the flow takes no more bytes of this payload")]
struct Refused;

impl Writer {
    /// Bytes that were written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether the flow has refused bytes. [`finish`](Self::finish) then fails, and says why.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// Says that the body is whole. Returns when the flow has accepted the payload for good; only then may the original
    /// be moved or deleted.
    ///
    /// # Errors
    /// The flow does not accept it: no room, a limit, another length than its metadata said, or the run ends. A body
    /// that was not written as a whole because the call is to end is given up.
    pub fn finish(self) -> Result<(), Error> {
        if self.cut {
            self.abort(Error::cancelled());
            return Err(Error::cancelled());
        }
        let Self {
            stream,
            payload,
            refused,
            ..
        } = self;
        let whole = !refused && stream.blocking_flush().is_ok();
        drop(stream);
        host::Writer::finish(payload)?;
        if whole {
            Ok(())
        } else {
            let message = "The host accepted a payload whose body it had refused.";
            Err(Error::internal(message))
        }
    }

    /// Gives the payload up, for this reason. One that is tried again at once is begun again with the same id.
    pub fn abort(self, reason: impl Into<Error>) {
        let Self { stream, payload, .. } = self;
        drop(stream);
        host::Writer::abort(payload, &reason.into().into());
    }

    fn refuse(&mut self) -> io::Error {
        self.refused = true;
        io::Error::other(Refused)
    }
}

/// Writes with the host's consent. (`blocking-write-and-flush` would move only 4 KiB at a time.)
impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let room = loop {
            match self.stream.check_write() {
                Ok(0) => {
                    let waited = wait(&self.stream.subscribe());
                    self.cut |= waited.is_err();
                    waited?;
                }
                Ok(room) => break usize::try_from(room).unwrap_or(usize::MAX),
                Err(_) => return Err(self.refuse()),
            }
        };
        let now = &bytes[..room.min(bytes.len())];
        if self.stream.write(now).is_err() {
            return Err(self.refuse());
        }
        self.written += now.len() as u64;
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.blocking_flush().map_err(|_| self.refuse())
    }
}

/// What became of an offered payload that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// The flow has it, and this many bytes were moved for it.
    Taken(u64),
    /// The flow did not want it.
    Skipped,
    /// The flow has had it from an earlier try, of which it is not known whether it dealt with the original.
    Accepted,
    /// The flow wants no more.
    Stop,
}

/// Offers a new payload, and lets `write` write its body when the flow wants it. It is given up when `write` fails.
/// [`Summary::count`] takes the answer.
///
/// # Errors
/// That of `write`; or the flow's, when it refuses the payload or its bytes.
pub fn emit(
    metadata: &Metadata,
    write: impl FnOnce(&mut Writer) -> Result<(), Error>,
) -> Result<Offered, Error> {
    let mut writer = match begin(metadata)? {
        Offer::Accept(writer) => writer,
        Offer::Skip => return Ok(Offered::Skipped),
        Offer::Accepted => return Ok(Offered::Accepted),
        Offer::Stop => return Ok(Offered::Stop),
    };
    match write(&mut writer) {
        // What `write` says of a refusal is that there was one; the host knows why.
        Err(error) if !writer.refused => {
            writer.abort(error.clone());
            Err(error)
        }
        _ => {
            let written = writer.written;
            writer.finish().map(|()| Offered::Taken(written))
        }
    }
}

/// Tells of a problem with a payload of this call that the flow has accepted already: its bytes are safe, but its
/// original could not be moved or deleted, say.
pub fn report(id: &str, problem: impl Into<Error>) {
    host::report(id, &problem.into().into());
}
