//! Byte streams over sockets: connecting, accepting, reading and writing within a session's patience.
//!
//! Sockets are non-blocking; how they are waited for is in `patience`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

pub use crate::patience::{Host, Level, Patience, REPLY_TIMES, Stop, pause};
use crate::tls::secured::Secured;
use crate::tls::{Info, Session};

/// After how much silence the system probes a control connection. Firewalls forget one after some minutes.
const QUIET: Duration = Duration::from_mins(1);

/// How long the other end may take to end a TLS session that we have ended.
const GOODBYE: Duration = Duration::from_secs(5);

/// Whether a connect that does not wait has begun and goes on by itself.
fn under_way(error: &io::Error) -> bool {
    let codes = [Errno::INPROGRESS, Errno::INTR].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
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

/// A control or data connection, in clear or encrypted.
#[derive(Debug)]
pub struct Stream {
    wire: Arc<Wire>,
    patience: Arc<Patience>,
}

/// A socket, and the TLS session over it when there is one.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    secured: OnceLock<Mutex<Secured>>,
}

impl Wire {
    /// Sends a short command without waiting, and gives whether it is on its way. It is not when the socket has no
    /// room or somebody else is writing: then there is a sign of life already.
    pub fn nudge(&self, command: &[u8]) -> io::Result<bool> {
        let mut socket = &self.socket;
        if let Some(secured) = self.secured.get() {
            return match secured.try_lock() {
                Ok(mut secured) => secured.nudge(&mut socket, command).map(|()| true),
                Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => Ok(false),
            };
        }
        match socket.write(command) {
            Ok(count) if count == command.len() => Ok(true),
            // Half a command cannot be taken back.
            Ok(_) => Err(io::ErrorKind::ConnectionAborted.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A socket that is waited for.
struct Patient<'a> {
    socket: &'a TcpStream,
    patience: &'a Patience,
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
            wire: Arc::new(Wire {
                socket,
                secured: OnceLock::new(),
            }),
            patience: Arc::clone(patience),
        })
    }

    /// The address at the other end.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.wire.socket.peer_addr()
    }

    /// What is below, for those who must not keep it open.
    pub fn wire(&self) -> Weak<Wire> {
        Arc::downgrade(&self.wire)
    }

    /// Encrypts the connection from here on. Nothing of it may be read and not yet used.
    pub fn secure(&self, session: Box<dyn Session>) -> io::Result<()> {
        let secured = Secured::handshake(session, &mut self.patient())?;
        self.wire
            .secured
            .set(Mutex::new(secured))
            .map_err(|_| io::Error::other("the connection is encrypted already"))
    }

    /// What its TLS session came to, when there is one.
    pub fn info(&self) -> Option<Info> {
        self.with_secured(|secured, _| secured.info())?
    }

    /// Ends the TLS session, when there is one, in the order that FTP servers want.
    pub fn end(&self) -> io::Result<()> {
        self.with_secured(|secured, socket| {
            secured.close(socket)?;
            if secured.has_ended() {
                return Ok(());
            }
            socket.socket.shutdown(Shutdown::Write)?;
            let until = Instant::now() + GOODBYE;
            self.patience.within(GOODBYE, || secured.drain(socket, until))
        })
        .unwrap_or(Ok(()))
    }

    fn with_secured<T>(&self, work: impl FnOnce(&mut Secured, &mut Patient<'_>) -> T) -> Option<T> {
        let secured = self.wire.secured.get()?;
        let mut secured = secured.lock().unwrap_or_else(PoisonError::into_inner);
        Some(work(&mut secured, &mut self.patient()))
    }

    fn patient(&self) -> Patient<'_> {
        Patient {
            socket: &self.wire.socket,
            patience: &self.patience,
        }
    }

    /// Lets the system ask the other end for a sign of life when nothing was said for a minute, so that what
    /// lies in between does not forget the connection. Not everywhere to be had; then it is left out.
    pub fn probe(&self) {
        let _ = SockRef::from(&self.wire.socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(QUIET));
    }

    /// A listener on the address that this connection has at our end, for a server that connects back. Port 0
    /// is any that is free.
    pub fn listen(&self, port: u16) -> io::Result<TcpListener> {
        let mut local = self.wire.socket.local_addr()?;
        local.set_port(port);
        let listener = TcpListener::bind(local)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Waits for the peer of this connection to connect to `listener`. Whoever else gets there first is
    /// sent away, and is no sign of life: a data connection belongs to the server that we have signed in to.
    pub fn accept(&self, listener: &TcpListener) -> io::Result<Self> {
        let server = self.peer()?.ip().to_canonical();
        let (start, idle) = (Instant::now(), self.patience.idle());
        loop {
            self.patience.check()?;
            if start.elapsed() > idle {
                return Err(Stop::TimedOut(idle).into());
            }
            match listener.accept() {
                Ok((socket, from)) if from.ip().to_canonical() == server => {
                    return Self::over(socket, &self.patience);
                }
                Ok((_, from)) => {
                    let message = format!(
                        "Sent away a data connection from {}, which is not the server.",
                        from.ip()
                    );
                    self.patience.log(Level::Warn, &message);
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
        self.patience.tick()?;
        self.with_secured(|secured, socket| secured.read(socket, buffer))
            .unwrap_or_else(|| self.patient().read(buffer))
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.patience.tick()?;
        self.with_secured(|secured, socket| secured.write(socket, buffer).map(|()| buffer.len()))
            .unwrap_or_else(|| self.patient().write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.patience.wait(self.socket, PollFlags::IN)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => {
                    self.patience.hear(count);
                    return Ok(count);
                }
                failed => return failed,
            }
        }
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        loop {
            match self.socket.write(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.patience.wait(self.socket, PollFlags::OUT)?;
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
    use crate::trace::Trace;
    use std::sync::atomic::{AtomicU32, Ordering};

    const CALM: Host = Host::CALM;

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
                remaining: || Duration::ZERO,
                ..CALM
            },
            Duration::from_mins(1),
        );
        assert!(matches!(stop(stream.read(&mut [0])), Stop::CallOver));
    }

    #[test]
    fn a_data_connection_is_taken_from_the_server_alone() {
        let (control, _peer) = silence(CALM, Duration::from_secs(10));
        let listener = control.listen(0).unwrap();
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

    /// Strangers who come again and again do not make the server's time longer.
    #[test]
    fn strangers_are_no_sign_of_life() {
        let idle = Duration::from_millis(300);
        let (control, _peer) = silence(CALM, idle);
        let listener = control.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let (over, done) = std::sync::mpsc::channel::<()>();
        let strangers = std::thread::spawn(move || {
            let from: SocketAddr = "127.0.0.2:0".parse().unwrap();
            while done.recv_timeout(Duration::from_millis(20))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                let stranger = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                let _ = stranger
                    .bind(&from.into())
                    .and_then(|()| stranger.connect(&address.into()));
            }
        });
        let start = Instant::now();
        let stopped = stop(control.accept(&listener).map(|_| 0));
        assert!(matches!(stopped, Stop::TimedOut(limit) if limit == idle));
        assert!(start.elapsed() < idle * 10);
        drop(over);
        strangers.join().unwrap();
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

    /// NOOPs go out while a transfer stands still, and not before and after it.
    #[test]
    fn the_control_connection_is_kept_alive_beside_a_transfer() {
        let (control, mut server) = silence(CALM, Duration::from_millis(700));
        let (mut data, _sender) = silence(CALM, Duration::from_millis(700));
        let patience = Arc::clone(&control.patience);
        let owed = Arc::new(AtomicU32::new(0));
        let every = Duration::from_millis(250);
        patience.keep_alive(control.wire(), every, Arc::clone(&owed), Trace::default());
        data.patience = Arc::clone(&patience);
        std::thread::sleep(every);
        patience.tick().unwrap();
        assert_eq!(owed.load(Ordering::Relaxed), 0, "nothing is on its way");
        patience.transfers(true);
        assert!(matches!(stop(data.read(&mut [0])), Stop::TimedOut(_)));
        patience.transfers(false);
        let sent = owed.load(Ordering::Relaxed);
        assert!((1..=3).contains(&sent), "{sent}");
        drop(control);
        let mut wire = String::new();
        server.read_to_string(&mut wire).unwrap();
        assert_eq!(wire, "NOOP\r\n".repeat(sent as usize));
        patience.transfers(true);
        std::thread::sleep(every);
        patience.tick().unwrap();
    }

    /// A byte now and then is a sign of life, but no reply.
    #[test]
    fn a_reply_that_drips_is_given_up() {
        let idle = Duration::from_millis(200);
        let (mut stream, mut peer) = silence(CALM, idle);
        let patience = Arc::clone(&stream.patience);
        let (over, done) = std::sync::mpsc::channel::<()>();
        let dripping = std::thread::spawn(move || {
            while done.recv_timeout(Duration::from_millis(50))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                let _ = peer.write(b"2");
            }
        });
        let start = Instant::now();
        let read = patience.for_a_reply(|| stream.read_to_end(&mut Vec::new()));
        let Stop::Unfinished { heard, within } = stop(read) else {
            panic!("it is not the silence that ended it")
        };
        assert_eq!(within, idle * 4);
        assert!((2..=16).contains(&heard), "{heard}");
        assert!(start.elapsed() >= idle * 4);
        drop(over);
        dripping.join().unwrap();
    }

    #[test]
    fn patience_is_shortened_for_a_while() {
        let (mut stream, _peer) = silence(CALM, Duration::from_mins(1));
        let patience = Arc::clone(&stream.patience);
        let read = patience.within(Duration::from_millis(100), || stream.read(&mut [0]));
        assert!(matches!(stop(read), Stop::TimedOut(limit) if limit == Duration::from_millis(100)));
        assert_eq!(patience.idle(), Duration::from_mins(1));
    }
}
