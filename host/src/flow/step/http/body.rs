//! A spooled body on its way to a web server.

use crate::event::{Event, Events};
use crate::payload::Payload;
use crate::state::spool::{Body, BodyReader};
use bytes::Bytes;
use futures_util::stream;
use std::io;
use std::time::{Duration, Instant};

/// Large enough that switching to the thread which reads does not count.
const CHUNK: usize = 256 * 1024;

/// Tells the bytes of one body, at most a few times a second.
pub(super) struct Meter {
    events: Events,
    step: String,
    payload: String,
    done: u64,
    total: Option<u64>,
    last: Instant,
}

impl Meter {
    const PERIOD: Duration = Duration::from_millis(100);

    pub(super) fn new(events: &Events, step: &str, payload: &Payload) -> Self {
        Self {
            events: events.clone(),
            step: step.to_owned(),
            payload: payload.label().to_owned(),
            done: 0,
            total: payload.body.as_ref().map(Body::len),
            last: Instant::now(),
        }
    }

    fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.last.elapsed() < Self::PERIOD && Some(self.done) != self.total {
            return;
        }
        self.last = Instant::now();
        self.events.send(&Event::Bytes {
            step: self.step.clone(),
            payload: self.payload.clone(),
            done: self.done,
            total: self.total,
        });
    }
}

/// The body as a stream that reads only as fast as the server takes.
pub(super) fn stream(body: &Body, meter: Meter) -> io::Result<reqwest::Body> {
    let state = Some((body.open()?, meter));
    Ok(reqwest::Body::wrap_stream(stream::unfold(state, |state| async {
        let (reader, mut meter) = state?;
        match next_chunk(reader).await {
            Ok((_, chunk)) if chunk.is_empty() => None,
            Ok((reader, chunk)) => {
                meter.add(chunk.len());
                Some((Ok(chunk), Some((reader, meter))))
            }
            Err(error) => Some((Err(error), None)),
        }
    })))
}

async fn next_chunk(mut reader: BodyReader) -> io::Result<(BodyReader, Bytes)> {
    if let BodyReader::Memory(_) = reader {
        let chunk = reader.next_chunk(CHUNK)?;
        return Ok((reader, chunk));
    }
    let read = tokio::task::spawn_blocking(move || {
        let chunk = reader.next_chunk(CHUNK)?;
        Ok((reader, chunk))
    });
    read.await.map_err(io::Error::other)?
}
