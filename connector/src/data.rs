//! What runs over data connections: listings, downloads, uploads. How one is opened is in `connect`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

use crate::control::Reply;
use crate::error::{Error, Kind, Op};
use crate::path::RemotePath;
use crate::session::Session;
use crate::tls;
use crate::transport::{Level, Stream};

/// The most lines that one folder may have. A listing without an end must not run for ever.
const MOST_LINES: u64 = 50_000_000;
/// The longest line of a listing; names have at most a few hundred bytes.
const LONGEST_LINE: usize = 16 * 1024;
/// A longer line is skipped, but not for ever.
const LONGEST_SKIP: usize = 64 << 20;

/// How the data of a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum End {
    /// As it should.
    Whole,
    /// Without the end of its TLS session: it is whole only if something else proves it.
    Unproven,
}

/// A file on its way, in either direction.
#[derive(Debug)]
pub struct Transfer {
    op: Op,
    subject: String,
    stream: Stream,
    /// Bytes that have gone through.
    moved: u64,
    /// The server's verdict, when it came before the data.
    early: Option<Reply>,
    end: End,
}

impl Transfer {
    /// A transfer that has begun.
    pub(crate) fn new(op: Op, subject: &str, stream: Stream, early: Option<Reply>) -> Self {
        Self {
            op,
            subject: subject.to_owned(),
            stream,
            moved: 0,
            early,
            end: End::Whole,
        }
    }

    /// Encrypts the data connection, before anything else runs over it.
    pub(crate) fn secure(&self, session: Box<dyn tls::Session>) -> io::Result<()> {
        self.stream.secure(session)
    }

    /// What its TLS session came to.
    pub(crate) fn info(&self) -> Option<tls::Info> {
        self.stream.info()
    }

    /// Reads what has arrived; 0 at the end, of which [`Session::finish`] tells more.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.stream.read(buffer) {
            Err(error) if is_cut(&error) => {
                self.end = End::Unproven;
                0
            }
            read => read?,
        };
        self.moved += read as u64;
        Ok(read)
    }

    /// Sends all of it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.moved += bytes.len() as u64;
        Ok(())
    }
}

impl Read for Transfer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::read(self, buffer)
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
        self.open_data(op, &path.to_string(), &line)
    }

    /// Closes the data connection, which is the end of file, and waits for the server's verdict.
    pub fn finish(&mut self, transfer: Transfer) -> Result<End, Error> {
        let end = transfer.end;
        let reads = matches!(transfer.op, Op::Read | Op::List);
        if let Some(protection) = self.tls.as_mut().filter(|_| reads && end == End::Whole) {
            protection.ends_are_said = true;
        }
        if end == End::Whole
            && let Err(error) = transfer.stream.end()
            && matches!(transfer.op, Op::Store | Op::Append)
        {
            // Not a failure yet: whether the server has all of it, the server says.
            self.patience
                .log(Level::Debug, &format!("The end of a data connection: {error}."));
        }
        let (op, subject, early) = self.close(transfer);
        let reply = match early {
            Some(reply) => reply,
            None => self.verdict(op, &subject)?,
        };
        match reply.code {
            226 | 250 => Ok(end),
            // Pure-FTPd repeats the code of the beginning when the transfer broke, and says no more.
            100..=199 => Err(Error::io(op, &subject, &io::ErrorKind::ConnectionAborted.into())),
            // Something did arrive, and after a failed transfer nobody knows what else is on its way.
            code => Err(Error::reply(op, &subject, code, &reply.text).losing_session()),
        }
    }

    /// What the failure of a transfer's stream means, made better by what the server has to say about it.
    pub fn transfer_failed(&mut self, transfer: Transfer, error: &io::Error) -> Error {
        let (op, subject, early) = self.close(transfer);
        let failure = Error::io(op, &subject, error);
        if early.is_some() || matches!(failure.kind, Kind::Cancelled | Kind::Timeout) {
            return failure;
        }
        let Ok(reply) = self.verdict(op, &subject) else {
            return failure;
        };
        let refusal = Error {
            effect: failure.effect,
            ..Error::reply(op, &subject, reply.code, &reply.text).losing_session()
        };
        // A server that we do not believe says only that we have left.
        let ours = failure.kind == Kind::Tls && refusal.kind != Kind::Tls;
        if reply.code >= 400 && !ours {
            refusal
        } else {
            failure
        }
    }

    fn close(&mut self, transfer: Transfer) -> (Op, String, Option<Reply>) {
        self.patience.transfers(false);
        self.control.trace.closed(transfer.moved);
        (transfer.op, transfer.subject, transfer.early)
    }

    /// Looks after the session while a file is on its way: an error when the call is to end, and a NOOP on the
    /// control connection when the settings want one. For loops that never wait for the data connection; what
    /// waits for it does the same.
    pub fn keep_alive(&mut self) -> io::Result<()> {
        self.patience.check()?;
        self.patience.tick()
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

    /// Runs a listing command and hands out its lines. None stands for a line that is too long to be one.
    pub(crate) fn lines(
        &mut self,
        subject: &str,
        command: &str,
        mut each: impl FnMut(Option<&str>),
    ) -> Result<(), Error> {
        let transfer = self.open_data(Op::List, subject, command)?;
        let encoding = self.control.encoding();
        let mut reader = BufReader::with_capacity(64 * 1024, transfer);
        let mut line = Vec::new();
        let mut count = 0_u64;
        let mut line_was_whole = true;
        loop {
            // Each line is as short as a reply and may take as long; folders may have as many as they like.
            let next = if reader.buffer().contains(&b'\n') {
                next_line(&mut reader, &mut line)
            } else {
                self.patience.for_a_reply(|| next_line(&mut reader, &mut line))
            };
            let kept = match next {
                Ok(Next::End) => break,
                Ok(Next::Line { whole }) => {
                    line_was_whole = whole;
                    true
                }
                Ok(Next::TooLong) => false,
                Err(error) => return Err(self.transfer_failed(reader.into_inner(), &error)),
            };
            count += 1;
            if count > MOST_LINES {
                let message = format!("The folder `{subject}` has more than {MOST_LINES} entries.");
                self.close(reader.into_inner());
                return Err(Error::new(Kind::Data, message).losing_session());
            }
            if count.is_multiple_of(1000) {
                if let Err(error) = self.keep_alive() {
                    return Err(self.transfer_failed(reader.into_inner(), &error));
                }
                (self.host.progress)("entries listed", count, None);
            }
            if !kept {
                each(None);
            } else if !line.is_empty() {
                each(Some(&encoding.decode(&line)));
            }
        }
        let end = self.finish(reader.into_inner())?;
        // A last line without its line break is half a name. And a server that has ended its connections properly
        // before does not stop doing so.
        if end == End::Unproven {
            let said_before = self
                .tls
                .as_ref()
                .is_some_and(|protection| protection.ends_are_said);
            if !line_was_whole || said_before {
                let message = format!(
                    "The listing of `{subject}` was cut: its encrypted connection ended without saying so (no \
                     `close_notify`)."
                );
                return Err(Error::new(Kind::Data, message).retryable().losing_session());
            }
            self.warn_of_open_ends();
        }
        Ok(())
    }

    /// The server has said that a listing is whole, but not by the way that nobody else can: told once a session.
    fn warn_of_open_ends(&mut self) {
        let told = self
            .tls
            .as_mut()
            .is_some_and(|protection| std::mem::replace(&mut protection.told_of_open_ends, true));
        if !told {
            let message = format!(
                "`{}` ends encrypted listings without saying so (no close_notify): they may be cut on their way, and \
                 files may then be missing in them. The server's operator can mend that.",
                self.server
            );
            (self.host.log)(Level::Warn, &message);
        }
    }
}

/// Whether a TLS connection ended without the word of its peer.
fn is_cut(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<tls::Cut>)
}

/// What came next in a listing.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Line {
        /// It had its line break.
        whole: bool,
    },
    TooLong,
    End,
}

/// Reads the next line, without its line break. One that is too long is read and forgotten.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Next> {
    let mut skipped = 0;
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(LONGEST_LINE as u64)
            .read_until(b'\n', line)?;
        let whole = line.last() == Some(&b'\n');
        if read == LONGEST_LINE && !whole {
            skipped += read;
            if skipped > LONGEST_SKIP {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line of the listing without an end",
                ));
            }
            continue;
        }
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.pop();
        }
        return Ok(match (skipped, read) {
            (0, 0) => Next::End,
            (0, _) => Next::Line { whole },
            _ => Next::TooLong,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut text: &[u8]) -> Vec<(Next, usize)> {
        let mut line = Vec::new();
        std::iter::from_fn(|| match next_line(&mut text, &mut line).unwrap() {
            Next::End => None,
            next => Some((next, line.len())),
        })
        .collect()
    }

    #[test]
    fn a_line_that_is_too_long_is_one_line() {
        let mut text = b"first\r\n".to_vec();
        text.extend(vec![b'x'; 1 << 20]);
        text.extend(b"\r\n\r\nlast");
        let found = lines(&text);
        let line = |whole| Next::Line { whole };
        assert_eq!(
            found.iter().map(|(next, _)| next).collect::<Vec<_>>(),
            [&line(true), &Next::TooLong, &line(true), &line(false)]
        );
        assert_eq!((found[0].1, found[2].1, found[3].1), (5, 0, 4));
    }

    /// Whole multiples of the bound: the line break falls before, on and after it.
    #[test]
    fn lines_around_the_bound() {
        for (length, next) in [
            (LONGEST_LINE - 1, Next::Line { whole: true }),
            (LONGEST_LINE, Next::TooLong),
            (LONGEST_LINE + 1, Next::TooLong),
            (2 * LONGEST_LINE, Next::TooLong),
        ] {
            let mut text = vec![b'x'; length];
            text.extend(b"\nlast");
            let found = lines(&text);
            assert_eq!((&found[0].0, found.len(), found[1].1), (&next, 2, 4), "{length}");
            // The same without the line break at its end.
            assert_eq!(lines(&vec![b'x'; length]).len(), 1, "{length}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let endless = io::Read::take(io::repeat(b'x'), u64::MAX);
        let mut reader = BufReader::new(endless);
        let error = next_line(&mut reader, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
