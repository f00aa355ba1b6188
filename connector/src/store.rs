//! One file on its way out: copying, going on after a break, proving that the server has all of it.

use crate::bindings::flow::connector::exchange::Reader;
use crate::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::client::{Client, Tries};
use crate::data::Transfer;
use crate::error::{Effect, Error, Kind, Op};
use crate::fetch::{CHUNK, STEPS_BETWEEN_CHECKS};
use crate::files::Stat;
use crate::hash::{Algorithm, Digest};
use crate::path::RemotePath;
use crate::replace::in_folder;
use crate::session::Session;
use crate::settings::{TransferType, Verify};
use crate::task::Task;
use crate::text;
use crate::transport::Level;

/// The payload's body on its way to the wire.
pub struct Source {
    body: InputStream,
    /// A piece that was read ahead, to see whether there is one.
    ahead: Option<Vec<u8>>,
    lines: Option<text::ToWire>,
    digest: Option<Digest>,
    /// Bytes that were handed out or passed over so far, as they go over the wire.
    pub taken: u64,
}

impl Source {
    /// The body from its first byte.
    pub fn open(reader: &Reader, task: &Task) -> Result<Self, Error> {
        let body = reader.body()?.ok_or_else(|| {
            Error::setting(
                "/options/command",
                "There is nothing to write: this payload has no body, so a step before must make a payload.",
            )
        })?;
        Ok(Self {
            body,
            ahead: None,
            lines: (task.transfer_type == TransferType::Ascii).then(text::ToWire::default),
            digest: None,
            taken: 0,
        })
    }

    /// The next piece for the wire, or none at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = match self.ahead.take() {
            Some(piece) => Some(piece),
            None => self.read(CHUNK as u64)?,
        };
        let Some(mut piece) = piece else {
            return Ok(None);
        };
        if let Some(digest) = &mut self.digest {
            digest.update(&piece);
        }
        if let Some(lines) = &mut self.lines {
            piece = lines.convert(&piece);
        }
        self.taken += piece.len() as u64;
        Ok(Some(piece))
    }

    fn read(&self, most: u64) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.body.blocking_read(most) {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(_)) => {
                    // What was sent so far would look like a whole file.
                    let message = "The host could not read the payload's body.";
                    return Err(Error::new(Kind::Internal, message).losing_session());
                }
            }
        }
    }

    /// Passes over bytes that the server has. False when the body is shorter.
    pub fn skip(&mut self, session: &Session, path: &RemotePath, count: u64) -> Result<bool, Error> {
        let mut steps = 0_u32;
        while self.taken < count {
            steps = steps.wrapping_add(1);
            // No transfer is on yet, so there is nothing to keep alive; but the call may be cancelled.
            if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) {
                let checked = session.patience.check();
                checked.map_err(|error| Error::io(Op::Stat, path.as_str(), &error))?;
            }
            let Some(piece) = self.read((count - self.taken).min(CHUNK as u64))? else {
                return Ok(false);
            };
            if let Some(digest) = &mut self.digest {
                digest.update(&piece);
            }
            self.taken += piece.len() as u64;
        }
        Ok(true)
    }

    /// Whether there are no more bytes.
    pub fn is_at_end(&mut self) -> Result<bool, Error> {
        if self.ahead.is_none() {
            self.ahead = self.read(CHUNK as u64)?;
        }
        Ok(self.ahead.is_none())
    }

    /// Sends what is left of it, and waits for the server's verdict.
    pub fn pump(&mut self, session: &mut Session, mut transfer: Transfer) -> Result<(), Error> {
        let mut steps = 0_u32;
        while let Some(piece) = self.next()? {
            steps = steps.wrapping_add(1);
            let checked = if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) {
                session.keep_alive()
            } else {
                Ok(())
            };
            if let Err(error) = checked.and_then(|()| transfer.write(&piece)) {
                return Err(session.transfer_failed(transfer, &error));
            }
        }
        session.finish(transfer)
    }
}

/// The upload of a body to a path, over as many sessions as it takes.
pub struct Upload<'a> {
    reader: &'a Reader,
    task: &'a Task,
    path: &'a RemotePath,
    /// The server may have part of the file.
    pub begun: bool,
    /// The last try broke in the middle.
    broken: bool,
    /// The most bytes that any try has sent.
    sent: u64,
    /// The most bytes from which a try has gone on.
    furthest: u64,
    /// The current try goes on from further than all before.
    advanced: bool,
    /// What the server does not do, as it turned out: REST before STOR, APPE, and what it says of either.
    no_restart: bool,
    no_append: bool,
    untrue: bool,
}

/// How a broken upload goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From the first byte.
    Start,
    /// From here, by REST and STOR, or by APPE.
    From(u64),
}

/// From where a broken upload can go on, when the server has so much of it and so much was sent. More than was
/// sent is not ours.
fn way(on_server: &Stat, sent: u64) -> Way {
    match on_server {
        Stat::Is(entry) => match entry.size {
            Some(size) if size > 0 && size <= sent => Way::From(size),
            _ => Way::Start,
        },
        Stat::Missing | Stat::Unknown => Way::Start,
    }
}

impl<'a> Upload<'a> {
    /// An upload that has not begun.
    pub fn new(reader: &'a Reader, task: &'a Task, path: &'a RemotePath) -> Self {
        Self {
            reader,
            task,
            path,
            begun: false,
            broken: false,
            sent: 0,
            furthest: 0,
            advanced: false,
            no_restart: false,
            no_append: false,
            untrue: false,
        }
    }

    /// Sends the body until the server has all of it, and has proved that. The answer is how many bytes that are.
    pub fn send(&mut self, client: &mut Client) -> Result<u64, Error> {
        let mut tries = Tries::default();
        loop {
            let error = match client.session().and_then(|session| self.one_try(session)) {
                Ok(sent) => return Ok(sent),
                // Of a file that is begun again there is never more than a part.
                Err(error) if error.effect == Effect::Unknown => error.leaving(Effect::Partial),
                Err(error) => error,
            };
            if std::mem::take(&mut self.advanced) {
                tries.start_over();
            }
            self.broken = error.session_lost;
            client.recover(&mut tries, error)?;
        }
    }

    fn one_try(&mut self, session: &mut Session) -> Result<u64, Error> {
        // Line ends make lengths differ, so the place where an ascii transfer broke cannot be found again.
        let exact = self.task.transfer_type == TransferType::Binary;
        if self.broken
            && self.begun
            && exact
            && !self.untrue
            && let Some(sent) = self.go_on(session)?
        {
            return Ok(sent);
        }
        let mut source = self.source(session)?;
        session.set_type(self.task.transfer_type)?;
        let started = in_folder(session, &self.path.parent(), |session| {
            session.start_store(self.path)
        });
        let transfer = self.note(started)?;
        self.pump(session, transfer, &mut source)?;
        self.verify(session, source)
    }

    /// The body from its first byte, with a hash on the way where one is wanted.
    fn source(&self, session: &Session) -> Result<Source, Error> {
        let mut source = Source::open(self.reader, self.task)?;
        if self.task.verify == Verify::Hash && self.task.transfer_type == TransferType::Binary {
            source.digest = Algorithm::offered(session).map(Algorithm::start);
        }
        Ok(source)
    }

    /// Takes note of whether the server may have begun to write.
    fn note(&mut self, started: Result<Transfer, Error>) -> Result<Transfer, Error> {
        let may_have_begun = match &started {
            Ok(_) => true,
            // Some servers make the file before they find that there is no data connection.
            Err(error) => error.effect != Effect::None || matches!(error.code, Some(400..=499)),
        };
        self.begun |= may_have_begun;
        started.map_err(|error| match error.code {
            // The session that broke may still hold the file.
            Some(550 | 553) if self.broken => error.retryable(),
            _ => error,
        })
    }

    fn pump(&mut self, session: &mut Session, transfer: Transfer, source: &mut Source) -> Result<(), Error> {
        let pumped = source.pump(session, transfer);
        self.sent = self.sent.max(source.taken);
        pumped
    }

    /// Goes on where the last session broke. None when that cannot be done, or turned out not to have worked.
    fn go_on(&mut self, session: &mut Session) -> Result<Option<u64>, Error> {
        session.set_type(TransferType::Binary)?;
        let Way::From(offset) = way(&session.size(self.path)?, self.sent) else {
            return Ok(None);
        };
        let mut source = self.source(session)?;
        if !source.skip(session, self.path, offset)? {
            return Ok(None);
        }
        // When all bytes are there, only the server's last word was missing.
        if !source.is_at_end()? {
            let Some(transfer) = self.start_from(session, offset)? else {
                return Ok(None);
            };
            self.advanced = offset > self.furthest;
            self.furthest = self.furthest.max(offset);
            self.pump(session, transfer, &mut source)?;
        }
        match session.size(self.path)? {
            Stat::Is(entry) if entry.size == Some(source.taken) => {}
            _ => {
                let message = format!(
                    "The server did not continue `{}` where it broke, so it is sent again from the start.",
                    self.path
                );
                (session.host.log)(Level::Warn, &message);
                self.untrue = true;
                return Ok(None);
            }
        }
        self.verify(session, source).map(Some)
    }

    /// Starts in the middle. REST is sooner taken than APPE: what the dead session may still write then goes to
    /// places that get the same bytes. None when the server does neither.
    fn start_from(&mut self, session: &mut Session, offset: u64) -> Result<Option<Transfer>, Error> {
        let offered = session
            .feature("REST")
            .is_some_and(|modes| modes.to_ascii_uppercase().contains("STREAM"));
        if offered && !self.no_restart {
            let started = session
                .restart_at(self.path, offset)
                .and_then(|()| session.start_store(self.path));
            match started {
                Err(error) if is_refusal(&error) => self.no_restart = true,
                // The next transfer of this session would begin in the middle.
                Err(error) => return Err(error.losing_session()),
                Ok(transfer) => return Ok(Some(transfer)),
            }
            // As above. A server that knows REST takes this; what another one says does not matter.
            if let Err(error) = session.restart_at(self.path, 0)
                && error.session_lost
            {
                return Err(error);
            }
        }
        if self.no_append || way(&session.size(self.path)?, self.sent) != Way::From(offset) {
            return Ok(None);
        }
        match session.start_append(self.path) {
            Err(error) if is_refusal(&error) => {
                self.no_append = true;
                Ok(None)
            }
            started => started.map(Some),
        }
    }

    /// Compares what the server has with what was sent, where it can tell. What an ascii transfer leaves has
    /// the line ends of the server's system, so neither its length nor its hash says anything.
    fn verify(&self, session: &mut Session, source: Source) -> Result<u64, Error> {
        let sent = source.taken;
        if self.task.verify == Verify::None || self.task.transfer_type == TransferType::Ascii {
            return Ok(sent);
        }
        if let Stat::Is(entry) = session.size(self.path)?
            && entry.size != Some(sent)
        {
            let message = format!(
                "The server has {} bytes of `{}`, and {sent} were sent.",
                entry.size.unwrap_or_default(),
                self.path
            );
            return Err(Error::new(Kind::Data, message).retryable());
        }
        if let Some(digest) = source.digest {
            session.compare(self.path, digest)?;
        }
        Ok(sent)
    }
}

/// Whether the server refused this way of writing, and another may do. `451` is what `ProFTPD` says where it is
/// not allowed to continue uploads.
fn is_refusal(error: &Error) -> bool {
    !error.session_lost && matches!(error.code, Some(451 | 500..=599))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::{Entry, EntryKind};

    #[test]
    fn from_where_a_broken_upload_goes_on() {
        let has = |size| {
            Stat::Is(Entry {
                name: "a".to_owned(),
                kind: EntryKind::File,
                size,
                modified: None,
            })
        };
        assert_eq!(way(&has(Some(5)), 10), Way::From(5));
        assert_eq!(way(&has(Some(10)), 10), Way::From(10));
        for start in [
            has(Some(0)),
            has(Some(11)),
            has(None),
            Stat::Missing,
            Stat::Unknown,
        ] {
            assert_eq!(way(&start, 10), Way::Start, "{start:?}");
        }
    }

    #[test]
    fn refusals_that_leave_another_way() {
        let refused = |code| is_refusal(&Error::reply(Op::Store, "a", code, ""));
        assert!(refused(451) && refused(502) && refused(550));
        assert!(!refused(421) && !refused(425) && !refused(450) && !refused(530));
    }
}
