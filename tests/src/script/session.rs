//! One control connection of a scripted server.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Command, Script, Seen, fact_line};
use crate::wire::Wire;

/// How long the server waits for its client. Longer than any time-out that a test sets on the other side.
const PATIENCE: Duration = Duration::from_secs(30);

/// One control connection, as a reaction sees it.
pub struct Session {
    control: Wire,
    pub(super) script: Arc<Script>,
    seen: Arc<Mutex<Seen>>,
    data: Option<TcpListener>,
    /// Data connections are in TLS.
    private: bool,
    pub(super) folder: String,
    rename_from: Option<String>,
    /// Where the next transfer begins.
    rest: usize,
}

impl Session {
    pub(super) fn serve(control: TcpStream, script: Arc<Script>, seen: Arc<Mutex<Seen>>) -> io::Result<()> {
        control.set_read_timeout(Some(PATIENCE))?;
        control.set_nodelay(true)?;
        let mut session = Self {
            control: Wire::new(control),
            script,
            seen,
            data: None,
            private: false,
            folder: "/".to_owned(),
            rename_from: None,
            rest: 0,
        };
        if session.script.implicit {
            session.secure()?;
        }
        session.react("CONNECT", "")?;
        while let Some(text) = session.line()? {
            let in_tls = session.control.is_tls();
            session.seen().commands.push(Command {
                at: Instant::now(),
                line: text.clone(),
                in_tls,
            });
            let (word, argument) = text.split_once(' ').unwrap_or((&text, ""));
            session.react(&word.to_ascii_uppercase(), argument)?;
            if word.eq_ignore_ascii_case("QUIT") {
                // Word of the end, without which a client may think that it was cut off.
                return session.control.finish();
            }
        }
        Ok(())
    }

    /// A line without its end; none when the client has left. Byte by byte: what comes after the line may be TLS.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            if self.control.read(&mut byte)? == 0 {
                return Ok(None);
            }
            if byte[0] == b'\n' {
                let text = String::from_utf8_lossy(&line);
                return Ok(Some(text.trim_end_matches('\r').to_owned()));
            }
            line.push(byte[0]);
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
            "AUTH" if self.script.tls.is_some() => {
                self.say("234 go on")?;
                self.secure()
            }
            "PBSZ" if self.script.tls.is_some() => self.say("200 PBSZ=0"),
            "PROT" if self.script.tls.is_some() => {
                self.private = argument == "P";
                self.say("200 as you like")
            }
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

    /// Goes through a TLS handshake on the control connection; everything after it is in TLS.
    ///
    /// # Errors
    /// When the client breaks it off. That is written down: see
    /// [`ScriptServer::broken_handshakes`](super::ScriptServer::broken_handshakes).
    ///
    /// # Panics
    /// When the script has no TLS.
    pub fn secure(&mut self) -> io::Result<()> {
        let config = self.script.tls.clone().expect("a script with TLS");
        self.control.become_server(&config);
        let done = self.control.handshake();
        if let Err(error) = &done {
            let error = error.to_string();
            self.seen().broken_handshakes.push(error);
        }
        done
    }

    /// From here on data connections are in TLS, or not; the client is not told.
    pub fn protect(&mut self, private: bool) {
        self.private = private;
    }

    /// The control connection's socket, for what goes past TLS.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.control.socket()
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
        data.finish()?;
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
        let mut data = self.accept()?;
        data.read_to_end(&mut content)?;
        // A client that does not wait for it is none of our business.
        let _ = data.finish();
        Ok(content)
    }

    /// The data connection that the client makes after `EPSV` or `PASV`, in TLS after `PROT P`.
    ///
    /// # Errors
    /// When there was none of these, or the connection or its handshake fails.
    ///
    /// # Panics
    /// When it is to be in TLS and the script has none.
    pub fn accept(&mut self) -> io::Result<Wire> {
        let mut data = Wire::new(self.accept_in_clear()?);
        if self.private {
            data.become_server(self.script.tls.as_ref().expect("a script with TLS"));
            data.handshake()?;
        }
        Ok(data)
    }

    /// The same in clear, whatever was agreed on.
    ///
    /// # Errors
    /// When there was none of these, or the connection fails.
    pub fn accept_in_clear(&mut self) -> io::Result<TcpStream> {
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
        self.control.socket().shutdown(Shutdown::Both)?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Sends these bytes over and over on the control connection, one a second, until the client gives up.
    ///
    /// # Errors
    /// When the client has gone, which ends the session.
    pub fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        drip(&mut self.control, bytes)
    }

    /// Announces data and sends these bytes over and over, one a second, until the client gives up.
    ///
    /// # Errors
    /// When the client has gone, which ends the session.
    pub fn drip_data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.say("150 here it comes")?;
        let mut data = self.accept()?;
        drip(&mut data, bytes)
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

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drip(wire: &mut Wire, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes.iter().cycle() {
        wire.write_all(&[*byte])?;
        // It is the pace that is hostile.
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}
