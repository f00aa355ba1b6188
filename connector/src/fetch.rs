//! One file on its way into the flow: copying, going on after a break, proving that it is whole.

use std::io::Write as _;

use flow_connector::exchange::{self, Offer, Offered, Writer};

use crate::client::{Client, Tries};
use crate::data::End;
use crate::error::{Effect, Error, Kind};
use crate::files::Stat;
use crate::filter::Found;
use crate::get::metadata;
use crate::hash::{Algorithm, Digest};
use crate::listing::{Modified, Precision};
use crate::session::{Session, may_retry};
use crate::settings::{TransferType, Verify};
use crate::task::Task;
use crate::text;
use crate::version::Known;

pub use flow_connector::exchange::CHUNK;

/// How many steps go by between two looks at whether the call is to end, when the copy never waits.
pub const STEPS_BETWEEN_CHECKS: u32 = 64;
/// Files from this size on are looked at once more before they are read where the listing is not exact, so that
/// they can be continued after a break. A smaller one is sooner read again than looked at.
const WORTH_CONTINUING: u64 = 1 << 20;

/// Offers a file to the flow and reads it. What breaks is tried again: from where it broke when the file is
/// certain to be the same, else from the start.
pub fn fetch(client: &mut Client, found: &Found, task: &Task) -> Result<Offered, Error> {
    let mut found = client.attempt(|session| exact(session, found))?;
    let mut tries = Tries::default();
    loop {
        let writer = match exchange::begin(&metadata(&found, task))? {
            Offer::Accept(writer) => writer,
            Offer::Skip => return Ok(Offered::Skipped),
            Offer::Accepted => return Ok(Offered::Accepted),
            Offer::Stop => return Ok(Offered::Stop),
        };
        let mut sink = Sink::new(writer, task);
        let received = receive(client, &found, task, &mut sink, &mut tries);
        let Sink {
            writer,
            received: bytes,
            ..
        } = sink;
        match received {
            Err(Failed::There(error)) => {
                writer.abort(error.clone());
                client.recover(&mut tries, error)?;
            }
            received => {
                if received.is_err() {
                    client.drop_session();
                }
                // The host knows why it takes no more bytes, and says so here.
                writer.finish()?;
                return Ok(Offered::Taken(bytes));
            }
        }
        // It failed, perhaps because it has changed since it was listed. What has not keeps its version: this look may
        // tell the time more exactly than the listing, and the same file would be a new one to the flow.
        if let Stat::Is(entry) = client.attempt(|session| session.stat(&found.path))?
            && !Known::of(&found).may_be(&entry)
        {
            found = Found::new(found.path, &entry);
        }
    }
}

/// The exact time, where a listing told the day alone and the server knows better. Otherwise the same file
/// would look changed on the day when its listing turns from minutes to days. And where the zone of the listing
/// was found out, and is not UTC: otherwise it would look changed when the clocks are.
fn exact(session: &mut Session, found: &Found) -> Result<Found, Error> {
    let mut found = found.clone();
    let doubtful = |precision| match precision {
        Precision::Day => true,
        Precision::Minute => session.zone.is_found(),
        Precision::Second => false,
    };
    if found
        .modified
        .is_some_and(|modified| doubtful(modified.precision))
        && session.has("MDTM")
        && let Some(exact) = session.modified(&found.path)?
    {
        found.modified = Some(Modified {
            ms: exact.ms - exact.ms % 60_000,
            precision: Precision::Minute,
        });
    }
    Ok(found)
}

/// Which side broke a copy.
enum Failed {
    /// The host.
    Here,
    /// The server.
    There(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::There(error)
    }
}

/// Where the bytes go.
struct Sink {
    writer: Writer,
    /// Bytes that came over the wire so far.
    received: u64,
    lines: Option<text::ToLocal>,
    digest: Option<Digest>,
}

impl Sink {
    fn new(writer: Writer, task: &Task) -> Self {
        Self {
            writer,
            received: 0,
            lines: (task.transfer_type == TransferType::Ascii).then(text::ToLocal::default),
            digest: None,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.received += bytes.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        match &mut self.lines {
            Some(lines) => {
                let text = lines.convert(bytes);
                self.writer.write_all(&text)
            }
            None => self.writer.write_all(bytes),
        }
        .map_err(|_| Failed::Here)
    }

    fn close(&mut self) -> Result<(), Failed> {
        match &mut self.lines {
            Some(lines) => self.writer.write_all(lines.end()).map_err(|_| Failed::Here),
            None => Ok(()),
        }
    }
}

/// Reads the file into the sink, over as many sessions as it takes.
fn receive(
    client: &mut Client,
    found: &Found,
    task: &Task,
    sink: &mut Sink,
    tries: &mut Tries,
) -> Result<(), Failed> {
    let mut witness = None;
    loop {
        let before = sink.received;
        let session = client.session()?;
        let result = if before == 0 {
            witness = witness_of(session, found, task)?;
            sink.digest = digest(session, task);
            copy(session, found, task, sink)
        } else {
            go_on(session, found, task, witness.as_ref(), sink)
        };
        let result = result.and_then(|()| verify(client.session()?, found, task, sink));
        let error = match result {
            Ok(()) => return sink.close(),
            Err(Failed::There(error)) => error,
            here => return here,
        };
        if witness.is_none() || sink.received == 0 || !error.session_lost || !may_retry(&error) {
            return Err(error.into());
        }
        if sink.received > before {
            tries.start_over();
        }
        client.recover(tries, error)?;
    }
}

/// What proves, after a break, that the file is still the one that was begun. None when nothing does; then it is
/// read from the start.
fn witness_of(session: &mut Session, found: &Found, task: &Task) -> Result<Option<Found>, Error> {
    if task.transfer_type == TransferType::Ascii {
        return Ok(None);
    }
    let is_exact = |found: &Found| {
        found.size.is_some()
            && found
                .modified
                .is_some_and(|modified| modified.precision == Precision::Second)
    };
    if is_exact(found) {
        return Ok(Some(found.clone()));
    }
    if found.size.is_some_and(|size| size < WORTH_CONTINUING) {
        return Ok(None);
    }
    let now = session.stat(&found.path)?;
    Ok(match now {
        Stat::Is(entry) => Some(Found::new(found.path.clone(), &entry)).filter(is_exact),
        _ => None,
    })
}

/// Goes on after a break, if the file is the same.
fn go_on(
    session: &mut Session,
    found: &Found,
    task: &Task,
    witness: Option<&Found>,
    sink: &mut Sink,
) -> Result<(), Failed> {
    let changed = || {
        let message = format!("`{}` has changed while it was read.", found.path);
        Failed::There(Error::new(Kind::Data, message).retryable())
    };
    let now = session.stat(&found.path)?;
    match (witness, now) {
        (Some(witness), Stat::Is(entry))
            if entry.size == witness.size && entry.modified == witness.modified => {}
        _ => return Err(changed()),
    }
    // All bytes were there, and only the server's last word was missing.
    if found.size == Some(sink.received) || witness.and_then(|witness| witness.size) == Some(sink.received) {
        return Ok(());
    }
    session.restart_at(&found.path, sink.received)?;
    copy(session, found, task, sink).map_err(|failed| match failed {
        // Also after a refusal: the next transfer of this session might begin in the middle.
        Failed::There(error) => Failed::There(error.losing_session()),
        here @ Failed::Here => here,
    })
}

fn copy(session: &mut Session, found: &Found, task: &Task, sink: &mut Sink) -> Result<(), Failed> {
    session.set_type(task.transfer_type)?;
    let mut transfer = session.start_read(&found.path)?;
    let mut buffer = vec![0; CHUNK];
    let mut steps = 0_u32;
    loop {
        steps = steps.wrapping_add(1);
        let checked = if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) {
            session.keep_alive()
        } else {
            Ok(())
        };
        match checked.and_then(|()| transfer.read(&mut buffer)) {
            Ok(0) => break,
            Ok(read) => sink.write(&buffer[..read])?,
            Err(error) => return Err(session.transfer_failed(transfer, &error).into()),
        }
    }
    // The server's verdict: what came over a connection that it calls broken is not a file.
    let end = session.finish(transfer).map_err(|error| Error {
        effect: Effect::None,
        ..error
    })?;
    let size_proves = task.transfer_type == TransferType::Binary && found.size == Some(sink.received);
    if end == End::Unproven && !size_proves {
        let message = format!(
            "`{}` may have been cut after {} bytes: its encrypted connection ended without saying so (no \
             close_notify), and its size does not prove it whole.",
            found.path, sink.received
        );
        return Err(Error::new(Kind::Data, message)
            .retryable()
            .losing_session()
            .into());
    }
    Ok(())
}

fn digest(session: &Session, task: &Task) -> Option<Digest> {
    (task.verify == Verify::Hash && task.transfer_type == TransferType::Binary)
        .then(|| Algorithm::offered(session))
        .flatten()
        .map(Algorithm::start)
}

/// Compares what arrived with what the server says it has.
fn verify(session: &mut Session, found: &Found, task: &Task, sink: &mut Sink) -> Result<(), Failed> {
    if task.verify == Verify::None || task.transfer_type == TransferType::Ascii {
        return Ok(());
    }
    // A file that does not have the length that the server said was cut short, or has changed meanwhile.
    if let Some(size) = found.size.filter(|size| *size != sink.received) {
        let message = format!(
            "`{}` should have {size} bytes, and {} arrived.",
            found.path, sink.received
        );
        return Err(Error::new(Kind::Data, message).retryable().into());
    }
    if let Some(digest) = sink.digest.take() {
        session.compare(&found.path, digest)?;
    }
    Ok(())
}
