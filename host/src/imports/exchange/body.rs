//! Bodies on their way between a guest and the spool.

use super::counterpart::{Offered, Target};
use super::denied;
use crate::contract::{Error, ErrorKind, Retry};
use crate::meter::Meter;
use crate::policy::bounds::Bounds;
use crate::state::body::BodyReader;
use crate::state::pipe::Piece;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// How much a guest may hand over in one write. WASI's sockets give at most 64 KiB a read, so more is of no use.
const WRITE_PERMIT: usize = 64 * 1024;

/// The largest chunk of a body that a guest gets in one read.
const READ_CHUNK: usize = 64 * 1024;

/// A payload on its way in.
pub(super) struct Begun {
    pub(super) payload: Offered,
    sink: Arc<Mutex<Sink>>,
    opened: bool,
}

impl Begun {
    pub(super) fn new(payload: Offered, target: Target, meter: Meter, bounds: Bounds) -> Self {
        let sink = Sink {
            target: Some(target),
            failure: None,
            meter,
            bounds,
        };
        Self {
            payload,
            sink: Arc::new(Mutex::new(sink)),
            opened: false,
        }
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the guest still holds the stream for its body.
    pub(super) fn is_held(&self) -> bool {
        Arc::strong_count(&self.sink) > 1
    }

    /// The stream for its body, once.
    pub(super) fn open(&mut self) -> wasmtime::Result<SinkStream> {
        if std::mem::replace(&mut self.opened, true) {
            wasmtime::bail!("the connector asked twice for the body of one writer");
        }
        Ok(SinkStream(Arc::clone(&self.sink)))
    }

    /// Forgets the bytes so far, and takes no more: also a stream that the guest has kept is closed.
    pub(super) fn close(&self) {
        self.sink().target = None;
    }

    /// The payload, if its body is whole.
    pub(super) fn whole(&self) -> Result<(Offered, Target), Error> {
        let mut sink = self.sink();
        if let Some(failure) = sink.failure.take() {
            return Err(failure);
        }
        let Some(target) = sink.target.take() else {
            return Err(Error::new(ErrorKind::Internal, "the payload was finished before"));
        };
        let length = target.written();
        let mut payload = self.payload.clone();
        if let Some(size) = payload.metadata.size.filter(|size| *size != length) {
            let message = format!("the body has {length} bytes, and its metadata said {size}");
            return Err(Error {
                retry: Retry::Backoff,
                ..Error::new(ErrorKind::Data, message)
            });
        }
        payload.metadata.size = Some(length);
        sink.meter.finish();
        Ok((payload, target))
    }
}

/// The bytes of a payload on its way in, shared by the desk and the guest's stream.
struct Sink {
    target: Option<Target>,
    failure: Option<Error>,
    meter: Meter,
    bounds: Bounds,
}

impl Sink {
    /// The bytes so far are of no use any more, and their room may be somebody else's.
    fn fail(&mut self, failure: Error) -> StreamError {
        self.target = None;
        let message = failure.message.clone();
        self.failure = Some(failure);
        StreamError::LastOperationFailed(wasmtime::Error::msg(message))
    }
}

/// The stream that takes a body. Writing goes straight to where it goes: memory, the page cache, a pipe.
pub(super) struct SinkStream(Arc<Mutex<Sink>>);

impl SinkStream {
    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Pollable for SinkStream {
    async fn ready(&mut self) {
        let room = match &self.sink().target {
            Some(Target::Pipe(pipe)) => Some(pipe.room()),
            Some(Target::Spool(_)) | None => None,
        };
        if let Some(room) = room {
            room.await;
        }
    }
}

impl OutputStream for SinkStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut sink = self.sink();
        let Some(target) = &mut sink.target else {
            return Err(StreamError::Closed);
        };
        let added = bytes.len();
        let length = target.written() + added as u64;
        let written = target.write(bytes);
        if length > sink.bounds.limits().payload_size.0 {
            let reached = sink.bounds.reached("payload_size");
            return Err(sink.fail(denied(&reached)));
        }
        written.map_err(|error| sink.fail(error))?;
        sink.meter.add(added);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match &self.sink().target {
            Some(Target::Pipe(pipe)) if !pipe.has_room() => Ok(0),
            Some(_) => Ok(WRITE_PERMIT),
            None => Err(StreamError::Closed),
        }
    }
}

/// The stream that gives a body.
pub(super) struct SourceStream {
    pub(super) reader: BodyReader,
    pub(super) meter: Meter,
    /// Shared with the payload at the desk, which sees by it whether the stream is still held.
    pub(super) _held: Arc<()>,
}

#[async_trait::async_trait]
impl Pollable for SourceStream {
    async fn ready(&mut self) {
        if let BodyReader::Pipe(pipe) = &mut self.reader {
            pipe.ready().await;
        }
    }
}

#[async_trait::async_trait]
impl InputStream for SourceStream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let failed = StreamError::LastOperationFailed;
        let chunk = match &mut self.reader {
            BodyReader::Pipe(pipe) => match pipe.read(size.min(READ_CHUNK)) {
                Piece::Bytes(bytes) => bytes,
                Piece::Later => return Ok(Bytes::new()),
                Piece::End => Bytes::new(),
                Piece::Broken => {
                    let message = "the document broke off where it comes from";
                    return Err(failed(wasmtime::Error::msg(message)));
                }
            },
            stored => stored
                .next_chunk(size.min(READ_CHUNK))
                .map_err(|error| failed(error.into()))?,
        };
        if chunk.is_empty() {
            self.meter.finish();
            return Err(StreamError::Closed);
        }
        self.meter.add(chunk.len());
        Ok(chunk)
    }
}
