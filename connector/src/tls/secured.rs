//! A TLS session over a byte stream: handshake, reading, writing, and the end.
//!
//! FTP servers are particular about the end of an upload. The order that all of them take is `close_notify`, end of
//! the socket's sending side, and reading on to the socket's end: a server that finds the socket closed while it
//! still sends (its own `close_notify`, or the ticket that the next data connection is to resume with) answers 426.

use std::io::{self, Read, Write};
use std::time::Instant;

use super::{Cut, Failure, Info, Reason, Session};

/// Bytes read from the socket at a time. WASI moves no more.
const READ: usize = 64 * 1024;

/// Bytes that are read without anything to show for them. Real peers send a ticket or two; one that sends empty records
/// for ever would keep us without ever making us wait.
const MOST_SILENT: usize = 1 << 20;

/// The most that is read after our own end. What comes then is a few tickets and a `close_notify`.
const MOST_AFTER_THE_END: usize = 64 * 1024;

/// One end of a TLS connection, without its socket.
#[derive(Debug)]
pub struct Secured {
    session: Box<dyn Session>,
    /// Bytes that have arrived, and how many of them were taken.
    plain: Vec<u8>,
    taken: usize,
    /// Records that are to be sent, and how many bytes of them were.
    unsent: Vec<u8>,
    sent: usize,
    /// What the socket is read into.
    records: Vec<u8>,
    handshaking: bool,
    /// The peer has said that it sends no more.
    ended: bool,
}

impl Secured {
    /// Shakes hands. Nothing else was said on the socket before.
    pub fn handshake(session: Box<dyn Session>, socket: &mut (impl Read + Write)) -> io::Result<Self> {
        let mut secured = Self {
            session,
            plain: Vec::new(),
            taken: 0,
            unsent: Vec::new(),
            sent: 0,
            records: vec![0; READ],
            handshaking: true,
            ended: false,
        };
        secured.unsent = secured.session.encrypt(&[])?;
        secured.flush(socket)?;
        while secured.handshaking {
            secured.receive(socket)?;
        }
        Ok(secured)
    }

    /// What was agreed on.
    pub fn info(&self) -> Option<Info> {
        self.session.info()
    }

    /// Whether the peer has said that it sends no more.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads what has arrived; 0 when the peer has ended the session.
    pub fn read(&mut self, socket: &mut (impl Read + Write), buffer: &mut [u8]) -> io::Result<usize> {
        let mut silent = 0;
        while silent < MOST_SILENT {
            let arrived = &self.plain[self.taken..];
            if !arrived.is_empty() {
                let count = arrived.len().min(buffer.len());
                buffer[..count].copy_from_slice(&arrived[..count]);
                self.taken += count;
                return Ok(count);
            }
            if self.ended {
                return Ok(0);
            }
            self.flush(socket)?;
            silent += self.receive(socket)?;
        }
        let message = "the server sends TLS records without anything in them".to_owned();
        Err(Failure {
            reason: Reason::Protocol,
            message,
            certificate: None,
        }
        .into())
    }

    /// Sends all of it.
    pub fn write(&mut self, socket: &mut (impl Read + Write), data: &[u8]) -> io::Result<()> {
        self.flush(socket)?;
        self.unsent = self.session.encrypt(data)?;
        self.flush(socket)
    }

    /// Sends a little without waiting: what the socket does not take goes out before anything else does.
    pub fn nudge(&mut self, socket: &mut impl Write, data: &[u8]) -> io::Result<()> {
        let records = self.session.encrypt(data)?;
        self.unsent.extend_from_slice(&records);
        match self.flush(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            done => done,
        }
    }

    /// Says that we send no more.
    pub fn close(&mut self, socket: &mut impl Write) -> io::Result<()> {
        let records = self.session.close();
        self.unsent.extend_from_slice(&records);
        self.flush(socket)
    }

    /// Reads on after our own end, up to the peer's or that of the socket, but not for much longer than until then, and
    /// lets the session have it: tickets for the next connection. What data comes is forgotten.
    pub fn drain(&mut self, socket: &mut (impl Read + Write), until: Instant) -> io::Result<()> {
        let mut read = 0;
        while read < MOST_AFTER_THE_END && !self.ended && Instant::now() < until {
            let count = socket.read(&mut self.records)?;
            if count == 0 {
                break;
            }
            read += count;
            self.ended = self.session.decrypt(&self.records[..count])?.closed;
        }
        Ok(())
    }

    /// Reads from the socket once and takes it in. Gives how many bytes there were.
    fn receive(&mut self, socket: &mut (impl Read + Write)) -> io::Result<usize> {
        let count = socket.read(&mut self.records)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, Cut));
        }
        let received = match self.session.decrypt(&self.records[..count]) {
            Ok(received) => received,
            Err(failure) => {
                // The peer is told why, if it still listens.
                let _ = self.close(socket);
                return Err(failure.into());
            }
        };
        self.plain = received.plaintext;
        self.taken = 0;
        self.handshaking = received.handshaking;
        self.ended = received.closed;
        if !received.reply.is_empty() {
            self.unsent.extend_from_slice(&received.reply);
            self.flush(socket)?;
        }
        Ok(count)
    }

    fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            match socket.write(&self.unsent[self.sent..])? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.sent += count,
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(())
    }
}
