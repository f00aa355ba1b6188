//! Wrong things done with payloads.

use std::cell::RefCell;
use std::{mem, process};

use crate::bindings::flow::connector::exchange::{self, Outcome, Reader, Writer};
use crate::bindings::flow::connector::types::{Error, ErrorKind, Metadata, Summary};
use crate::honest::{begin, fill, metadata, reason, write};
use crate::options::{error, seen};

/// Names that lead elsewhere, or are none. The last one is sound.
const NAMES: [&str; 10] = [
    "../escaped.txt",
    "..",
    "/etc/escaped.txt",
    "below/escaped.txt",
    "back\\slash.txt",
    "nul\0.txt",
    "two\r\nlines.txt",
    ".",
    "",
    "sound.txt",
];

thread_local! {
    /// A writer on its way from one call to another. One thread is all that a component has.
    static KEPT: RefCell<Option<Writer>> = const { RefCell::new(None) };
}

/// Payloads under names that lead elsewhere, and one under an `original_filename` that leads elsewhere.
///
/// # Errors
/// What the host answers.
pub fn forge_names() -> Result<(), Error> {
    for (number, name) in NAMES.iter().enumerate() {
        let id = number.to_string();
        deliver(&Metadata { id, ..metadata(name) })?;
    }
    let mut forged = metadata("harmless.txt");
    let original = ("original_filename".to_owned(), "../../escaped.txt".to_owned());
    forged.attributes.push(original);
    deliver(&forged)
}

/// Passes each incoming payload on as if it were another.
///
/// # Errors
/// What the host answers.
pub fn pass_under_another_id() -> Result<(), Error> {
    while let Some(reader) = exchange::next()? {
        let metadata = Metadata {
            id: "another".to_owned(),
            ..reader.metadata()
        };
        Reader::settle(reader, &Outcome::Pass(metadata));
    }
    Ok(())
}

/// Says 1,000 bytes and writes five.
///
/// # Errors
/// What the host answers.
pub fn lie_about_size() -> Result<(), Error> {
    deliver(&Metadata {
        size: Some(1_000),
        ..metadata("a.txt")
    })
}

/// Asks twice for the body of one writer.
///
/// # Errors
/// What the host answers, if it does.
pub fn body_twice() -> Result<(), Error> {
    if let Some(writer) = begin(&metadata("a.txt"))? {
        fill(&writer, b"hello")?;
        fill(&writer, b"hello")?;
        Writer::finish(writer)?;
    }
    Ok(())
}

/// Writes a body and drops the writer.
///
/// # Errors
/// What the host answers.
pub fn drop_unfinished() -> Result<(), Error> {
    deliver(&metadata("whole.txt"))?;
    if let Some(writer) = begin(&metadata("dropped.txt"))? {
        fill(&writer, b"hello")?;
        drop(writer);
    }
    Ok(())
}

/// Writes a body and keeps the writer for good.
///
/// # Errors
/// What the host answers.
pub fn forget_writer() -> Result<(), Error> {
    deliver(&metadata("whole.txt"))?;
    if let Some(writer) = begin(&metadata("forgotten.txt"))? {
        fill(&writer, b"hello")?;
        mem::forget(writer);
    }
    Ok(())
}

/// Writes a body and keeps the writer for [`finish_kept_writer`]. What came in goes on, so that there is another call.
///
/// # Errors
/// What the host answers.
pub fn keep_writer() -> Result<(), Error> {
    pass_all()?;
    if let Some(writer) = begin(&metadata("kept.txt"))? {
        fill(&writer, b"hello")?;
        KEPT.with_borrow_mut(|kept| *kept = Some(writer));
    }
    Ok(())
}

/// Finishes the writer that an earlier call has kept.
///
/// # Errors
/// What the host answers, and when there is none.
pub fn finish_kept_writer() -> Result<(), Error> {
    let kept = KEPT.take().ok_or_else(|| seen("no writer was kept"))?;
    Writer::finish(kept)
}

/// Takes incoming payloads and keeps them for good.
///
/// # Errors
/// What the host answers.
pub fn never_settle() -> Result<(), Error> {
    while let Some(reader) = exchange::next()? {
        mem::forget(reader);
    }
    Ok(())
}

/// Takes incoming payloads and drops them.
///
/// # Errors
/// What the host answers.
pub fn drop_unsettled() -> Result<(), Error> {
    while let Some(reader) = exchange::next()? {
        drop(reader);
    }
    Ok(())
}

/// Finishes one payload, writes half of another, and traps.
///
/// # Errors
/// What the host answers.
pub fn trap_in_payload() -> Result<(), Error> {
    deliver(&metadata("whole.txt"))?;
    if let Some(writer) = begin(&metadata("half.txt"))? {
        let body = writer.body();
        write(&body, b"half")?;
        process::abort();
    }
    Ok(())
}

/// Aborts a payload and writes on.
///
/// # Errors
/// Always: what came of it.
pub fn write_after_abort() -> Result<(), Error> {
    let Some(writer) = begin(&metadata("aborted.txt"))? else {
        return Ok(());
    };
    let body = writer.body();
    write(&body, b"hello")?;
    Writer::abort(writer, &error(ErrorKind::Data, "given up"));
    Err(match body.blocking_write_and_flush(b"more") {
        Ok(()) => seen("written after abort"),
        Err(fault) => seen(format!("after abort: {}", reason(&fault))),
    })
}

/// Finishes a payload and writes on.
///
/// # Errors
/// Always: what came of it.
pub fn write_after_finish() -> Result<(), Error> {
    let Some(writer) = begin(&metadata("finished.txt"))? else {
        return Ok(());
    };
    let body = writer.body();
    write(&body, b"hello")?;
    Writer::finish(writer)?;
    Err(match body.blocking_write_and_flush(b"more") {
        Ok(()) => seen("written after finish"),
        Err(fault) => seen(format!("after finish: {}", reason(&fault))),
    })
}

/// Writes this many bytes at once.
///
/// # Errors
/// What the host answers.
pub fn huge_write(size: usize) -> Result<(), Error> {
    if let Some(writer) = begin(&metadata("huge.bin"))? {
        let body = writer.body();
        body.write(&vec![7; size])
            .map_err(|fault| seen(format!("write: {}", reason(&fault))))?;
        drop(body);
        Writer::finish(writer)?;
    }
    Ok(())
}

/// An error with a message of this many bytes.
#[must_use]
pub fn huge_error(size: usize) -> Error {
    seen("x".repeat(size))
}

/// An error whose details are not JSON.
#[must_use]
pub fn details_without_json() -> Error {
    Error {
        details: Some("{\"field\": ".to_owned()),
        ..seen("with details")
    }
}

/// A summary in which everything is as large as it can be. What came in goes on.
///
/// # Errors
/// What the host answers.
pub fn summary_of_lies() -> Result<Summary, Error> {
    pass_all()?;
    Ok(Summary {
        payloads: u64::MAX,
        bytes: u64::MAX,
        skipped: u64::MAX,
        failed: u64::MAX,
    })
}

fn pass_all() -> Result<(), Error> {
    while let Some(reader) = exchange::next()? {
        let metadata = reader.metadata();
        Reader::settle(reader, &Outcome::Pass(metadata));
    }
    Ok(())
}

/// A payload of five bytes.
fn deliver(metadata: &Metadata) -> Result<(), Error> {
    if let Some(writer) = begin(metadata)? {
        fill(&writer, b"hello")?;
        Writer::finish(writer)?;
    }
    Ok(())
}
