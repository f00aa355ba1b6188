//! Byte streams over sockets: time-outs, cancellation, connecting and accepting.
//!
//! Sockets are non-blocking, and every wait is a `poll` in slices. That is the one way that works with
//! every C library of the target: socket time-outs are missing in some, and a blocking read could
//! neither be cancelled nor bounded.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};

/// The longest wait between two looks at `cancelled`; the contract asks for 250 ms or less.
const SLICE: Duration = Duration::from_millis(200);

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The dialogue with the server.
    Trace,
    /// For the maker of a flow who looks for a fault.
    Debug,
    /// Something is not as asked for, but the work goes on.
    Warn,
}

/// What the FTP side needs of the host. Plain functions, so that nothing here knows the bindings.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Whether the call is to end.
    pub cancelled: fn() -> bool,
    /// Milliseconds until the host ends the call by force.
    pub remaining_ms: fn() -> u64,
    /// Whether somebody wants to read the dialogue with the server.
    pub traces: fn() -> bool,
    /// Writes a line to the run's log.
    pub log: fn(Level, &str),
    /// Tells how far the work is.
    pub progress: fn(&str, u64, Option<u64>),
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
            Stop::TimedOut(_) | Stop::CallOver => io::ErrorKind::TimedOut,
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
}

impl Patience {
    /// Waits `idle` for each sign of life.
    pub fn new(host: Host, idle: Duration) -> Arc<Self> {
        Arc::new(Self {
            host,
            idle_ms: AtomicU64::new(millis(idle)),
            cleaning: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
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

    /// An error when the call is to end.
    pub fn check(&self) -> io::Result<()> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !self.cleaning.load(Ordering::Relaxed) {
            if (self.host.cancelled)() {
                return Err(Stop::Cancelled.into());
            }
            if (self.host.remaining_ms)() == 0 {
                return Err(Stop::CallOver.into());
            }
        }
        Ok(())
    }

    /// Waits until `socket` is ready for `events`.
    fn wait(&self, socket: &impl AsFd, events: PollFlags) -> io::Result<()> {
        let idle = Duration::from_millis(self.idle_ms.load(Ordering::Relaxed));
        let start = Instant::now();
        loop {
            self.check()?;
            let Some(left) = idle.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
                return Err(Stop::TimedOut(idle).into());
            };
            let slice = timespec(left.min(SLICE));
            match poll(&mut [PollFd::new(socket, events)], Some(&slice)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Sleeps, but wakes up for the end of the call.
pub fn pause(host: Host, duration: Duration) -> io::Result<()> {
    let start = Instant::now();
    loop {
        if (host.cancelled)() {
            return Err(Stop::Cancelled.into());
        }
        if (host.remaining_ms)() == 0 {
            return Err(Stop::CallOver.into());
        }
        let Some(left) = duration
            .checked_sub(start.elapsed())
            .filter(|left| !left.is_zero())
        else {
            return Ok(());
        };
        std::thread::sleep(left.min(SLICE));
    }
}

/// Whether a connect that does not wait has begun and goes on by itself.
fn under_way(error: &io::Error) -> bool {
    let codes = [Errno::INPROGRESS, Errno::INTR].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
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

/// The addresses of a host name. A literal address needs no name lookup, which a sandbox may lack.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let literal = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    match (host, port).to_socket_addrs() {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.collect();
            if addresses.is_empty() {
                Err(Stop::Unresolved(host.to_owned()).into())
            } else {
                Ok(addresses)
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Err(_) => Err(Stop::Unresolved(host.to_owned()).into()),
    }
}

/// A control or data connection.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    patience: Arc<Patience>,
}

impl Stream {
    /// Connects within the session's patience.
    pub fn connect(address: SocketAddr, patience: &Arc<Patience>) -> io::Result<Self> {
        // Not `TcpStream::connect_timeout`: it waits in one piece, and cannot be cancelled.
        let socket = TcpStream::from(Socket::new(Domain::for_address(address), Type::STREAM, None)?);
        // By the standard library's way (FIONBIO): the other way (F_SETFL) is for files alone in some C
        // libraries of the component's target.
        socket.set_nonblocking(true)?;
        match SockRef::from(&socket).connect(&address.into()) {
            Ok(()) => {}
            Err(error) if under_way(&error) => {
                patience.wait(&socket, PollFlags::OUT)?;
                if let Some(error) = socket.take_error()? {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        Self::over(socket, patience)
    }

    fn over(socket: TcpStream, patience: &Arc<Patience>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Commands are single small writes that wait for an answer. Refused by some C libraries, which
        // costs time and nothing else.
        let _ = socket.set_nodelay(true);
        Ok(Self {
            socket,
            patience: Arc::clone(patience),
        })
    }

    /// The address at the other end.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// A listener on the address that this connection has at our end, for a server that connects back.
    pub fn listen(&self) -> io::Result<TcpListener> {
        let mut local = self.socket.local_addr()?;
        local.set_port(0);
        let listener = TcpListener::bind(local)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Waits for the peer of this connection to connect to `listener`. Whoever else gets there first is
    /// sent away: a data connection belongs to the server that we have signed in to.
    pub fn accept(&self, listener: &TcpListener) -> io::Result<Self> {
        let server = self.peer()?.ip().to_canonical();
        loop {
            match listener.accept() {
                Ok((socket, from)) if from.ip().to_canonical() == server => {
                    return Self::over(socket, &self.patience);
                }
                Ok((_, from)) => {
                    let message = format!(
                        "Sent away a data connection from {}, which is not the server.",
                        from.ip()
                    );
                    (self.patience.host.log)(Level::Warn, &message);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.patience.wait(listener, PollFlags::IN)?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.patience.wait(&self.socket, PollFlags::IN)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        loop {
            match self.socket.write(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.patience.wait(&self.socket, PollFlags::OUT)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Host = Host {
        cancelled: || false,
        remaining_ms: || 60_000,
        traces: || false,
        log: |_, _| {},
        progress: |_, _, _| {},
    };

    /// A connection to a peer that never says anything.
    fn silence(host: Host, idle: Duration) -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = Stream::connect(listener.local_addr().unwrap(), &Patience::new(host, idle)).unwrap();
        let peer = listener.accept().unwrap().0;
        (stream, peer)
    }

    fn stop(result: io::Result<usize>) -> Stop {
        let error = result.unwrap_err();
        error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Stop>())
            .unwrap()
            .clone()
    }

    #[test]
    fn silence_is_waited_for_no_longer_than_set() {
        let idle = Duration::from_millis(300);
        let (mut stream, _peer) = silence(CALM, idle);
        let start = Instant::now();
        assert!(matches!(stop(stream.read(&mut [0])), Stop::TimedOut(_)));
        assert!(start.elapsed() >= idle);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_up() {
        let (mut stream, _peer) = silence(CALM, Duration::from_millis(300));
        let chunk = vec![0; 1 << 20];
        let failed = (0..1000)
            .map(|_| stream.write(&chunk))
            .find(Result::is_err)
            .unwrap();
        assert!(matches!(stop(failed), Stop::TimedOut(_)));
    }

    #[test]
    fn a_wish_to_stop_ends_a_wait_but_not_the_clean_up() {
        let host = Host {
            cancelled: || true,
            ..CALM
        };
        let idle = Duration::from_mins(1);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let patience = Patience::new(host, idle);
        let mut stream = Stream::connect(listener.local_addr().unwrap(), &Patience::new(CALM, idle)).unwrap();
        stream.patience = Arc::clone(&patience);
        assert!(matches!(stop(stream.read(&mut [0])), Stop::Cancelled));
        patience.clean_up_within(Duration::from_millis(100));
        assert!(matches!(stop(stream.read(&mut [0])), Stop::TimedOut(_)));
        patience.give_up();
        assert_eq!(
            stream.read(&mut [0]).unwrap_err().kind(),
            io::ErrorKind::ConnectionAborted
        );
        assert!(pause(host, idle).is_err());
    }

    #[test]
    fn the_end_of_the_call_is_not_waited_past() {
        let (mut stream, _peer) = silence(CALM, Duration::from_mins(1));
        stream.patience = Patience::new(
            Host {
                remaining_ms: || 0,
                ..CALM
            },
            Duration::from_mins(1),
        );
        assert!(matches!(stop(stream.read(&mut [0])), Stop::CallOver));
    }

    #[test]
    fn a_data_connection_is_taken_from_the_server_alone() {
        let (control, _peer) = silence(CALM, Duration::from_secs(10));
        let listener = control.listen().unwrap();
        let address = listener.local_addr().unwrap();
        // Every address in 127/8 is this machine, so one of the others plays the stranger.
        let stranger = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let from: SocketAddr = "127.0.0.2:0".parse().unwrap();
        let met = stranger
            .bind(&from.into())
            .and_then(|()| stranger.connect(&address.into()));
        let server = TcpStream::connect(address).unwrap();
        let data = control.accept(&listener).unwrap();
        assert_eq!(
            data.peer().unwrap(),
            server.local_addr().unwrap(),
            "stranger: {met:?}"
        );
    }

    #[test]
    fn addresses_need_no_name_lookup() {
        for (host, address) in [
            ("192.0.2.1", "192.0.2.1:21"),
            ("[::1]", "[::1]:21"),
            ("::1", "[::1]:21"),
        ] {
            assert_eq!(resolve(host, 21).unwrap(), [address.parse().unwrap()]);
        }
    }
}
