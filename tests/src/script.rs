//! An FTP server that does what a test tells it to, truthful or not.
//!
//! Without further words it is a small honest server over a list of files: it takes every account, has no
//! extensions (`FEAT` says so), answers `EPSV` and `PASV`, lists with `LIST` and `NLST`, and goes on in the middle
//! of a file. `MLSD`, `MLST` and `MDTM` it has when a test names them as features. A test replaces single commands
//! with [`Script::on`].
//!
//! With [`Script::tls`] it takes `AUTH TLS` as well, and with [`Script::implicit`] TLS begins with the connection; `PROT P`
//! and `PROT C` do what they say. A reaction can go past TLS by the sockets of its connections.

mod folder;
mod session;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls::ServerConfig;

use crate::pki;

pub use session::Session;

/// What a replaced command does. The second argument is what followed the command's word.
type Reaction = Arc<dyn Fn(&mut Session, &str) -> io::Result<()> + Send + Sync>;

/// What a scripted server will say.
#[derive(Clone, Default)]
pub struct Script {
    files: BTreeMap<String, Vec<u8>>,
    listing: Option<String>,
    features: Vec<&'static str>,
    reactions: HashMap<&'static str, Reaction>,
    tls: Option<Arc<ServerConfig>>,
    implicit: bool,
}

impl Script {
    /// An honest server with nothing on it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A file, by its path without a leading slash.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), content.into());
        self
    }

    /// What every `LIST` gives, in place of the files: lines that end as they are meant to end.
    #[must_use]
    pub fn listing(mut self, lines: impl Into<String>) -> Self {
        self.listing = Some(lines.into());
        self
    }

    /// A line for `FEAT`.
    #[must_use]
    pub fn feature(mut self, name: &'static str) -> Self {
        self.features.push(name);
        self
    }

    /// Replaces a command, named in upper case. `CONNECT` is the greeting.
    #[must_use]
    pub fn on(
        mut self,
        command: &'static str,
        reaction: impl Fn(&mut Session, &str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.reactions.insert(command, Arc::new(reaction));
        self
    }

    /// Replaces a command for its first so many times.
    #[must_use]
    pub fn first(
        self,
        times: usize,
        command: &'static str,
        reaction: impl Fn(&mut Session, &str) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let done = AtomicUsize::new(0);
        self.on(command, move |session, argument| {
            if done.fetch_add(1, Ordering::Relaxed) < times {
                reaction(session, argument)
            } else {
                session.honestly(command, argument)
            }
        })
    }

    /// Answers a command with a line and does nothing else.
    #[must_use]
    pub fn say(self, command: &'static str, line: &'static str) -> Self {
        self.on(command, move |session, _| session.say(line))
    }

    /// Speaks TLS when it is asked to.
    #[must_use]
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Speaks TLS from the start.
    #[must_use]
    pub fn implicit(self, config: Arc<ServerConfig>) -> Self {
        Self {
            implicit: true,
            ..self.tls(config)
        }
    }

    /// Starts the server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn start(self) -> ScriptServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let script = Arc::new(self);
        let mode = match (&script.tls, script.implicit) {
            (None, _) => None,
            (Some(_), false) => Some("explicit"),
            (Some(_), true) => Some("implicit"),
        };
        let shared = Arc::clone(&seen);
        // The thread ends with the process; nothing in a test waits for it.
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                lock(&shared).connections += 1;
                let (script, seen) = (Arc::clone(&script), Arc::clone(&shared));
                std::thread::spawn(move || {
                    // A client that leaves, or that a reaction has thrown out, ends the session.
                    let _ = Session::serve(connection, script, seen);
                });
            }
        });
        ScriptServer { address, mode, seen }
    }
}

/// What the clients of a scripted server did.
#[derive(Default)]
struct Seen {
    connections: usize,
    commands: Vec<Command>,
    broken_handshakes: Vec<String>,
    uploads: BTreeMap<String, Vec<u8>>,
    removed: Vec<String>,
    folders: Vec<String>,
}

/// A command line of a client.
struct Command {
    at: Instant,
    line: String,
    in_tls: bool,
}

/// A running scripted server.
pub struct ScriptServer {
    address: SocketAddr,
    /// Its setting `tls`.
    mode: Option<&'static str>,
    seen: Arc<Mutex<Seen>>,
}

impl ScriptServer {
    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connection settings for it. With TLS, they trust the tests' authority.
    #[must_use]
    pub fn settings(&self) -> serde_json::Value {
        let mut settings = serde_json::json!({
            "host": "127.0.0.1",
            "port": self.port(),
            "auth": { "username": "shop", "password": "s3cret-shop" },
        });
        if let Some(mode) = self.mode {
            settings["tls"] = mode.into();
            settings["tls_trust"] = serde_json::json!({ "roots": pki::authority().pem() });
        }
        settings
    }

    /// How many control connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.seen().connections
    }

    /// The command lines that came outside TLS.
    #[must_use]
    pub fn in_clear(&self) -> Vec<String> {
        let seen = self.seen();
        let commands = seen.commands.iter().filter(|command| !command.in_tls);
        commands.map(|command| command.line.clone()).collect()
    }

    /// How handshakes on control connections failed, in the words of the server's side.
    #[must_use]
    pub fn broken_handshakes(&self) -> Vec<String> {
        self.seen().broken_handshakes.clone()
    }

    /// All command lines of all sessions, in the order of arrival, without their line ends.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.seen()
            .commands
            .iter()
            .map(|command| command.line.clone())
            .collect()
    }

    /// How many command lines start with this word.
    #[must_use]
    pub fn count(&self, command: &str) -> usize {
        self.commands()
            .iter()
            .filter(|line| line.split(' ').next() == Some(command))
            .count()
    }

    /// When the first command that starts with this word arrived.
    #[must_use]
    pub fn first(&self, command: &str) -> Option<Instant> {
        self.seen()
            .commands
            .iter()
            .find(|one| one.line.split(' ').next() == Some(command))
            .map(|one| one.at)
    }

    /// What was stored and where it ended after renames.
    #[must_use]
    pub fn uploads(&self) -> BTreeMap<String, Vec<u8>> {
        self.seen().uploads.clone()
    }

    /// What was deleted.
    #[must_use]
    pub fn removed(&self) -> Vec<String> {
        self.seen().removed.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line of `ls -l` for a name: `kind` is `-` or `d`. Names are written as they are, whatever is in them.
#[must_use]
pub fn line(kind: char, size: usize, name: &str) -> String {
    format!("{kind}rw-r--r--    1 shop     shop     {size:>8} Jul 04 2026 {name}\r\n")
}

/// A line of an MLSD listing for a file.
#[must_use]
pub fn fact_line(size: usize, name: &str) -> String {
    format!("type=file;size={size};modify=20260704000000; {name}\r\n")
}
