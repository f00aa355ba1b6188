//! The control connection: one line out, one reply back (RFC 959 section 4).
//!
//! It is our own rather than suppaftp's client because that client opens its socket itself, blocking and
//! without a time-out, reads sizes into the target's 32-bit `usize`, ends a multi-line reply at any line
//! that starts with three digits, and waits for an active data connection without a way to cancel.

use std::io::{self, BufRead, BufReader, Read, Write};

use crate::transport::Stream;

/// The most bytes that one reply may have. Real ones have a few KiB; without a bound a server could
/// fill the memory with one line.
pub const LONGEST_REPLY: usize = 256 * 1024;

/// A reply: its code, and its text without codes.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// All lines, joined by `\n`, the codes of the first and last one removed.
    pub text: String,
}

/// The control connection.
#[derive(Debug)]
pub struct Control<S: Read + Write = Stream> {
    reader: BufReader<S>,
}

impl<S: Read + Write> Control<S> {
    /// Speaks FTP over `stream`.
    pub fn new(stream: S) -> Self {
        Self {
            reader: BufReader::new(stream),
        }
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        self.reader.get_ref()
    }

    /// Sends a command. A line break in it would smuggle in a second command, so it is refused here,
    /// whatever was checked before. (UTF-8 has no byte 0xFF, the Telnet escape, so nothing needs doubling.)
    pub fn send(&mut self, command: &str) -> io::Result<()> {
        if command.contains(['\r', '\n', '\0']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut line = Vec::with_capacity(command.len() + 2);
        line.extend_from_slice(command.as_bytes());
        line.extend_from_slice(b"\r\n");
        self.reader.get_mut().write_all(&line)
    }

    /// Reads one reply. A multi-line reply (`123-…`) ends at the line that starts with the same code
    /// and a space.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut room = LONGEST_REPLY;
        let first = self.line(&mut room)?;
        let (code, more) = opening(&first).ok_or_else(|| invalid("a reply without a code"))?;
        let mut text = first.get(4..).unwrap_or_default().to_owned();
        if more {
            loop {
                let line = self.line(&mut room)?;
                text.push('\n');
                match opening(&line) {
                    Some((same, false)) if same == code => {
                        text.push_str(line.get(4..).unwrap_or_default());
                        break;
                    }
                    // Some servers put the code and a dash before every line.
                    Some((same, true)) if same == code => text.push_str(line.get(4..).unwrap_or_default()),
                    _ => text.push_str(&line),
                }
            }
        }
        Ok(Reply { code, text })
    }

    fn line(&mut self, room: &mut usize) -> io::Result<String> {
        let mut line = Vec::new();
        let limit = u64::try_from(*room).unwrap_or(u64::MAX);
        let read = (&mut self.reader).take(limit).read_until(b'\n', &mut line)?;
        *room -= read;
        if line.last() != Some(&b'\n') {
            let ended = *room > 0;
            return Err(if ended {
                io::ErrorKind::UnexpectedEof.into()
            } else {
                invalid("a reply without an end")
            });
        }
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.pop();
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// Code of a line that opens or closes a reply, and whether more lines follow.
fn opening(line: &str) -> Option<(u16, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let more = match rest.bytes().next() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return None,
    };
    Some((digits.parse().ok()?, more))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.1.write(buffer)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn control(text: &[u8]) -> Control<Script> {
        Control::new(Script(io::Cursor::new(text.to_vec()), Vec::new()))
    }

    #[test]
    fn replies_are_read_one_by_one() {
        let mut control = control(
            b"220 ready\r\n230-Welcome\r\n  226 files wait\r\n200 of them new\r\n230-\r\n230 in\r\n221\r\n",
        );
        let ready = control.reply().unwrap();
        assert_eq!((ready.code, ready.text.as_str()), (220, "ready"));
        let welcome = control.reply().unwrap();
        assert_eq!(welcome.code, 230);
        assert_eq!(welcome.text, "Welcome\n  226 files wait\n200 of them new\n\nin");
        assert_eq!(control.reply().unwrap().code, 221);
        assert_eq!(control.reply().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_not_ftp_is_refused() {
        let not_ftp: [&[u8]; 3] = [b"SSH-2.0-x\r\n", b"12\r\n", b"22x ready\r\n"];
        for text in not_ftp {
            assert_eq!(
                control(text).reply().unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
        let endless = vec![b'2'; LONGEST_REPLY + 1];
        assert_eq!(
            control(&endless).reply().unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn a_line_break_never_reaches_the_wire() {
        let mut control = control(b"");
        for command in ["RETR a\r\nDELE b", "RETR a\nDELE b", "RETR a\rb", "RETR a\0b"] {
            assert_eq!(
                control.send(command).unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
        }
        assert!(control.stream().1.is_empty());
        control.send("RETR é").unwrap();
        assert_eq!(control.stream().1, "RETR é\r\n".as_bytes());
    }
}
