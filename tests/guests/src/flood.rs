//! Too much of everything.

use std::io::Write as _;

use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::bindings::flow::connector::exchange::{self, Outcome, Writer};
use crate::bindings::flow::connector::tls;
use crate::bindings::flow::connector::types::{Error, ErrorKind};
use crate::honest::{self, begin, reason};
use crate::options::{error, seen};

/// Log lines, each of this many bytes.
pub fn log(count: u64, size: usize) {
    let line = "x".repeat(size);
    for _ in 0..count {
        context::log(LogLevel::Error, &line);
    }
}

/// Progress of something with a name of this many bytes.
pub fn progress(count: u64, size: usize) {
    let what = "x".repeat(size);
    for number in 0..count {
        context::progress(&what, number, None);
    }
}

/// Standard output and error, and then a panic, whose message comes last.
///
/// # Panics
/// Always.
pub fn output(count: u64, size: usize) {
    let line = vec![b'x'; size];
    for _ in 0..count {
        // Who reads it is nobody's business here.
        let _ = std::io::stdout().write_all(&line);
        let _ = std::io::stderr().write_all(&line);
    }
    panic!("all written")
}

/// A payload with this many bytes of metadata.
///
/// # Errors
/// What the host answers.
pub fn metadata(size: usize) -> Result<(), Error> {
    let mut metadata = honest::metadata("a.txt");
    metadata.attributes.push(("x".to_owned(), "x".repeat(size)));
    if let Some(writer) = begin(&metadata)? {
        Writer::finish(writer)?;
    }
    Ok(())
}

/// Passes incoming payloads on with this many bytes more of metadata.
///
/// # Errors
/// What the host answers.
pub fn passed_metadata(size: usize) -> Result<(), Error> {
    while let Some(reader) = exchange::next()? {
        let mut metadata = reader.metadata();
        metadata.attributes.push(("x".to_owned(), "x".repeat(size)));
        exchange::Reader::settle(reader, &Outcome::Pass(metadata));
    }
    Ok(())
}

/// Payloads without a byte.
///
/// # Errors
/// What the host answers, with the number of payloads that it took before.
pub fn payloads(count: u64) -> Result<(), Error> {
    for number in 0..count {
        let taken = begin(&honest::metadata(&number.to_string())).and_then(|writer| match writer {
            Some(writer) => Writer::finish(writer),
            None => Ok(()),
        });
        if let Err(error) = taken {
            return Err(Error {
                message: format!("after {number}: {}", error.message),
                ..error
            });
        }
    }
    Ok(())
}

/// Problems, each another.
pub fn reports(count: u64) {
    for number in 0..count {
        let problem = error(ErrorKind::Permission, format!("problem {number}"));
        exchange::report(&number.to_string(), &problem);
    }
}

/// One payload that grows to this many bytes.
///
/// # Errors
/// What the host answers to `finish`.
pub fn body(size: usize) -> Result<(), Error> {
    let Some(writer) = begin(&honest::metadata("large.bin"))? else {
        return Ok(());
    };
    let stream = writer.body();
    let piece = [7; 4096];
    for _ in 0..size.div_ceil(piece.len()) {
        if let Err(fault) = stream.blocking_write_and_flush(&piece) {
            context::log(LogLevel::Info, &format!("the stream ended: {}", reason(&fault)));
            break;
        }
    }
    drop(stream);
    Writer::finish(writer)
}

/// TLS contexts, kept.
///
/// # Errors
/// Always: how many there are, and why there are no more.
pub fn tls_contexts(count: u64) -> Result<(), Error> {
    let mut contexts = Vec::new();
    for number in 0..count {
        match tls::Context::create(&tls::Trust::Pinned(vec![vec![7; 32]]), None) {
            Ok(context) => contexts.push(context),
            Err(fault) => return Err(seen(format!("{number} contexts, then: {}", fault.message))),
        }
    }
    Err(seen(format!("{count} contexts")))
}

/// TLS sessions of one context, kept.
///
/// # Errors
/// Always: how many there are, and why there are no more.
pub fn tls_sessions(count: u64) -> Result<(), Error> {
    let context = tls::Context::create(&tls::Trust::Pinned(vec![vec![7; 32]]), None)
        .map_err(|fault| seen(fault.message))?;
    let mut sessions = Vec::new();
    for number in 0..count {
        match context.open("server.example") {
            Ok(session) => sessions.push(session),
            Err(fault) => return Err(seen(format!("{number} sessions, then: {}", fault.message))),
        }
    }
    Err(seen(format!("{count} sessions")))
}
