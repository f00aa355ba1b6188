//! A proxy in front of an FTP server that breaks connections where a test wants them to break.
//!
//! The control connection is passed on line by line. The port in a 229 or 227 reply is replaced with one of the
//! proxy's own, so that the bytes of transfers are counted here, and cut here: after an exact number of bytes over
//! the whole run, with a reset or a plain close, of the data connection, the control connection or both. Single
//! replies can be lost together with their connection, and transfers can be slowed down.
//!
//! TLS ends here on both sides: to the client the proxy shows the server's certificate, whose key the tests have, and
//! to the server it is a client that trusts the tests' authority. So lines are read and bytes of files counted as
//! in clear. Data connections resume the control connection's session on both sides; those of active mode are led
//! through the proxy too, since the server would refuse the client's own session. rustls uses a ticket once, so behind
//! the proxy a session with `ProFTPD` and TLS 1.3 has two uploads (see there).
//!
//! Every connection has one thread, which owns both of its sockets; it looks every few milliseconds whether the proxy
//! has ended. So a socket is closed when its thread says so, and a reset is one.

mod data;
mod plan;
mod session;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::sockopt;

use self::session::Session;
use crate::poll::{TICK, readable};
use crate::servers::FtpServer;
use crate::servers::tls::Tls;
use crate::wire::Wire;

pub use self::plan::{At, Cut, How, Plan, What};

/// The ends of a connection, and the ways to them.
const TO_CLIENT: usize = 0;
const TO_SERVER: usize = 1;

/// A running proxy. Dropping it ends it with all of its connections.
pub struct CutProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// What the threads of a proxy share.
struct Shared {
    server: SocketAddr,
    tls: Option<Tls>,
    over: AtomicBool,
    plan: Mutex<Plan>,
    /// Bytes of files to the client and to the server.
    moved: [AtomicU64; 2],
    commands: Mutex<Vec<String>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The client's data connections in TLS: those in a new session, and those that resumed one.
    protected: [AtomicUsize; 2],
}

impl CutProxy {
    /// Starts a proxy in front of a server.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn before(server: &FtpServer, plan: Plan) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            server: (Ipv4Addr::LOCALHOST, server.port).into(),
            tls: server.limits.tls,
            over: AtomicBool::new(false),
            plan: Mutex::new(plan),
            moved: Default::default(),
            commands: Mutex::default(),
            threads: Mutex::default(),
            protected: Default::default(),
        });
        let of_thread = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || of_thread.accept_all(&listener));
        Self {
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The server's settings, by way of the proxy.
    #[must_use]
    pub fn settings(&self, server: &FtpServer) -> serde_json::Value {
        crate::run::with(server.settings(), "port", self.port())
    }

    /// Bytes of files that were passed on to the client so far. Listings do not count.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.shared.moved[TO_CLIENT].load(Ordering::Relaxed)
    }

    /// Bytes of files that were passed on to the server so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.moved[TO_SERVER].load(Ordering::Relaxed)
    }

    /// How many data connections of the client were in TLS: those in a new session, and those that resumed one.
    #[must_use]
    pub fn protected(&self) -> (usize, usize) {
        let [new, resumed] = &self.shared.protected;
        (new.load(Ordering::Relaxed), resumed.load(Ordering::Relaxed))
    }

    /// What was planned and has not happened: breaks and lost replies.
    #[must_use]
    pub fn left_to_do(&self) -> usize {
        let plan = lock(&self.shared.plan);
        plan.cuts.len() + plan.lost.len()
    }

    /// All command lines, in the order of arrival.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        lock(&self.shared.commands).clone()
    }

    /// How many command lines start with this word.
    #[must_use]
    pub fn count(&self, command: &str) -> usize {
        let commands = lock(&self.shared.commands);
        commands.iter().filter(|line| word(line) == command).count()
    }
}

impl Drop for CutProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ = self.accepting.take().map(JoinHandle::join);
        // Threads start others, so until there are none.
        while let Some(thread) = { lock(&self.shared.threads).pop() } {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether the client counts as killed.
    fn is_killed(&self) -> bool {
        let plan = lock(&self.plan);
        plan.kill
            .as_ref()
            .is_some_and(|(_, killed)| killed.is_cancelled())
    }

    /// Kills the client if this is the instant.
    fn reach(&self, at: At) {
        let plan = lock(&self.plan);
        if let Some((_, killed)) = plan.kill.as_ref().filter(|(planned, _)| *planned == at) {
            killed.cancel();
        }
    }

    /// Keeps a killed client's connection until the proxy ends, so that the client notices nothing.
    fn keep(&self, client: Wire) {
        while !self.is_over() {
            std::thread::park_timeout(TICK);
        }
        drop(client);
    }

    fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        lock(&self.threads).push(std::thread::spawn(work));
    }

    fn accept_all(self: &Arc<Self>, listener: &TcpListener) {
        while !self.is_over() {
            if !readable(&[listener])[0] {
                continue;
            }
            let Ok((client, _)) = listener.accept() else {
                return;
            };
            if self.is_killed() {
                continue;
            }
            let Ok(server) = TcpStream::connect(self.server) else {
                continue;
            };
            for socket in [&client, &server] {
                // Lines are passed on as they come, or each would wait for the confirmation of the last.
                let _ = socket.set_nodelay(true);
            }
            let session = Arc::new(Session::new(self));
            self.spawn(move || {
                // An error is one end that has gone; the other goes with it.
                let _ = session.serve(Wire::new(client), Wire::new(server));
                session.end();
            });
        }
    }

    /// How many of these bytes of a file may pass, and what happens after them.
    fn count(&self, way: usize, bytes: usize) -> (usize, Option<Cut>) {
        let mut plan = lock(&self.plan);
        let before: u64 = self.moved.iter().map(|moved| moved.load(Ordering::Relaxed)).sum();
        if let Some((At::Byte(at), killed)) = &plan.kill
            && let Some(left) = at.checked_sub(before)
            && let Ok(left) = usize::try_from(left)
            && left <= bytes
        {
            killed.cancel();
            self.moved[way].fetch_add(left as u64, Ordering::Relaxed);
            return (left, None);
        }
        let due = plan.cuts.front().map(|cut| cut.after.saturating_sub(before));
        let (pass, cut) = match due.and_then(|due| usize::try_from(due).ok()) {
            Some(due) if due <= bytes => (due, plan.cuts.pop_front()),
            _ => (bytes, None),
        };
        self.moved[way].fetch_add(pass as u64, Ordering::Relaxed);
        (pass, cut)
    }
}

/// Closes a connection.
fn end(mut wire: Wire, how: How) -> io::Result<()> {
    match how {
        How::Reset => sockopt::set_socket_linger(wire.socket(), Some(Duration::ZERO))?,
        // To an end that has gone already it cannot be said.
        How::CloseNotify => drop(wire.finish()),
        How::Close => {}
    }
    Ok(())
}

fn word(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
