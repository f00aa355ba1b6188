//! How long a session waits, for what it stops waiting, and what it does meanwhile.
//!
//! Every wait is a `poll` in slices. That is the one way that works with every C library of the target: socket
//! time-outs are missing in some, and a blocking read could neither be cancelled nor bounded.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;

pub use flow_connector::Level;

use crate::tls;
use crate::trace::Trace;
use crate::transport::Wire;

/// The longest wait between two looks at `cancelled`; the contract asks for 250 ms or less.
const SLICE: Duration = Duration::from_millis(200);

/// What the FTP side needs of the host. Plain functions, so that a test can stand in for each.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Whether the call is to end.
    pub cancelled: fn() -> bool,
    /// How long it is until the host ends the call by force.
    pub remaining: fn() -> Duration,
    /// Whether somebody wants to read the dialogue with the server.
    pub traces: fn() -> bool,
    /// Writes a line to the run's log.
    pub log: fn(Level, &str),
    /// Tells how far the work is.
    pub progress: fn(&str, u64, Option<u64>),
    /// Holds the TLS sessions of a control connection.
    pub tls: tls::Hold,
}

#[cfg(test)]
impl Host {
    /// One that wants nothing and hears nothing.
    pub const CALM: Self = Self {
        cancelled: || false,
        remaining: || Duration::from_mins(1),
        traces: || false,
        log: |_, _| {},
        progress: |_, _, _| {},
        tls: tls::tests::context,
    };
}

/// Why a wait was given up. Travels inside an `io::Error`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stop {
    /// The host asked for it.
    #[error("cancelled")]
    Cancelled,
    /// Nothing happened for this long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// Something came, again and again, and no end of it.
    #[error("{heard} bytes within {within:?}, and no end")]
    Unfinished {
        /// Bytes that came of the reply, the handshake or the line.
        heard: u64,
        /// How long it might have taken.
        within: Duration,
    },
    /// The host's deadline for the call has passed.
    #[error("the call's time is up")]
    CallOver,
    /// The name has no address.
    #[error("`{0}` does not resolve")]
    Unresolved(String),
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        let kind = match stop {
            // Not `Interrupted`: the standard library would try again for ever.
            Stop::Cancelled => io::ErrorKind::Other,
            Stop::TimedOut(_) | Stop::Unfinished { .. } | Stop::CallOver => io::ErrorKind::TimedOut,
            Stop::Unresolved(_) => io::ErrorKind::NotFound,
        };
        Self::new(kind, stop)
    }
}

/// The patience of one session: how long its sockets wait, and for what they stop waiting.
#[derive(Debug)]
pub struct Patience {
    host: Host,
    idle_ms: AtomicU64,
    /// While what was left half done is removed, the wish to cancel is already known.
    cleaning: AtomicBool,
    /// The session is given up: every wait ends at once.
    given_up: AtomicBool,
    /// What the times below are counted from.
    epoch: Instant,
    /// When the reply that is being read must be whole, in milliseconds; [`NEVER`] when none is.
    reply_by: AtomicU64,
    /// How many bytes of it have come.
    heard: AtomicU64,
    pulse: OnceLock<Pulse>,
}

/// A time that does not come.
const NEVER: u64 = u64::MAX;

/// A whole reply, handshake or line of a listing may take this many times as long as a sign of life: a server that
/// sends a byte now and then would otherwise keep us for ever. The body of a file may take as long as it likes, like
/// with other clients: who wants an end to that gives the step one.
pub const REPLY_TIMES: u64 = 4;

/// NOOPs on the control connection beside a transfer. They are sent from within the waits for data, since a
/// transfer may stand still for long, and their replies are read when the transfer is over.
#[derive(Debug)]
struct Pulse {
    control: Weak<Wire>,
    every: Duration,
    /// When the next is due, in milliseconds since the epoch; [`NEVER`] while nothing is on its way.
    due: AtomicU64,
    owed: Arc<AtomicU32>,
    trace: Trace,
}

impl Patience {
    /// Waits `idle` for each sign of life.
    pub fn new(host: Host, idle: Duration) -> Arc<Self> {
        Arc::new(Self {
            host,
            idle_ms: AtomicU64::new(millis(idle)),
            cleaning: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            epoch: Instant::now(),
            reply_by: AtomicU64::new(NEVER),
            heard: AtomicU64::new(0),
            pulse: OnceLock::new(),
        })
    }

    /// From now on only `idle` is waited, and cancellation is not looked at: for removing a temporary file.
    pub fn clean_up_within(&self, idle: Duration) {
        self.idle_ms.fetch_min(millis(idle), Ordering::Relaxed);
        self.cleaning.store(true, Ordering::Relaxed);
    }

    /// Nothing more is expected of this session: no wait, not even for a final reply.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// How long each sign of life is waited for.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms.load(Ordering::Relaxed))
    }

    /// Does some work with no more patience than this.
    pub fn within<T>(&self, limit: Duration, work: impl FnOnce() -> T) -> T {
        let before = self.idle_ms.fetch_min(millis(limit), Ordering::Relaxed);
        let done = work();
        self.idle_ms.store(before, Ordering::Relaxed);
        done
    }

    /// Reads one reply, or what is as short as one, which must be whole in time.
    pub fn for_a_reply<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.heard.store(0, Ordering::Relaxed);
        let length = self.idle_ms.load(Ordering::Relaxed).saturating_mul(REPLY_TIMES);
        self.reply_by
            .store(self.now().saturating_add(length), Ordering::Relaxed);
        let reply = read();
        self.reply_by.store(NEVER, Ordering::Relaxed);
        reply
    }

    /// So many bytes have come.
    pub fn hear(&self, bytes: usize) {
        self.heard.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// From now on NOOPs are sent on the control connection while something is on its way and nothing else was
    /// sent for this long. `owed` counts the replies that will come.
    pub fn keep_alive(&self, control: Weak<Wire>, every: Duration, owed: Arc<AtomicU32>, trace: Trace) {
        let _ = self.pulse.set(Pulse {
            control,
            every,
            due: AtomicU64::new(NEVER),
            owed,
            trace,
        });
    }

    /// Something is on its way from now on, or no longer.
    pub fn transfers(&self, under_way: bool) {
        if let Some(pulse) = self.pulse.get() {
            let due = self.now().saturating_add(millis(pulse.every));
            pulse
                .due
                .store(if under_way { due } else { NEVER }, Ordering::Relaxed);
        }
    }

    /// Sends a NOOP if one is due, and does not wait for its reply.
    pub fn tick(&self) -> io::Result<()> {
        let Some(pulse) = self.pulse.get() else {
            return Ok(());
        };
        let due = pulse.due.load(Ordering::Relaxed);
        if due == NEVER || self.now() < due {
            return Ok(());
        }
        if let Some(control) = pulse.control.upgrade()
            && control.nudge(b"NOOP\r\n")?
        {
            pulse.trace.sent("NOOP");
            pulse.owed.fetch_add(1, Ordering::Relaxed);
        }
        self.transfers(true);
        Ok(())
    }

    fn now(&self) -> u64 {
        millis(self.epoch.elapsed())
    }

    /// Writes a line to the run's log.
    pub fn log(&self, level: Level, message: &str) {
        (self.host.log)(level, message);
    }

    /// An error when the call is to end.
    pub fn check(&self) -> io::Result<()> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !self.cleaning.load(Ordering::Relaxed) {
            return check(self.host);
        }
        Ok(())
    }

    /// Waits until `socket` is ready for `events`.
    pub fn wait(&self, socket: &impl AsFd, events: PollFlags) -> io::Result<()> {
        let idle = self.idle();
        let start = Instant::now();
        loop {
            self.check()?;
            self.tick()?;
            let left = idle.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Stop::TimedOut(idle).into());
            }
            self.check_reply()?;
            let slice = timespec(left.min(SLICE));
            match poll(&mut [PollFd::new(socket, events)], Some(&slice)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn check_reply(&self) -> io::Result<()> {
        if self.now() < self.reply_by.load(Ordering::Relaxed) {
            return Ok(());
        }
        let within = self.idle_ms.load(Ordering::Relaxed).saturating_mul(REPLY_TIMES);
        Err(Stop::Unfinished {
            heard: self.heard.load(Ordering::Relaxed),
            within: Duration::from_millis(within),
        }
        .into())
    }
}

/// An error when the host wants the call to end, or will end it.
fn check(host: Host) -> io::Result<()> {
    if (host.cancelled)() {
        return Err(Stop::Cancelled.into());
    }
    if (host.remaining)().is_zero() {
        return Err(Stop::CallOver.into());
    }
    Ok(())
}

/// Sleeps, but wakes up for the end of the call.
pub fn pause(host: Host, duration: Duration) -> io::Result<()> {
    let start = Instant::now();
    loop {
        check(host)?;
        let Some(left) = duration
            .checked_sub(start.elapsed())
            .filter(|left| !left.is_zero())
        else {
            return Ok(());
        };
        std::thread::sleep(left.min(SLICE));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn timespec(duration: Duration) -> Timespec {
    // A slice is far below what the type holds; should it not be, the wait does not happen at all.
    Timespec::try_from(duration).unwrap_or(Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    })
}
