//! One server for one call: the session when there is one, a new one when there is not, and trying again.

use std::time::Duration;

use crate::error::{Error, Kind, Op};
use crate::session::{Session, may_retry};
use crate::settings::Connection;
use crate::transport::{Host, Level, pause};

/// The pause before the second try; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause. A server that says "busy" for longer is better asked by the flow's own retry.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long removing a temporary file may wait for the server, when the call has failed.
const CLEAN_UP: Duration = Duration::from_secs(5);
/// The same when the call is cancelled: the contract asks to be back within a second.
const CLEAN_UP_CANCELLED: Duration = Duration::from_millis(800);

/// How often something has failed.
#[derive(Debug, Default)]
pub struct Tries(u8);

impl Tries {
    /// It got somewhere, so it counts as the first try again.
    pub fn start_over(&mut self) {
        self.0 = 0;
    }
}

/// From where the tries of a transfer went on.
#[derive(Debug, Default)]
pub struct Progress {
    /// The most bytes that were there when a try went on.
    furthest: u64,
    /// The current try goes on from further than all before.
    advanced: bool,
}

impl Progress {
    /// A try goes on from here.
    pub fn goes_on_from(&mut self, offset: u64) {
        self.advanced = offset > self.furthest;
        self.furthest = self.furthest.max(offset);
    }

    /// After a failed try: when it had come further than those before, it counts as the first one again.
    pub fn settle(&mut self, tries: &mut Tries) {
        if std::mem::take(&mut self.advanced) {
            tries.start_over();
        }
    }
}

/// A server and the session with it.
#[derive(Debug)]
pub struct Client {
    settings: Connection,
    host: Host,
    session: Option<Session>,
    /// The server was seen not to rename uploads. A session may end with the failure that showed it.
    pub writes_directly: bool,
}

impl Client {
    /// A client without a session.
    pub fn new(settings: Connection, host: Host) -> Self {
        Self {
            settings,
            host,
            session: None,
            writes_directly: false,
        }
    }

    /// Whether this client is for these settings.
    pub fn is_for(&self, settings: &Connection) -> bool {
        self.settings == *settings
    }

    /// The host's functions.
    pub fn host(&self) -> Host {
        self.host
    }

    /// The settings.
    pub fn settings(&self) -> &Connection {
        &self.settings
    }

    /// Asks a session that was kept from an earlier call whether it is still there.
    pub fn wake(&mut self) {
        if self.session.as_mut().is_some_and(|session| !session.answers()) {
            self.drop_session();
        }
    }

    /// A session that is ready for a command. Connecting is tried as often as the settings allow, where
    /// trying again can help; the error ends the call.
    pub fn session(&mut self) -> Result<&mut Session, Error> {
        if self.session.as_mut().is_some_and(|session| !session.is_alive()) {
            self.drop_session();
        }
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect()?,
        };
        Ok(self.session.insert(session))
    }

    fn connect(&self) -> Result<Session, Error> {
        let mut tries = Tries::default();
        loop {
            match Session::open(&self.settings, self.host) {
                Ok(session) => {
                    let message = format!("Signed in to {}:{}.", self.settings.host, self.settings.port());
                    (self.host.log)(Level::Debug, &message);
                    return Ok(session);
                }
                // A session that does not open ends the call, but not before the last try.
                Err(error) => {
                    let error = Error {
                        ends_call: error.kind == Kind::Cancelled,
                        ..error
                    };
                    self.wait(&mut tries, error).map_err(Error::ending_call)?;
                }
            }
        }
    }

    /// Does some work in a session, and again in a new one when it fails in a way that trying again can help.
    pub fn attempt<T>(&mut self, mut work: impl FnMut(&mut Session) -> Result<T, Error>) -> Result<T, Error> {
        let mut tries = Tries::default();
        loop {
            match work(self.session()?) {
                Ok(done) => return Ok(done),
                Err(error) => self.recover(&mut tries, error)?,
            }
        }
    }

    /// Makes ready for another try after a failure: lets a lost session go, and waits. The failure comes back
    /// when there is no use in trying again.
    pub fn recover(&mut self, tries: &mut Tries, error: Error) -> Result<(), Error> {
        if error.session_lost {
            self.drop_session();
        }
        self.wait(tries, error)
    }

    fn wait(&self, tries: &mut Tries, error: Error) -> Result<(), Error> {
        tries.0 = tries.0.saturating_add(1);
        if !may_retry(&error) || tries.0 >= self.settings.max_tries {
            return Err(error);
        }
        let message = format!(
            "Try {} of {} failed, trying again. {error}",
            tries.0, self.settings.max_tries
        );
        (self.host.log)(Level::Warn, &message);
        let factor = 1_u32 << (tries.0 - 1).min(16);
        let length = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
        pause(self.host, length)
            .map_err(|stop| Error::io(Op::Connect, &self.settings.host, &stop).ending_call())
    }

    /// Ends the session without a word; the next use opens a new one.
    pub fn drop_session(&mut self) {
        if let Some(session) = self.session.take() {
            session.give_up();
        }
    }

    /// Ends the session politely.
    pub fn quit(&mut self) {
        if let Some(session) = self.session.take() {
            session.quit();
        }
    }

    /// Removes what a failed transfer has left, as well as can be, in the old session or a new one. Whether
    /// it worked is the answer. No session survives this.
    pub fn clean_up(&mut self, mut work: impl FnMut(&mut Session) -> Result<(), Error>) -> bool {
        let idle = if (self.host.cancelled)() {
            CLEAN_UP_CANCELLED
        } else {
            CLEAN_UP
        };
        let mut cleaned = false;
        if let Some(session) = &mut self.session {
            session.clean_up_within(idle);
            cleaned = work(session).is_ok();
        }
        self.drop_session();
        if !cleaned && let Ok(mut session) = Session::open_to_clean_up(&self.settings, self.host, idle) {
            cleaned = work(&mut session).is_ok();
            session.quit();
        }
        cleaned
    }
}
