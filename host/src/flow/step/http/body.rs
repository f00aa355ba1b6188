//! A spooled body on its way to a web server.

use crate::meter::Meter;
use crate::state::body::{Body, BodyReader};
use bytes::Bytes;
use futures_util::stream;
use std::io;

/// Large enough that switching to the thread which reads does not count.
const CHUNK: usize = 256 * 1024;

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
