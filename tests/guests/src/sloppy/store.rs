//! The store's protocol: a line to the store, a line from it, and bytes where the line says how many.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use super::settings::Connection;
use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::bindings::flow::connector::types::{Error, ErrorKind};
use crate::options::error;

/// How often a wait looks whether it shall end.
const LOOK: Duration = Duration::from_millis(20);

/// A connection to the store, signed in.
pub struct Store {
    stream: TcpStream,
    deaf: bool,
}

/// The answer to a call that was asked to end.
pub fn cancelled() -> Error {
    error(ErrorKind::Cancelled, "The host asked it to stop.")
}

/// Waits a little; an error when the call shall end.
pub fn wait(deaf: bool) -> Result<(), Error> {
    if context::cancelled() && !deaf {
        return Err(cancelled());
    }
    sleep(LOOK);
    Ok(())
}

impl Store {
    pub fn open(connection: &Connection, deaf: bool) -> Result<Self, Error> {
        let address = (connection.host.as_str(), connection.port);
        let stream = TcpStream::connect(address).map_err(|fault| broken(&fault))?;
        stream.set_nonblocking(true).map_err(|fault| broken(&fault))?;
        let mut store = Self { stream, deaf };
        context::log(LogLevel::Trace, "> HELLO ***");
        match store.ask(&format!("HELLO {}", connection.password))?.as_str() {
            "OK" => Ok(store),
            _ => Err(error(
                ErrorKind::Authentication,
                "The store does not accept the password.",
            )),
        }
    }

    /// Names and lengths of all things in the store.
    pub fn list(&mut self) -> Result<Vec<(String, u64)>, Error> {
        let count: usize = number(&self.ask("LIST")?)?;
        (0..count)
            .map(|_| {
                let line = self.line()?;
                let (name, length) = line.split_once(' ').unwrap_or((&line, ""));
                Ok((name.to_owned(), number(length)?))
            })
            .collect()
    }

    pub fn get(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let length = number(&self.ask(&format!("GET {name}"))?)?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Adds bytes to a thing, which is made when it is not there.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.send(format!("ADD {name} {}\n", bytes.len()).as_bytes())?;
        self.send(bytes)?;
        self.line().map(drop)
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        self.ask(&format!("RENAME {from} {to}")).map(drop)
    }

    pub fn delete(&mut self, name: &str) -> Result<(), Error> {
        // What is half done is removed also when the call shall end: the store answers at once.
        let deaf = std::mem::replace(&mut self.deaf, true);
        let answer = self.ask(&format!("DELETE {name}"));
        self.deaf = deaf;
        answer.map(drop)
    }

    fn ask(&mut self, line: &str) -> Result<String, Error> {
        self.send(format!("{line}\n").as_bytes())?;
        self.line()
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            self.fill(&mut byte)?;
            match byte {
                [b'\n'] => return Ok(String::from_utf8_lossy(&line).into_owned()),
                [other] => line.push(other),
            }
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.stream.read(&mut bytes[filled..]) {
                Ok(0) => return Err(broken(&io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => filled += read,
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => wait(self.deaf)?,
                Err(fault) => return Err(broken(&fault)),
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(written) => sent += written,
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => wait(self.deaf)?,
                Err(fault) => return Err(broken(&fault)),
            }
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| {
        error(
            ErrorKind::Protocol,
            format!("The store gave no number but {text:?}."),
        )
    })
}

fn broken(fault: &io::Error) -> Error {
    error(
        ErrorKind::Unreachable,
        format!("The connection to the store broke: {fault}."),
    )
}
