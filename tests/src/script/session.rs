//! One control connection of a scripted server.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Script, Seen, fact_line, line};

/// How long the server waits for its client. Longer than any time-out that a test sets on the other side.
const PATIENCE: Duration = Duration::from_secs(30);

/// One control connection, as a reaction sees it.
pub struct Session {
    control: TcpStream,
    script: Arc<Script>,
    seen: Arc<Mutex<Seen>>,
    data: Option<TcpListener>,
    folder: String,
    rename_from: Option<String>,
    /// Where the next transfer begins.
    rest: usize,
}

impl Session {
    pub(super) fn serve(control: TcpStream, script: Arc<Script>, seen: Arc<Mutex<Seen>>) -> io::Result<()> {
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
            rest: 0,
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
            "LIST" | "NLST" | "MLSD" | "MLST" | "MDTM" | "SIZE" => self.tell(word, argument),
            "REST" => {
                self.rest = argument.parse().unwrap_or_default();
                self.say("350 from there, then")
            }
            "RETR" => {
                let rest = std::mem::take(&mut self.rest);
                match self.script.files.get(&self.path(argument)).cloned() {
                    Some(content) => self.send(&content[rest.min(content.len())..]),
                    None => self.say("550 no such file"),
                }
            }
            "STOR" | "APPE" => {
                let content = self.receive()?;
                self.store(word, argument, &content);
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
            "CDUP" => {
                let above = self.folder.rfind('/').unwrap_or_default();
                self.folder.truncate(above.max(1));
                self.say("250 there")
            }
            "RMD" | "TYPE" | "NOOP" | "ABOR" => self.say("200 fine"),
            "QUIT" => self.say("221 bye"),
            _ => self.say("502 not here"),
        }
    }

    /// Commands that look at files.
    fn tell(&mut self, word: &str, argument: &str) -> io::Result<()> {
        match word {
            "LIST" => {
                let listing = self.script.listing.clone().unwrap_or_else(|| self.list(argument));
                self.send(listing.as_bytes())
            }
            "MLSD" if self.has_feature("MLSD") => {
                let listing = self.facts(argument);
                self.send(listing.as_bytes())
            }
            "MLST" if self.has_feature("MLST") => {
                let path = self.path(argument);
                match self.size(&path) {
                    Some(size) => {
                        let facts = fact_line(size, &path);
                        self.say(&format!("250-About it\r\n {}\r\n250 End", facts.trim_end()))
                    }
                    None => self.say("550 no such file"),
                }
            }
            "MDTM" if self.has_feature("MDTM") => match self.size(&self.path(argument)) {
                Some(_) => self.say("213 20260704000000"),
                None => self.say("550 no such file"),
            },
            "NLST" => {
                let listing = self.names(argument);
                self.send(listing.as_bytes())
            }
            "SIZE" => match self.size(&self.path(argument)) {
                Some(size) => self.say(&format!("213 {size}")),
                None => self.say("550 no such file"),
            },
            _ => self.say("502 not here"),
        }
    }

    /// Stores what `STOR` (from where `REST` said) or `APPE` has brought and says nothing.
    pub fn store(&mut self, word: &str, argument: &str, content: &[u8]) {
        let path = self.path(argument);
        let rest = std::mem::take(&mut self.rest);
        let mut seen = self.seen();
        seen.removed.retain(|removed| *removed != path);
        let stored = seen.uploads.entry(path).or_default();
        if word == "STOR" {
            stored.truncate(rest);
        }
        stored.extend(content);
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

    /// Whether a client has stored this path.
    #[must_use]
    pub fn has_upload(&self, path: &str) -> bool {
        self.seen().uploads.contains_key(path)
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

    /// Sends bytes on the control connection as they are.
    ///
    /// # Errors
    /// When the client has gone.
    pub fn say_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.control.write_all(bytes)
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

    /// A port at which nobody listens.
    ///
    /// # Errors
    /// When none is free.
    pub fn closed_port(&mut self) -> io::Result<u16> {
        let port = self.listen()?;
        self.data = None;
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

    fn has_feature(&self, name: &str) -> bool {
        let mut features = self.script.features.iter();
        features.any(|feature| feature.split(' ').next() == Some(name))
    }

    fn size(&self, path: &str) -> Option<usize> {
        let stored = self.seen().uploads.get(path).map(Vec::len);
        let laid_out = || self.script.files.get(path).filter(|_| !self.was_removed(path));
        stored.or_else(|| laid_out().map(Vec::len))
    }

    /// `LIST` of a folder or a file, as `ls -l` writes it.
    fn list(&self, argument: &str) -> String {
        let argument = argument.trim_start_matches(['-', 'a', 'l']).trim_start();
        let entries = self.entries(argument).into_iter();
        entries
            .map(|(name, size)| match size {
                Some(size) => line('-', size, &name),
                None => line('d', 4096, &name),
            })
            .collect()
    }

    /// `MLSD` of a folder.
    fn facts(&self, argument: &str) -> String {
        let entries = self.entries(argument).into_iter();
        entries
            .map(|(name, size)| match size {
                Some(size) => fact_line(size, &name),
                None => format!("type=dir; {name}\r\n"),
            })
            .collect()
    }

    /// `NLST` of a folder.
    fn names(&self, argument: &str) -> String {
        let mut names = String::new();
        for (name, _) in self.entries(argument) {
            names.extend([&name, "\r\n"]);
        }
        names
    }

    /// What is in a folder: names, and sizes of files.
    fn entries(&self, argument: &str) -> Vec<(String, Option<usize>)> {
        let folder = self.path(argument);
        let mut entries: Vec<(String, Option<usize>)> = Vec::new();
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
            let entry = match below.split_once('/') {
                None => (below.to_owned(), Some(content.len())),
                Some((inner, _)) => (inner.to_owned(), None),
            };
            if entries.last() != Some(&entry) {
                entries.push(entry);
            }
        }
        entries
    }
}
