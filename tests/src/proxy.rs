//! A proxy in front of an FTP server that breaks connections where a test wants them to break.
//!
//! The control connection is passed on line by line. The port in a 229 or 227 reply is replaced with one of the
//! proxy's own, so that the bytes of transfers are counted here, and cut here: after an exact number of bytes over
//! the whole run, with a reset or a plain close, of the data connection, the control connection or both. Single
//! replies can be lost together with their connection, and transfers can be slowed down.
//!
//! Every connection has one thread, which owns both of its sockets; it looks every few milliseconds whether the proxy
//! has ended. So a socket is closed when its thread says so, and a reset is one.

mod plan;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::sockopt;

use crate::poll::readable;
use crate::servers::FtpServer;

pub use self::plan::{Cut, How, Plan, What};

/// What the sockets of a data connection hold. Whatever is in them is lost with a reset, and a test that counts
/// bytes must be able to tell that from a transfer that starts over.
const SOCKET_BUFFER: usize = 128 * 1024;

/// How much is passed on at once.
const PIECE: usize = 64 * 1024;

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
    over: AtomicBool,
    plan: Mutex<Plan>,
    /// Bytes of files to the client and to the server.
    moved: [AtomicU64; 2],
    commands: Mutex<Vec<String>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl CutProxy {
    /// Starts a proxy in front of a server on 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(server_port: u16, plan: Plan) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            server: (Ipv4Addr::LOCALHOST, server_port).into(),
            over: AtomicBool::new(false),
            plan: Mutex::new(plan),
            moved: Default::default(),
            commands: Mutex::default(),
            threads: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || of_thread.accept_all(&listener));
        Self {
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    /// Starts a proxy in front of a server.
    #[must_use]
    pub fn before(server: &FtpServer, plan: Plan) -> Self {
        Self::start(server.port, plan)
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
            let Ok(server) = TcpStream::connect(self.server) else {
                continue;
            };
            for socket in [&client, &server] {
                // Lines are passed on as they come, or each would wait for the confirmation of the last.
                let _ = socket.set_nodelay(true);
            }
            let session = Arc::new(Session {
                shared: Arc::clone(self),
                is_file: AtomicBool::new(false),
                breaking: Mutex::new(None),
                left_open: Mutex::new(None),
                over: AtomicBool::new(false),
            });
            self.spawn(move || {
                // An error is one end that has gone; the other goes with it.
                let _ = session.serve(client, server);
                session.over.store(true, Ordering::Relaxed);
            });
        }
    }

    /// How many of these bytes of a file may pass, and what happens after them.
    fn count(&self, way: usize, bytes: usize) -> (usize, Option<Cut>) {
        let mut plan = lock(&self.plan);
        let before: u64 = self.moved.iter().map(|moved| moved.load(Ordering::Relaxed)).sum();
        let due = plan.cuts.front().map(|cut| cut.after.saturating_sub(before));
        let (pass, cut) = match due.and_then(|due| usize::try_from(due).ok()) {
            Some(due) if due <= bytes => (due, plan.cuts.pop_front()),
            _ => (bytes, None),
        };
        self.moved[way].fetch_add(pass as u64, Ordering::Relaxed);
        (pass, cut)
    }
}

/// One control connection and its data connections.
struct Session {
    shared: Arc<Shared>,
    /// The last command moves a file, not a listing.
    is_file: AtomicBool,
    breaking: Mutex<Option<(What, How)>>,
    /// The server's end of a control connection that broke at the client's end alone.
    left_open: Mutex<Option<TcpStream>>,
    over: AtomicBool,
}

impl Session {
    fn serve(self: &Arc<Self>, mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
        let (mut from_client, mut from_server) = (Lines::default(), Lines::default());
        let mut losing = false;
        while !self.shared.is_over() {
            let ready = readable(&[&client, &server]);
            // Looked at before anything is passed on: a reply to the break must not arrive.
            if let Some((what, how)) = lock(&self.breaking).take() {
                end(client, how)?;
                if what == What::Control {
                    *lock(&self.left_open) = Some(server);
                    return Ok(());
                }
                return end(server, how);
            }
            if ready[1] {
                from_server.fill(&mut server)?;
                while let Some(line) = from_server.take() {
                    if losing && !line.starts_with(b"1") {
                        return Ok(());
                    }
                    client.write_all(&self.rewritten(line)?)?;
                }
            }
            if ready[0] {
                from_client.fill(&mut client)?;
                while let Some(line) = from_client.take() {
                    losing |= self.note(&line);
                    server.write_all(&line)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a command down. Whether its reply is to be lost.
    fn note(&self, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        let command = word(&text).to_ascii_uppercase();
        if !["NOOP", "ABOR"].contains(&command.as_str()) {
            let is_file = ["RETR", "STOR", "APPE"].contains(&command.as_str());
            self.is_file.store(is_file, Ordering::Relaxed);
        }
        lock(&self.shared.commands).push(text);
        let mut plan = lock(&self.shared.plan);
        let at = plan.lost.iter().position(|lost| *lost == command);
        at.map(|at| plan.lost.remove(at)).is_some()
    }

    /// A reply line, with a port of ours in place of the server's.
    fn rewritten(self: &Arc<Self>, line: Vec<u8>) -> io::Result<Vec<u8>> {
        let text = String::from_utf8_lossy(&line);
        let port = match text.get(..4) {
            Some("229 ") => text
                .split("|||")
                .nth(1)
                .and_then(|rest| rest.split('|').next()?.parse().ok()),
            Some("227 ") => pasv_port(&text),
            _ => None,
        };
        let Some(port) = port else { return Ok(line) };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let own = listener.local_addr()?.port();
        let reply = if text.starts_with("229") {
            format!("229 by way of the proxy (|||{own}|)\r\n")
        } else {
            format!(
                "227 by way of the proxy (127,0,0,1,{},{})\r\n",
                own / 256,
                own % 256
            )
        };
        let session = Arc::clone(self);
        self.shared.spawn(move || {
            // An error is one end that has gone; the other goes with it.
            let _ = session.move_data(&listener, port);
        });
        Ok(reply.into_bytes())
    }

    /// Waits for the client's data connection, connects to the server's, and passes on until both have ended.
    fn move_data(&self, listener: &TcpListener, port: u16) -> io::Result<()> {
        loop {
            if self.shared.is_over() || self.over.load(Ordering::Relaxed) {
                return Ok(());
            }
            if readable(&[listener])[0] {
                break;
            }
        }
        let (client, _) = listener.accept()?;
        let server = TcpStream::connect((self.shared.server.ip(), port))?;
        for socket in [&client, &server] {
            sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER)?;
            sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER)?;
        }
        // In the order of `TO_CLIENT` and `TO_SERVER`.
        let ends = [client, server];
        let mut open = [true, true];
        let mut buffer = vec![0; PIECE];
        let pace = lock(&self.shared.plan).pace;
        let piece = pace.map_or(PIECE, |(piece, _)| piece.min(PIECE));
        while open[0] || open[1] {
            if self.shared.is_over() {
                return Ok(());
            }
            let ready = readable(&[&ends[0], &ends[1]]);
            if (0..2).all(|end| open[end] != ready[end]) {
                // An end that has closed stays readable; the other one has a while.
                std::thread::sleep(Duration::from_millis(1));
            }
            for from in 0..2 {
                if !(open[from] && ready[from]) {
                    continue;
                }
                let (mut source, mut target) = (&ends[from], &ends[1 - from]);
                let read = source.read(&mut buffer[..piece])?;
                if read == 0 {
                    open[from] = false;
                    // A transfer is over when its sender closes.
                    let _ = target.shutdown(Shutdown::Write);
                    continue;
                }
                let is_file = self.is_file.load(Ordering::Relaxed);
                let (pass, cut) = if is_file {
                    self.shared.count(1 - from, read)
                } else {
                    (read, None)
                };
                target.write_all(&buffer[..pass])?;
                let Some(cut) = cut else {
                    if let Some((_, pause)) = pace {
                        std::thread::sleep(pause);
                    }
                    continue;
                };
                if cut.what != What::Data {
                    *lock(&self.breaking) = Some((cut.what, cut.how));
                }
                if cut.what == What::Control {
                    target.write_all(&buffer[pass..read])?;
                    self.shared.moved[1 - from].fetch_add((read - pass) as u64, Ordering::Relaxed);
                    continue;
                }
                let [client, server] = ends;
                end(client, cut.how)?;
                return end(server, cut.how);
            }
        }
        Ok(())
    }
}

/// Lines out of pieces.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn fill(&mut self, from: &mut TcpStream) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match from.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.0.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        Some(self.0.drain(..=end).collect())
    }
}

/// Closes a connection.
fn end(socket: TcpStream, how: How) -> io::Result<()> {
    if how == How::Reset {
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    }
    drop(socket);
    Ok(())
}

/// The port in a reply to PASV: the last two of six numbers.
fn pasv_port(text: &str) -> Option<u16> {
    let numbers = text.get(4..)?.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<u16> = numbers.filter_map(|number| number.parse().ok()).collect();
    let [.., high, low] = numbers.as_slice() else {
        return None;
    };
    Some(high * 256 + low)
}

fn word(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
