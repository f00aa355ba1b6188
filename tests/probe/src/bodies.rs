//! Steps of bodies.

use std::time::{Duration, Instant};

use crate::bindings::flow::connector::types::Summary;
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::expect;
use crate::script::{BodyStep, Content, seen};
use crate::slots::{Slots, get, take};

/// How much is read at once.
const PIECE: u64 = 64 << 10;

/// How long the probe sleeps between two looks for room.
const PAUSE: Duration = Duration::from_millis(5);

/// The bytes of the pattern from an offset on: no piece is like another, so that none can be lost, doubled or moved.
#[must_use]
pub fn pattern(from: u64, length: usize) -> Vec<u8> {
    let byte = |at: u64| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
    (from..from + length as u64).map(byte).collect()
}

/// Does a step.
///
/// # Errors
/// When it goes otherwise.
pub fn perform(step: &BodyStep, slots: &mut Slots, summary: &mut Summary) -> Result<(), String> {
    match step {
        BodyStep::Body { of } => {
            let stream = get(&mut slots.writers, of)?.body();
            slots.sinks.insert(of.clone(), (stream, 0));
            Ok(())
        }
        BodyStep::Write {
            to,
            content,
            expect: expected,
        } => {
            let (stream, written) = sink(slots, to)?;
            let came = match content {
                Content::Text(text) => write(stream, text.as_bytes()),
                Content::Pattern(length) => write_pattern(stream, *written, *length),
            };
            let (bytes, came) = match came {
                Ok(bytes) => (bytes, "done".to_owned()),
                Err(fault) => (0, word(&fault)),
            };
            *written += bytes;
            summary.bytes += bytes;
            expect(expected, &came)
        }
        BodyStep::Fill {
            to,
            at_most,
            quiet_ms,
        } => {
            let (stream, written) = sink(slots, to)?;
            let bytes = fill(stream, *written, *at_most, Duration::from_millis(*quiet_ms))?;
            *written += bytes;
            summary.bytes += bytes;
            Ok(())
        }
        BodyStep::Close { of } => {
            if slots.sinks.remove(of).is_none() {
                take(&mut slots.sources, of)?;
            }
            Ok(())
        }
        BodyStep::Read { of, content, polling } => {
            let reader = get(&mut slots.readers, of)?;
            let stream = reader.body().map_err(|error| seen(&error))?;
            let stream = stream.ok_or("the payload has no body")?;
            read(&stream, content, *polling)
        }
        BodyStep::NoBody { of } => match get(&mut slots.readers, of)?.body() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err("the payload has a body".to_owned()),
            Err(error) => Err(seen(&error)),
        },
        BodyStep::Open {
            of,
            place,
            expect: expected,
        } => {
            let came = match get(&mut slots.readers, of)?.body() {
                Ok(Some(stream)) => {
                    slots.sources.insert(place.clone(), stream);
                    "stream".to_owned()
                }
                Ok(None) => "none".to_owned(),
                Err(error) => seen(&error),
            };
            expect(expected, &came)
        }
        BodyStep::ReadSome { from, text } => {
            let stream = get(&mut slots.sources, from)?;
            let mut bytes = Vec::new();
            while bytes.len() < text.len().max(1) {
                match stream.blocking_read((text.len().max(1) - bytes.len()) as u64) {
                    Ok(piece) => bytes.extend(piece),
                    Err(StreamError::Closed) => break,
                    Err(fault) => return Err(word(&fault)),
                }
            }
            expect(text, &String::from_utf8_lossy(&bytes))
        }
    }
}

/// The stream of a writer, and how much was written to it.
fn sink<'a>(slots: &'a mut Slots, name: &str) -> Result<&'a mut (OutputStream, u64), String> {
    if !slots.sinks.contains_key(name) {
        let stream = get(&mut slots.writers, name)?.body();
        slots.sinks.insert(name.to_owned(), (stream, 0));
    }
    get(&mut slots.sinks, name)
}

fn word(fault: &StreamError) -> String {
    match fault {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(_) => "failed".to_owned(),
    }
}

/// Writes as the stream has room. The last bytes are on their way when it returns.
fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<u64, StreamError> {
    let length = bytes.len() as u64;
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (piece, rest) = bytes.split_at(room.min(bytes.len()));
        stream.write(piece)?;
        bytes = rest;
    }
    stream.blocking_flush()?;
    Ok(length)
}

fn write_pattern(stream: &OutputStream, from: u64, length: u64) -> Result<u64, StreamError> {
    let mut written = 0;
    while written < length {
        let size = PIECE.min(length - written);
        let piece = pattern(from + written, usize::try_from(size).unwrap_or_default());
        written += write(stream, &piece)?;
    }
    Ok(written)
}

/// Writes until there has been no room for so long.
fn fill(stream: &OutputStream, from: u64, at_most: u64, quiet: Duration) -> Result<u64, String> {
    let mut written = 0;
    let mut last = Instant::now();
    while last.elapsed() < quiet {
        let room = stream.check_write().map_err(|fault| word(&fault))?;
        if room == 0 {
            std::thread::sleep(PAUSE);
            continue;
        }
        let size = usize::try_from(room.min(PIECE)).unwrap_or_default();
        stream
            .write(&pattern(from + written, size))
            .map_err(|fault| word(&fault))?;
        written += size as u64;
        last = Instant::now();
        if written > at_most {
            return Err(format!(
                "nobody reads, and the host took more than {at_most} bytes all the same"
            ));
        }
    }
    Ok(written)
}

fn read(stream: &InputStream, content: &Content, polling: bool) -> Result<(), String> {
    let expected_length = match content {
        Content::Text(text) => text.len() as u64,
        Content::Pattern(length) => *length,
    };
    let mut offset = 0;
    loop {
        let piece = if polling {
            stream.subscribe().block();
            stream.read(PIECE)
        } else {
            stream.blocking_read(PIECE)
        };
        let piece = match piece {
            Ok(piece) => piece,
            Err(StreamError::Closed) => break,
            Err(fault) => return Err(word(&fault)),
        };
        let expected = match content {
            Content::Text(text) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
                let rest = &text.as_bytes()[from..];
                rest[..rest.len().min(piece.len())].to_vec()
            }
            Content::Pattern(_) => pattern(offset, piece.len()),
        };
        if piece != expected {
            return Err(format!("the bytes from {offset} on are others"));
        }
        offset += piece.len() as u64;
    }
    expect(&format!("{expected_length} bytes"), &format!("{offset} bytes"))
}
