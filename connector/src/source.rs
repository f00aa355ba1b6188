//! The payload's body on its way to the wire.

use flow_connector::{Reader, exchange};

use crate::data::Transfer;
use crate::error::{Error, Kind, Op};
use crate::fetch::{CHUNK, STEPS_BETWEEN_CHECKS};
use crate::hash::Digest;
use crate::path::RemotePath;
use crate::session::Session;
use crate::settings::TransferType;
use crate::task::Task;
use crate::text;

/// A payload's body, opened anew for each try.
pub struct Body<'a> {
    reader: &'a Reader,
    task: &'a Task,
    spent: bool,
}

impl<'a> Body<'a> {
    /// A body that was not opened yet.
    pub fn new(reader: &'a Reader, task: &'a Task) -> Self {
        Self {
            reader,
            task,
            spent: false,
        }
    }

    /// The body from its first byte.
    pub fn open(&mut self) -> Result<Source<'a>, Error> {
        let opened = Source::open(self.reader, self.task);
        self.spent |= opened.as_ref().is_err_and(|error| error.kind == Kind::Busy);
        opened
    }

    /// The failure of a payload whose body the host has but once, when that is used up: what went wrong `before`,
    /// while there was a body. None when it may be opened again.
    pub fn spent(&self, before: Option<&Error>, now: &Error) -> Option<Error> {
        self.spent
            .then(|| before.cloned().unwrap_or_else(|| now.clone().retryable()))
    }
}

/// The payload's body on its way to the wire.
pub struct Source<'a> {
    body: exchange::Body<'a>,
    /// A piece that was read ahead, to see whether there is one.
    ahead: Option<Vec<u8>>,
    lines: Option<text::ToWire>,
    /// The hash of what passes, where one is wanted.
    pub digest: Option<Digest>,
    /// Bytes that were handed out or passed over so far, as they go over the wire.
    pub taken: u64,
}

impl<'a> Source<'a> {
    /// The body from its first byte.
    pub fn open(reader: &'a Reader, task: &Task) -> Result<Self, Error> {
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

    /// Passes over the whole body. The answer is how long it is.
    pub fn pass_over(&mut self, session: &Session, path: &RemotePath) -> Result<u64, Error> {
        self.skip(session, path, u64::MAX)?;
        Ok(self.taken)
    }

    /// The next piece for the wire, or none at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = match self.ahead.take() {
            Some(piece) => Some(piece),
            None => self.read(CHUNK)?,
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

    fn read(&mut self, most: usize) -> Result<Option<Vec<u8>>, Error> {
        // What was sent so far would look like a whole file.
        let lost = |error| Error::from(flow_connector::Error::from(error)).losing_session();
        self.body.piece(most).map_err(lost)
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
            let most = usize::try_from(count - self.taken)
                .unwrap_or(usize::MAX)
                .min(CHUNK);
            let Some(piece) = self.read(most)? else {
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
            self.ahead = self.read(CHUNK)?;
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
        session.finish(transfer).map(|_| ())
    }
}
