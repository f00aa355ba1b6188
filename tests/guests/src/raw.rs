//! What only unsafe code can do wrong: handles used by two owners, made up, or of another type, and texts that are no
//! UTF-8.
#![expect(
    unsafe_code,
    reason = "the bindings' types do not allow what a guest in another language can do, and a host has to bear it"
)]

use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::bindings::flow::connector::exchange::{self, Outcome, Reader, Writer};
use crate::bindings::flow::connector::types::{Error, ErrorKind};
use crate::bindings::wasi::io::streams::OutputStream;
use crate::honest::{begin, fill, metadata};
use crate::options::{error, seen};

/// Finishes the same writer twice.
///
/// # Errors
/// What the host answers, if it does.
pub fn finish_twice() -> Result<(), Error> {
    if let Some(writer) = begin(&metadata("a.txt"))? {
        fill(&writer, b"hello")?;
        let twin = twin(&writer);
        Writer::finish(writer)?;
        Writer::finish(twin)?;
    }
    Ok(())
}

/// Aborts a writer and finishes it.
///
/// # Errors
/// What the host answers, if it does.
pub fn abort_then_finish() -> Result<(), Error> {
    if let Some(writer) = begin(&metadata("a.txt"))? {
        fill(&writer, b"hello")?;
        let twin = twin(&writer);
        Writer::abort(writer, &error(ErrorKind::Data, "given up"));
        Writer::finish(twin)?;
    }
    Ok(())
}

/// Passes a payload on, and then says that it failed.
///
/// # Errors
/// What the host answers, if it does.
pub fn settle_twice() -> Result<(), Error> {
    while let Some(reader) = exchange::next()? {
        // SAFETY: the handle is one of this component's own, and of this type. That it has two owners from here on
        // is what the host is to find out.
        let twin = unsafe { Reader::from_handle(reader.handle()) };
        let metadata = reader.metadata();
        Reader::settle(reader, &Outcome::Pass(metadata));
        Reader::settle(twin, &Outcome::Fail(seen("after all, it failed")));
    }
    Ok(())
}

/// Finishes a writer that was never begun.
///
/// # Errors
/// What the host answers, if it does.
pub fn forged_handle() -> Result<(), Error> {
    // SAFETY: no memory is behind a handle; that there is none of this number is what the host is to find out.
    Writer::finish(unsafe { Writer::from_handle(12_345) })
}

/// Finishes an incoming payload as if it were a writer.
///
/// # Errors
/// What the host answers, if it does.
pub fn handle_of_another_type() -> Result<(), Error> {
    while let Some(reader) = exchange::next()? {
        // SAFETY: no memory is behind a handle; that its type is another is what the host is to find out.
        Writer::finish(unsafe { Writer::from_handle(reader.take_handle()) })?;
    }
    Ok(())
}

/// Logs what is no text.
pub fn log_no_text() {
    context::log(LogLevel::Error, &no_text());
}

/// An error whose message is no text.
#[must_use]
pub fn error_no_text() -> Error {
    seen(no_text())
}

/// A text that is not UTF-8.
#[must_use]
pub fn no_text() -> String {
    // SAFETY: nobody here looks into it; it is handed to the host as pointer and length.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe, b'b']) }
}

/// A writer of this number, whatever is behind it.
#[must_use]
pub fn writer(number: u32) -> Writer {
    // SAFETY: no memory is behind a handle; what is, the host has to find out.
    unsafe { Writer::from_handle(number) }
}

/// A reader of this number, whatever is behind it.
#[must_use]
pub fn reader(number: u32) -> Reader {
    // SAFETY: no memory is behind a handle; what is, the host has to find out.
    unsafe { Reader::from_handle(number) }
}

/// A stream of this number, whatever is behind it.
#[must_use]
pub fn stream(number: u32) -> OutputStream {
    // SAFETY: no memory is behind a handle; what is, the host has to find out.
    unsafe { OutputStream::from_handle(number) }
}

/// The same writer again.
fn twin(writer: &Writer) -> Writer {
    // SAFETY: the handle is one of this component's own, and of this type. That it has two owners from here on is
    // what the host is to find out.
    unsafe { Writer::from_handle(writer.handle()) }
}
