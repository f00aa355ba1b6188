//! An FTP server that does what a test tells it to, truthful or not.
//!
//! Without further words it is a small honest server over a list of files: it takes every account, has no
//! extensions (`FEAT` says so), answers `EPSV` and `PASV`, and lists with `LIST`. A test replaces single
//! commands with [`Script::on`].

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the server waits for its client. Longer than any time-out that a test sets on the other side.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a replaced command does. The second argument is what followed the command's word.
type Reaction = Arc<dyn Fn(&mut Session, &str) -> io::Result<()> + Send + Sync>;

/// What a scripted server will say.
#[derive(Clone, Default)]
pub struct Script {
    files: BTreeMap<String, Vec<u8>>,
    listing: Option<String>,
    features: Vec<&'static str>,
    reactions: HashMap<&'static str, Reaction>,
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

    /// Answers a command with a line and does nothing else.
    #[must_use]
    pub fn say(self, command: &'static str, line: &'static str) -> Self {
        self.on(command, move |session, _| session.say(line))
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
        let shared = Arc::clone(&seen);
        // The thread ends with the process; nothing in a test waits for it.
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&shared));
                std::thread::spawn(move || {
                    // A client that leaves, or that a reaction has thrown out, ends the session.
                    let _ = Session::serve(connection, script, seen);
                });
            }
        });
        ScriptServer { address, seen }
    }
}

/// What the clients of a scripted server did.
#[derive(Default)]
struct Seen {
    commands: Vec<(Instant, String)>,
    uploads: BTreeMap<String, Vec<u8>>,
    removed: Vec<String>,
    folders: Vec<String>,
}

/// A running scripted server.
pub struct ScriptServer {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl ScriptServer {
    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connection settings for it.
    #[must_use]
    pub fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "host": "127.0.0.1",
            "port": self.port(),
            "auth": { "username": "shop", "password": "s3cret-shop" },
        })
    }

    /// All command lines of all sessions, in the order of arrival, without their line ends.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.seen()
            .commands
            .iter()
            .map(|(_, line)| line.clone())
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
            .find(|(_, line)| line.split(' ').next() == Some(command))
            .map(|(at, _)| *at)
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
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One control connection, as a reaction sees it.
pub struct Session {
    control: TcpStream,
    script: Arc<Script>,
    seen: Arc<Mutex<Seen>>,
    data: Option<TcpListener>,
    folder: String,
    rename_from: Option<String>,
}

impl Session {
    fn serve(control: TcpStream, script: Arc<Script>, seen: Arc<Mutex<Seen>>) -> io::Result<()> {
        control.set_read_timeout(Some(PATIENCE))?;
        control.set_nodelay(true)?;
        let mut lines = BufReader::new(control.try_clone()?);
        let mut session = Self {
            control,
            script,
            seen,
            data: None,
            folder: "/".to_owned(),
            rename_from: None,
        };
        session.react("CONNECT", "")?;
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches(['\r', '\n'])
                .to_owned();
            session.seen().commands.push((Instant::now(), text.clone()));
            let (word, argument) = text.split_once(' ').unwrap_or((&text, ""));
            session.react(&word.to_ascii_uppercase(), argument)?;
            if word.eq_ignore_ascii_case("QUIT") {
                return Ok(());
            }
        }
    }

    fn react(&mut self, word: &str, argument: &str) -> io::Result<()> {
        match self.script.reactions.get(word).map(Arc::clone) {
            Some(reaction) => reaction(self, argument),
            None => self.honestly(word, argument),
        }
    }

    /// What an honest server does with a command. A reaction may call it as its first or last part.
    ///
    /// # Errors
    /// When the client has gone.
    pub fn honestly(&mut self, word: &str, argument: &str) -> io::Result<()> {
        match word {
            "CONNECT" => self.say("220 ready"),
            "USER" => self.say("331 password, please"),
            "PASS" => self.say("230 welcome"),
            "SYST" => self.say("215 UNIX Type: L8"),
            "FEAT" => {
                let mut reply = String::from("211-Features\r\n");
                for feature in &self.script.features {
                    reply.extend([" ", feature, "\r\n"]);
                }
                self.say(&(reply + "211 End"))
            }
            "PWD" => self.say(&format!("257 \"{}\"", self.folder.clone())),
            "CWD" => {
                let folder = self.path(argument);
                if !self.has_folder(&folder) {
                    return self.say("550 no such folder");
                }
                self.folder = format!("/{folder}");
                self.say("250 there")
            }
            "EPSV" => {
                let port = self.listen()?;
                self.say(&format!("229 passive (|||{port}|)"))
            }
            "PASV" => {
                let port = self.listen()?;
                self.say(&format!("227 passive (127,0,0,1,{},{})", port / 256, port % 256))
            }
            "LIST" => {
                let listing = self.script.listing.clone().unwrap_or_else(|| self.list(argument));
                self.send(listing.as_bytes())
            }
            "RETR" => match self.script.files.get(&self.path(argument)).cloned() {
                Some(content) => self.send(&content),
                None => self.say("550 no such file"),
            },
            "SIZE" => match self.size(&self.path(argument)) {
                Some(size) => self.say(&format!("213 {size}")),
                None => self.say("550 no such file"),
            },
            "STOR" | "APPE" => {
                let path = self.path(argument);
                let content = self.receive()?;
                let mut seen = self.seen();
                if word == "STOR" {
                    seen.uploads.insert(path, content);
                } else {
                    seen.uploads.entry(path).or_default().extend(content);
                }
                drop(seen);
                self.say("226 stored")
            }
            "RNFR" => {
                self.rename_from = Some(self.path(argument));
                self.say("350 and to what?")
            }
            "RNTO" => {
                self.rename_to(argument);
                self.say("250 renamed")
            }
            "DELE" => {
                let path = self.path(argument);
                let mut seen = self.seen();
                seen.uploads.remove(&path);
                seen.removed.push(path);
                drop(seen);
                self.say("250 gone")
            }
            "MKD" => {
                let folder = self.path(argument);
                self.seen().folders.push(folder);
                self.say(&format!("257 \"{argument}\" made"))
            }
            "RMD" | "TYPE" | "NOOP" | "CDUP" | "ABOR" => self.say("200 fine"),
            "QUIT" => self.say("221 bye"),
            _ => self.say("502 not here"),
        }
    }

    /// Does what `RNTO` asks for and says nothing.
    pub fn rename_to(&mut self, argument: &str) {
        let target = self.path(argument);
        if let Some(from) = self.rename_from.take() {
            let mut seen = self.seen();
            if let Some(content) = seen.uploads.remove(&from) {
                seen.uploads.insert(target, content);
            }
        }
    }

    /// Whether a client has deleted this path.
    #[must_use]
    pub fn was_removed(&self, path: &str) -> bool {
        self.seen().removed.iter().any(|removed| removed == path)
    }

    /// Sends a reply line; more than one with `\r\n` between them.
    ///
    /// # Errors
    /// When the client has gone.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        self.control.write_all(format!("{line}\r\n").as_bytes())
    }

    /// Sends bytes over the data connection, with 150 before and 226 after.
    ///
    /// # Errors
    /// When the client has gone.
    pub fn send(&mut self, content: &[u8]) -> io::Result<()> {
        self.say("150 here it comes")?;
        self.send_only(content)?;
        self.say("226 done")
    }

    /// Sends bytes over the data connection and closes it; not a word on the control connection.
    ///
    /// # Errors
    /// When the client does not connect or has gone.
    pub fn send_only(&mut self, content: &[u8]) -> io::Result<()> {
        let mut data = self.accept()?;
        data.write_all(content)?;
        data.shutdown(Shutdown::Write)?;
        // Until the client closes too, or the bytes could be lost with a reset.
        let _ = io::copy(&mut data, &mut io::sink());
        Ok(())
    }

    /// Takes all bytes of an upload, with 150 before; the final reply is the caller's.
    ///
    /// # Errors
    /// When the client does not connect or has gone.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        self.say("150 send it")?;
        let mut content = Vec::new();
        self.accept()?.read_to_end(&mut content)?;
        Ok(content)
    }

    /// The data connection that the client makes after `EPSV` or `PASV`.
    ///
    /// # Errors
    /// When there was none of these, or the connection fails.
    pub fn accept(&mut self) -> io::Result<TcpStream> {
        let listener = self
            .data
            .take()
            .ok_or_else(|| io::Error::other("no EPSV or PASV before"))?;
        let (data, _) = listener.accept()?;
        data.set_read_timeout(Some(PATIENCE))?;
        Ok(data)
    }

    /// Opens a port for a data connection, without telling the client.
    ///
    /// # Errors
    /// When none is free.
    pub fn listen(&mut self) -> io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        self.data = Some(listener);
        Ok(port)
    }

    /// Closes the control connection in the middle of the talk.
    ///
    /// # Errors
    /// Always: that is what ends the session.
    pub fn hang_up(&mut self) -> io::Result<()> {
        self.control.shutdown(Shutdown::Both)?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Says nothing until the client gives up.
    ///
    /// # Errors
    /// When the client has gone, which ends the session.
    pub fn stay_silent(&mut self) -> io::Result<()> {
        let mut rest = [0; 256];
        while self.control.read(&mut rest)? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client's path, without the leading slash, seen from the current folder.
    fn path(&self, argument: &str) -> String {
        let whole = if argument.starts_with('/') {
            argument.to_owned()
        } else {
            format!("{}/{argument}", self.folder)
        };
        whole
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect::<Vec<_>>()
            .join("/")
    }

    /// The folders are those of the files, those that clients have made, and, with a listing of the test's
    /// own, any.
    fn has_folder(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty()
            || self.script.listing.is_some()
            || self.script.files.keys().any(|file| file.starts_with(&below))
            || self
                .seen()
                .folders
                .iter()
                .any(|folder| folder == path || folder.starts_with(&below))
    }

    fn size(&self, path: &str) -> Option<usize> {
        let stored = self.seen().uploads.get(path).map(Vec::len);
        stored.or_else(|| self.script.files.get(path).map(Vec::len))
    }

    /// `LIST` of a folder or a file, as `ls -l` writes it.
    fn list(&self, argument: &str) -> String {
        let argument = argument.trim_start_matches(['-', 'a', 'l']).trim_start();
        let folder = self.path(argument);
        let mut lines = String::new();
        let mut folders = Vec::new();
        for (path, content) in &self.script.files {
            let below = if folder.is_empty() {
                path.as_str()
            } else if path == &folder {
                path.rsplit('/').next().unwrap_or(path)
            } else {
                match path.strip_prefix(&folder).and_then(|rest| rest.strip_prefix('/')) {
                    Some(rest) => rest,
                    None => continue,
                }
            };
            match below.split_once('/') {
                None => lines.push_str(&line('-', content.len(), below)),
                Some((inner, _)) if !folders.contains(&inner) => {
                    folders.push(inner);
                    lines.push_str(&line('d', 4096, inner));
                }
                Some(_) => {}
            }
        }
        lines
    }
}

/// A line of `ls -l` for a name: `kind` is `-` or `d`. Names are written as they are, whatever is in them.
#[must_use]
pub fn line(kind: char, size: usize, name: &str) -> String {
    format!("{kind}rw-r--r--    1 shop     shop     {size:>8} Jul 04 2026 {name}\r\n")
}
