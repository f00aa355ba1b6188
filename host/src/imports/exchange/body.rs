//! The streams of bodies, between a guest and the spool.

use crate::contract::{Error, ErrorKind};
use crate::meter::Meter;
use crate::state::spool::{BodyReader, BodyWriter, SpoolError};
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
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

/// The bytes of a payload on its way in, shared by the writer and its stream.
pub(super) struct Sink {
    pub(super) writer: Option<BodyWriter>,
    pub(super) failure: Option<Error>,
    pub(super) meter: Meter,
}

/// The stream that takes a body. Writing goes straight to the spool: memory or the page cache.
pub(super) struct SinkStream(pub(super) Arc<Mutex<Sink>>);

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
        if let Err(error) = writer.write(&bytes) {
            sink.failure = Some(Error::from(&error));
            // The bytes so far are of no use; their room may be somebody else's.
            sink.writer = None;
            return Err(StreamError::LastOperationFailed(wasmtime::Error::msg(
                error.to_string(),
            )));
        }
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
