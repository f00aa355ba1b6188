//! The endpoints that do what they say.

use crate::bindings::flow::connector::exchange::{self, Offer, Outcome, Writer};
use crate::bindings::flow::connector::types::{Call, Error, Metadata, Summary};
use crate::bindings::wasi::io::streams::{OutputStream, StreamError};
use crate::options::{Make, parse, seen};

/// How much is written at once: as much as a host need take.
const PIECE: usize = 4096;

/// Makes payloads: `0.bin`, `1.bin` and so on, each with [`content`].
///
/// # Errors
/// When the options cannot be read, and what the host answers.
pub fn make(call: &Call) -> Result<Summary, Error> {
    let Make { count, size } = parse(&call.options)?;
    let mut summary = nothing();
    for number in 0..count {
        let Some(writer) = begin(&metadata(&format!("{number}.bin")))? else {
            break;
        };
        fill(&writer, &content(number, size))?;
        Writer::finish(writer)?;
        summary.payloads += 1;
        summary.bytes += size;
    }
    Ok(summary)
}

/// Reads each incoming payload to its end and passes it on.
///
/// # Errors
/// What the host answers.
pub fn pass(_: &Call) -> Result<Summary, Error> {
    let mut summary = nothing();
    while let Some(reader) = exchange::next()? {
        if let Some(body) = reader.body()? {
            loop {
                match body.blocking_read(PIECE as u64) {
                    Ok(bytes) => summary.bytes += bytes.len() as u64,
                    Err(StreamError::Closed) => break,
                    Err(StreamError::LastOperationFailed(fault)) => {
                        return Err(seen(fault.to_debug_string()));
                    }
                }
            }
        }
        let metadata = reader.metadata();
        exchange::Reader::settle(reader, &Outcome::Pass(metadata));
        summary.payloads += 1;
    }
    Ok(summary)
}

/// What the payload of this number holds: bytes that tell where they are.
#[must_use]
pub fn content(number: u64, size: u64) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "the low byte is what is meant")]
    (0..size).map(|at| (at.wrapping_mul(31) ^ number) as u8).collect()
}

/// Offers a payload; none when the host wants no more, or not this one.
///
/// # Errors
/// What the host answers.
pub fn begin(metadata: &Metadata) -> Result<Option<Writer>, Error> {
    Ok(match exchange::begin(metadata)? {
        Offer::Accept(writer) => Some(writer),
        Offer::Skip | Offer::Accepted | Offer::Stop => None,
    })
}

/// Writes a body and closes its stream.
///
/// # Errors
/// What the stream says.
pub fn fill(writer: &Writer, bytes: &[u8]) -> Result<(), Error> {
    write(&writer.body(), bytes)
}

/// Writes to a stream.
///
/// # Errors
/// What the stream says.
pub fn write(stream: &OutputStream, bytes: &[u8]) -> Result<(), Error> {
    for piece in bytes.chunks(PIECE) {
        stream
            .blocking_write_and_flush(piece)
            .map_err(|fault| seen(format!("write: {}", reason(&fault))))?;
    }
    Ok(())
}

/// What a stream says, in words.
#[must_use]
pub fn reason(fault: &StreamError) -> String {
    match fault {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(fault) => fault.to_debug_string(),
    }
}

/// A payload of which nothing is known but its name.
#[must_use]
pub fn metadata(name: &str) -> Metadata {
    Metadata {
        id: name.to_owned(),
        version: None,
        name: Some(name.to_owned()),
        content_type: None,
        size: None,
        modified_ms: None,
        attributes: Vec::new(),
    }
}

/// The summary of a call that did nothing.
#[must_use]
pub fn nothing() -> Summary {
    Summary {
        payloads: 0,
        bytes: 0,
        skipped: 0,
        failed: 0,
    }
}
