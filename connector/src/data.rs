//! Data connections: the four ways to open one, listings, downloads and uploads over them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::{Error, Kind, Op};
use crate::path::RemotePath;
use crate::session::Session;
use crate::settings::DataConnection;
use crate::transport::{Level, Stream};

/// The most lines that one folder may have. A listing without an end must not run for ever.
const MOST_LINES: u64 = 2_000_000;
/// The longest line of a listing; names have at most a few hundred bytes.
const LONGEST_LINE: u64 = 16 * 1024;

/// How the next data connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    way: DataConnection,
}

impl Mode {
    /// As the settings say.
    pub fn new(way: DataConnection) -> Self {
        Self { way }
    }
}

/// A file on its way, in either direction.
#[derive(Debug)]
pub struct Transfer {
    op: Op,
    subject: String,
    stream: Stream,
}

impl Transfer {
    /// Reads what has arrived; 0 at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Sends all of it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }
}

impl Session {
    /// Starts to read a file.
    pub fn start_read(&mut self, path: &RemotePath) -> Result<Transfer, Error> {
        match self.start(Op::Read, path, "RETR") {
            Err(error) if !error.session_lost => Err(self.refine(path, error)?),
            started => started,
        }
    }

    /// Starts to write a file.
    pub fn start_store(&mut self, path: &RemotePath) -> Result<Transfer, Error> {
        self.start(Op::Store, path, "STOR")
    }

    /// Starts to write at the end of a file.
    pub fn start_append(&mut self, path: &RemotePath) -> Result<Transfer, Error> {
        self.start(Op::Append, path, "APPE")
    }

    fn start(&mut self, op: Op, path: &RemotePath, word: &str) -> Result<Transfer, Error> {
        let line = format!("{word} {}", self.remote(path));
        let stream = self.open_data(op, path.as_str(), &line)?;
        Ok(Transfer {
            op,
            subject: path.to_string(),
            stream,
        })
    }

    /// Closes the data connection, which is the end of file, and waits for the server's verdict.
    pub fn finish(&mut self, transfer: Transfer) -> Result<(), Error> {
        let Transfer { op, subject, stream } = transfer;
        drop(stream);
        let reply = self.reply(op, &subject)?;
        match reply.code {
            226 | 250 => Ok(()),
            // Something did arrive, and after a failed transfer nobody knows what else is on its way.
            code => Err(Error::reply(op, &subject, code, &reply.text).losing_session()),
        }
    }

    /// What the failure of a transfer's stream means.
    pub fn transfer_failed(&mut self, transfer: Transfer, error: &io::Error) -> Error {
        let Transfer { op, subject, stream } = transfer;
        self.data_failure(op, &subject, stream, error)
    }

    /// Looks after the session while a file is on its way: an error when the call is to end. For loops that
    /// never wait.
    pub fn keep_alive(&mut self) -> io::Result<()> {
        self.patience.check()
    }

    /// Lets the next transfer begin at this byte (REST, RFC 3659 section 5).
    pub fn restart_at(&mut self, path: &RemotePath, offset: u64) -> Result<(), Error> {
        self.expect(Op::Read, path.as_str(), &format!("REST {offset}"), &[350])
            .map(|_| ())
            .map_err(Error::retryable)
    }

    /// From here on only what was left half done is removed, quickly, cancelled or not.
    pub fn clean_up_within(&self, idle: Duration) {
        self.patience.clean_up_within(idle);
    }

    /// Runs a listing command and hands out its lines.
    pub(crate) fn lines(
        &mut self,
        subject: &str,
        command: &str,
        mut each: impl FnMut(&str),
    ) -> Result<(), Error> {
        let stream = self.open_data(Op::List, subject, command)?;
        let mut reader = BufReader::with_capacity(64 * 1024, stream);
        let mut line = Vec::new();
        let mut count = 0_u64;
        loop {
            line.clear();
            match (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(self.data_failure(Op::List, subject, reader.into_inner(), &error)),
            }
            count += 1;
            if count > MOST_LINES {
                let message = format!("The folder `{subject}` has more than {MOST_LINES} entries.");
                return Err(Error::new(Kind::Data, message).losing_session());
            }
            if count.is_multiple_of(1000) {
                self.patience
                    .check()
                    .map_err(|error| Error::io(Op::List, subject, &error))?;
                (self.host.progress)("entries listed", count, None);
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            if !text.is_empty() {
                each(text);
            }
        }
        self.finish(Transfer {
            op: Op::List,
            subject: subject.to_owned(),
            stream: reader.into_inner(),
        })
    }

    /// Opens a data connection for `command`, which is sent in between as the way of opening demands.
    fn open_data(&mut self, op: Op, subject: &str, command: &str) -> Result<Stream, Error> {
        match self.mode.way {
            DataConnection::Active => self.open_active(op, subject, command),
            DataConnection::Epsv => {
                let stream = self.extended_passive(op, subject)?;
                self.begin(op, subject, command, stream)
            }
            DataConnection::Pasv => {
                let stream = self.passive(op, subject)?;
                self.begin(op, subject, command, stream)
            }
            DataConnection::Auto => {
                let stream = match self.extended_passive(op, subject) {
                    Ok(stream) => stream,
                    Err(error) if falls_back(&error) => {
                        let message = format!("EPSV does not work here, so PASV is used. {error}");
                        (self.host.log)(Level::Debug, &message);
                        let stream = self.passive(op, subject)?;
                        self.mode.way = DataConnection::Pasv;
                        stream
                    }
                    Err(error) => return Err(error),
                };
                self.begin(op, subject, command, stream)
            }
        }
    }

    /// Sends the command for a data connection that is already open.
    fn begin(&mut self, op: Op, subject: &str, command: &str, stream: Stream) -> Result<Stream, Error> {
        self.expect(op, subject, command, &[125, 150])?;
        Ok(stream)
    }

    fn extended_passive(&mut self, op: Op, subject: &str) -> Result<Stream, Error> {
        let reply = self.expect(Op::SetUp, &self.server.clone(), "EPSV", &[229])?;
        let port = extended_port(&reply.text).ok_or_else(|| self.unreadable("EPSV"))?;
        self.connect_data(op, subject, port)
    }

    fn passive(&mut self, op: Op, subject: &str) -> Result<Stream, Error> {
        let reply = self.expect(Op::SetUp, &self.server.clone(), "PASV", &[227])?;
        let port = passive_port(&reply.text).ok_or_else(|| self.unreadable("PASV"))?;
        self.connect_data(op, subject, port)
    }

    /// Connects to the control connection's peer, whatever address the server named: a server could
    /// otherwise send us anywhere, and one behind NAT names an address that leads nowhere.
    fn connect_data(&mut self, op: Op, subject: &str, port: u16) -> Result<Stream, Error> {
        let connected = self.control.stream().peer().and_then(|mut address| {
            address.set_port(port);
            Stream::connect(address, &self.patience)
        });
        connected.map_err(|error| {
            let error = Error::io(op, subject, &error);
            // No command has been sent, so nothing has happened to the file.
            let message = format!("{} (data connection to port {port})", error.message);
            Error {
                message,
                effect: crate::error::Effect::None,
                ..error
            }
        })
    }

    fn unreadable(&self, command: &str) -> Error {
        let message = format!("The answer of `{}` to {command} names no port.", self.server);
        Error::new(Kind::Protocol, message)
    }

    fn open_active(&mut self, op: Op, subject: &str, command: &str) -> Result<Stream, Error> {
        let failed = |error: &io::Error| {
            let error = Error::io(op, subject, error);
            Error {
                message: format!("{} (active data connection)", error.message),
                ..error
            }
        };
        let listener = self.control.stream().listen().map_err(|error| failed(&error))?;
        let local = listener.local_addr().map_err(|error| failed(&error))?;
        let server = self.server.clone();
        self.expect(Op::SetUp, &server, &port_command(local), &[200])?;
        self.expect(op, subject, command, &[125, 150])?;
        self.control
            .stream()
            .accept(&listener)
            .map_err(|error| failed(&error).losing_session())
    }
}

/// Whether EPSV failed in a way that PASV may not: it was refused, unreadable, or led nowhere.
fn falls_back(error: &Error) -> bool {
    match error.code {
        Some(code) => code != 421 && code != 530,
        None => match error.kind {
            Kind::Protocol => !error.session_lost,
            // Also when it was the control connection that broke: then PASV says so.
            kind => kind == Kind::Unreachable,
        },
    }
}

/// PORT for IPv4, EPRT (RFC 2428) for IPv6.
fn port_command(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("PORT {a},{b},{c},{d},{},{}", port >> 8, port & 0xff)
        }
        IpAddr::V6(ip) => format!("EPRT |2|{ip}|{port}|"),
    }
}

/// The port in `229 … (|||6446|)`. The delimiter is of the server's choice.
pub(crate) fn extended_port(text: &str) -> Option<u16> {
    let inner = text.split_once('(')?.1.split_once(')')?.0;
    let delimiter = inner.chars().next()?;
    inner
        .split(delimiter)
        .nth(3)?
        .trim()
        .parse()
        .ok()
        .filter(|port| *port != 0)
}

/// The port in `227 … (h1,h2,h3,h4,p1,p2)`; RFC 1123 section 4.1.2.6 warns that the brackets may be
/// missing, so the first six numbers with commas between them count.
pub(crate) fn passive_port(text: &str) -> Option<u16> {
    text.split(|c: char| !c.is_ascii_digit() && c != ',')
        .find_map(|run| {
            let numbers: Vec<u8> = run.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
            match numbers[..] {
                [_, _, _, _, high, low] => Some(u16::from_be_bytes([high, low])).filter(|port| *port != 0),
                _ => None,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_passive_answers() {
        assert_eq!(
            extended_port("Entering Extended Passive Mode (|||6446|)"),
            Some(6446)
        );
        assert_eq!(extended_port("ok (!!!21!)"), Some(21));
        for wrong in ["", "(|||)", "(|||0|)", "(|||70000|)", "|||6446|"] {
            assert_eq!(extended_port(wrong), None, "{wrong:?}");
        }
        assert_eq!(
            passive_port("Entering Passive Mode (10,0,0,1,216,4)."),
            Some(0xd804)
        );
        assert_eq!(passive_port("Entering Passive Mode 10,0,0,1,0,21"), Some(21));
        for wrong in [
            "",
            "(1,2,3,4,5)",
            "(1,2,3,4,300,1)",
            "(1,2,3,4,0,0)",
            "(1,2,3,4,5,6,7)",
        ] {
            assert_eq!(passive_port(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn active_commands() {
        assert_eq!(
            port_command("192.0.2.1:54321".parse().unwrap()),
            "PORT 192,0,2,1,212,49"
        );
        assert_eq!(
            port_command("[2001:db8::1]:80".parse().unwrap()),
            "EPRT |2|2001:db8::1|80|"
        );
        assert_eq!(
            port_command("[::ffff:192.0.2.1]:80".parse().unwrap()),
            "PORT 192,0,2,1,0,80"
        );
    }
}
