//! Bodies on their way between a guest and the spool.

use super::denied;
use crate::contract::{Error, ErrorKind, Metadata, Retry};
use crate::meter::Meter;
use crate::payload::Payload;
use crate::policy::bounds::Bounds;
use crate::state::spool::{BodyReader, BodyWriter, SpoolError};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// How much a guest may hand over in one write. WASI's sockets give at most 64 KiB a read, so more is of no use.
const WRITE_PERMIT: usize = 64 * 1024;

/// The largest chunk of a body that a guest gets in one read.
const READ_CHUNK: usize = 64 * 1024;

impl From<&SpoolError> for Error {
    fn from(error: &SpoolError) -> Self {
        let kind = match error {
            SpoolError::Quota { .. } => ErrorKind::DeniedByHost,
            SpoolError::Disk { .. } => ErrorKind::Data,
        };
        Self::new(kind, error.to_string())
    }
}

/// A payload on its way in.
pub(super) struct Begun {
    pub(super) metadata: Metadata,
    sink: Arc<Mutex<Sink>>,
    opened: bool,
}

impl Begun {
    pub(super) fn new(metadata: Metadata, writer: BodyWriter, meter: Meter, bounds: Bounds) -> Self {
        let sink = Sink {
            writer: Some(writer),
            failure: None,
            meter,
            bounds,
        };
        Self {
            metadata,
            sink: Arc::new(Mutex::new(sink)),
            opened: false,
        }
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.sink().writer = None;
    }

    /// Stores the body, if it is whole.
    pub(super) fn store(&self) -> Result<Payload, Error> {
        let mut sink = self.sink();
        if let Some(failure) = sink.failure.take() {
            return Err(failure);
        }
        let Some(writer) = sink.writer.take() else {
            return Err(Error::new(ErrorKind::Internal, "the payload was finished before"));
        };
        let length = writer.len();
        let mut metadata = self.metadata.clone();
        if let Some(size) = metadata.size.filter(|size| *size != length) {
            let message = format!("the body has {length} bytes, and its metadata said {size}");
            return Err(Error {
                retry: Retry::Backoff,
                ..Error::new(ErrorKind::Data, message)
            });
        }
        metadata.size = Some(length);
        let body = writer.finish().map_err(|error| Error::from(&error))?;
        sink.meter.finish();
        Ok(Payload {
            metadata,
            body: Some(body),
        })
    }
}

/// The bytes of a payload on its way in, shared by the desk and the guest's stream.
struct Sink {
    writer: Option<BodyWriter>,
    failure: Option<Error>,
    meter: Meter,
    bounds: Bounds,
}

impl Sink {
    /// The bytes so far are of no use any more, and their room may be somebody else's.
    fn fail(&mut self, failure: Error) -> StreamError {
        self.writer = None;
        let message = failure.message.clone();
        self.failure = Some(failure);
        StreamError::LastOperationFailed(wasmtime::Error::msg(message))
    }
}

/// The stream that takes a body. Writing goes straight to the spool: memory or the page cache.
pub(super) struct SinkStream(Arc<Mutex<Sink>>);

#[async_trait::async_trait]
impl Pollable for SinkStream {
    async fn ready(&mut self) {}
}

impl OutputStream for SinkStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = &mut sink.writer else {
            return Err(StreamError::Closed);
        };
        let length = writer.len() + bytes.len() as u64;
        let written = writer.write(&bytes);
        if length > sink.bounds.limits().payload_size.0 {
            let reached = sink.bounds.reached("payload_size");
            return Err(sink.fail(denied(&reached)));
        }
        written.map_err(|error| sink.fail(Error::from(&error)))?;
        sink.meter.add(bytes.len());
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sink.writer.is_some() {
            Ok(WRITE_PERMIT)
        } else {
            Err(StreamError::Closed)
        }
    }
}

/// The stream that gives a body.
pub(super) struct SourceStream {
    pub(super) reader: BodyReader,
    pub(super) meter: Meter,
}

#[async_trait::async_trait]
impl Pollable for SourceStream {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl InputStream for SourceStream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let chunk = self
            .reader
            .next_chunk(size.min(READ_CHUNK))
            .map_err(|error| StreamError::LastOperationFailed(error.into()))?;
        if chunk.is_empty() {
            self.meter.finish();
            return Err(StreamError::Closed);
        }
        self.meter.add(chunk.len());
        Ok(chunk)
    }
}
