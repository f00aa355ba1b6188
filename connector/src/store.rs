//! One file on its way out: copying, going on after a break, proving that the server has all of it.

use flow_connector::Reader;

use crate::client::{Client, Progress, Tries};
use crate::data::Transfer;
use crate::error::{Effect, Error, Kind};
use crate::files::Stat;
use crate::hash::Algorithm;
use crate::path::RemotePath;
use crate::proof::{Proof, Sent};
use crate::replace::in_folder;
use crate::session::Session;
use crate::settings::{TransferType, Verify};
use crate::source::{Body, Source};
use crate::task::Task;
use crate::transport::Level;

/// The upload of a body to a path, over as many sessions as it takes.
pub struct Upload<'a> {
    body: Body<'a>,
    task: &'a Task,
    path: &'a RemotePath,
    /// The server may have part of the file.
    pub begun: bool,
    /// Nobody else writes to this path: what is in the way there may be removed.
    pub own: bool,
    /// The last try broke in the middle.
    broken: bool,
    /// The most bytes that any try has sent.
    sent: u64,
    progress: Progress,
    without: Without,
}

/// What has turned out not to work with this server.
#[derive(Debug, Default)]
struct Without {
    /// REST before STOR is refused.
    restart: bool,
    /// APPE is refused.
    append: bool,
    /// It goes on elsewhere than it says.
    going_on: bool,
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
            body: Body::new(reader, task),
            task,
            path,
            begun: false,
            own: false,
            broken: false,
            sent: 0,
            progress: Progress::default(),
            without: Without::default(),
        }
    }

    /// Sends the body until the server has all of it, and has proved that.
    pub fn send(&mut self, client: &mut Client) -> Result<Sent, Error> {
        let mut tries = Tries::default();
        let mut before = None;
        loop {
            let error = match client.session().and_then(|session| self.one_try(session)) {
                Ok(sent) => return Ok(sent),
                // Of a file that is begun again there is never more than a part.
                Err(error) if error.effect == Effect::Unknown => error.leaving(Effect::Partial),
                Err(error) => error,
            };
            if let Some(error) = self.body.spent(before.as_ref(), &error) {
                return Err(error);
            }
            self.progress.settle(&mut tries);
            self.broken = error.session_lost;
            client.recover(&mut tries, error.clone())?;
            before = Some(error);
        }
    }

    fn one_try(&mut self, session: &mut Session) -> Result<Sent, Error> {
        // Line ends make lengths differ, so the place where an ascii transfer broke cannot be found again.
        let exact = self.task.transfer_type == TransferType::Binary;
        if self.broken
            && self.begun
            && exact
            && !self.without.going_on
            && let Some(sent) = self.go_on(session)?
        {
            return Ok(sent);
        }
        let mut source = self.source(session)?;
        session.set_type(self.task.transfer_type)?;
        let started = in_folder(session, &self.path.parent(), |session| self.start(session));
        let transfer = self.note(started)?;
        self.pump(session, transfer, &mut source)?;
        self.verify(session, source)
    }

    /// Starts with the first byte. Some servers do not let a file be written that is there already, not even its own
    /// account's: what an earlier try has left is removed then.
    fn start(&self, session: &mut Session) -> Result<Transfer, Error> {
        let refused = match session.start_store(self.path) {
            Err(error) if self.own && !error.session_lost && matches!(error.code, Some(550 | 553)) => error,
            started => return started,
        };
        match session.delete(self.path) {
            Ok(()) => session.start_store(self.path),
            Err(error) if error.session_lost => Err(error.leaving(Effect::Partial)),
            Err(_) => Err(refused),
        }
    }

    /// The body from its first byte, with a hash on the way where one is wanted.
    fn source(&mut self, session: &Session) -> Result<Source<'a>, Error> {
        let mut source = self.body.open()?;
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
    fn go_on(&mut self, session: &mut Session) -> Result<Option<Sent>, Error> {
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
            self.progress.goes_on_from(offset);
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
                self.without.going_on = true;
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
        if offered && !self.without.restart {
            let started = session
                .restart_at(self.path, offset)
                .and_then(|()| session.start_store(self.path));
            match started {
                Err(error) if is_refusal(&error) => self.without.restart = true,
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
        if self.without.append || way(&session.size(self.path)?, self.sent) != Way::From(offset) {
            return Ok(None);
        }
        match session.start_append(self.path) {
            Err(error) if is_refusal(&error) => {
                self.without.append = true;
                Ok(None)
            }
            started => started.map(Some),
        }
    }

    /// Compares what the server has with what was sent, where it can tell. What an ascii transfer leaves has
    /// the line ends of the server's system, so neither its length nor its hash says anything.
    fn verify(&self, session: &mut Session, source: Source) -> Result<Sent, Error> {
        let bytes = source.taken;
        let mut proof = Proof::Reply;
        if self.task.verify == Verify::None || self.task.transfer_type == TransferType::Ascii {
            return Ok(Sent { bytes, proof });
        }
        if let Stat::Is(entry) = session.size(self.path)? {
            if entry.size != Some(bytes) {
                let message = format!(
                    "The server has {} bytes of `{}`, and {bytes} were sent.",
                    entry.size.unwrap_or_default(),
                    self.path
                );
                return Err(Error::new(Kind::Data, message).retryable());
            }
            proof = Proof::Size(bytes);
        }
        if let Some(digest) = source.digest
            && let Some(hash) = session.compare(self.path, digest)?
        {
            proof = hash;
        }
        Ok(Sent { bytes, proof })
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
    use crate::error::Op;
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
