//! The control connection: one line out, one reply back (RFC 959 section 4).
//!
//! It is our own rather than suppaftp's client because that client opens its socket itself, blocking and
//! without a time-out, reads sizes into the target's 32-bit `usize`, ends a multi-line reply at any line
//! that starts with three digits, and waits for an active data connection without a way to cancel.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::encoding::{Encoding, Unencodable};
use crate::trace::Trace;
use crate::transport::Stream;

/// The most bytes that one reply may have. Real ones have a few KiB; without a bound a server could
/// fill the memory with one line.
pub const LONGEST_REPLY: usize = 256 * 1024;
/// The most lines that one reply may have; the longest real ones are welcome messages.
const MOST_REPLY_LINES: u32 = 10_000;

/// A reply: its code, and its text without codes.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// All lines, joined by `\n`, the codes of the first and last one removed, and secrets replaced: to be
    /// shown.
    pub text: String,
    /// The same as it was sent: to be read by programs, such as a path in which the password happens to be.
    pub exact: String,
}

/// The control connection.
#[derive(Debug)]
pub struct Control<S: Read + Write = Stream> {
    reader: BufReader<S>,
    encoding: Encoding,
    /// The trace of the dialogue.
    pub trace: Trace,
    owed: Arc<AtomicU32>,
}

impl<S: Read + Write> Control<S> {
    /// Speaks FTP over `stream`, in UTF-8 and without a trace unless told otherwise.
    pub fn new(stream: S) -> Self {
        Self {
            reader: BufReader::new(stream),
            encoding: Encoding::default(),
            trace: Trace::default(),
            owed: Arc::default(),
        }
    }

    /// The same in another encoding, with a trace.
    #[must_use]
    pub fn speaking(self, encoding: Encoding, trace: Trace) -> Self {
        Self {
            encoding,
            trace,
            ..self
        }
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        self.reader.get_ref()
    }

    /// Whether more was read than has been used.
    pub fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// How names are encoded.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// How many NOOPs were sent beside a transfer whose replies have not been read.
    pub fn owed(&self) -> &Arc<AtomicU32> {
        &self.owed
    }

    /// Sends a command. A line break in it would smuggle in a second command, so it is refused here, whatever
    /// was checked before.
    ///
    /// Byte 0xFF, which some encodings have in names, is Telnet's escape and ought to be doubled (RFC 959
    /// section 5.3). Few servers take the second one away again, and clients do not send it, so it is sent as
    /// it is: the file is found then.
    pub fn send(&mut self, command: &str) -> io::Result<()> {
        let mut line = self.encoding.encode(command).map_err(|character| {
            let missing = Unencodable {
                character,
                encoding: self.encoding.name(),
            };
            io::Error::new(io::ErrorKind::InvalidInput, missing)
        })?;
        // The bytes are looked at, and not the text: they are what the server reads.
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.trace.sent(command);
        line.extend_from_slice(b"\r\n");
        self.reader.get_mut().write_all(&line)
    }

    /// Reads one reply. A multi-line reply (`123-…`) ends at the line that starts with the same code
    /// and a space.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut room = LONGEST_REPLY;
        let first = self.line(&mut room)?;
        let (code, more) = opening(&first).ok_or_else(|| invalid("a reply without a code"))?;
        let mut exact = first.get(4..).unwrap_or_default().to_owned();
        let mut lines = 1;
        let mut open = more;
        while open {
            lines += 1;
            if lines > MOST_REPLY_LINES {
                return Err(invalid("a reply without an end"));
            }
            let line = self.line(&mut room)?;
            exact.push('\n');
            match opening(&line) {
                Some((same, more)) if same == code => {
                    // Some servers put the code and a dash before every line.
                    exact.push_str(line.get(4..).unwrap_or_default());
                    open = more;
                }
                _ => exact.push_str(&line),
            }
        }
        let text = self.trace.redact(&exact);
        Ok(Reply { code, text, exact })
    }

    /// Reads the reply that ends a transfer. Servers answer the NOOPs sent beside it before or after that, and
    /// some refuse them; those replies are counted off.
    pub fn verdict(&mut self) -> io::Result<Reply> {
        loop {
            let reply = self.reply()?;
            if !self.count_off(&reply) {
                return Ok(reply);
            }
        }
    }

    /// Reads the replies to NOOPs that are still to come, so that the next reply belongs to the next command.
    pub fn settle(&mut self) -> io::Result<()> {
        while self.owed.load(Ordering::Relaxed) > 0 {
            let reply = self.reply()?;
            if !self.count_off(&reply) {
                return Err(match reply.code {
                    421 => io::ErrorKind::ConnectionAborted.into(),
                    _ => invalid("a reply that nothing was asked for"),
                });
            }
        }
        Ok(())
    }

    /// Whether a reply belongs to a NOOP. No transfer ends with one of these codes: they say that a command was
    /// understood or not, and the transfer's was.
    fn count_off(&self, reply: &Reply) -> bool {
        let owed = self.owed.load(Ordering::Relaxed);
        let is_noop = owed > 0 && matches!(reply.code, 200 | 500 | 502 | 503);
        if is_noop {
            self.owed.store(owed - 1, Ordering::Relaxed);
        }
        is_noop
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
        let line = self.encoding.decode(&line);
        self.trace.received(&line);
        Ok(line)
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

    fn in_encoding(label: &str, text: &[u8]) -> Control<Script> {
        let encoding = serde_json::from_value(label.into()).unwrap();
        control(text).speaking(encoding, Trace::default())
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
        let not_ftp: [&[u8]; 4] = [
            b"SSH-2.0-x\r\n",
            b"12\r\n",
            b"22x ready\r\n",
            "22\u{fc} ready\r\n".as_bytes(),
        ];
        for text in not_ftp {
            assert_eq!(
                control(text).reply().unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
        let endless = vec![b'2'; LONGEST_REPLY + 1];
        let lines = b"220-\r\n".repeat(MOST_REPLY_LINES as usize + 1);
        for text in [endless, lines] {
            assert_eq!(
                control(&text).reply().unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
    }

    #[test]
    fn a_line_break_never_reaches_the_wire() {
        for label in ["utf-8", "windows-1252", "shift_jis", "gb18030"] {
            let mut control = in_encoding(label, b"");
            for command in ["RETR a\r\nDELE b", "RETR a\nDELE b", "RETR a\rb", "RETR a\0b"] {
                assert_eq!(
                    control.send(command).unwrap_err().kind(),
                    io::ErrorKind::InvalidInput
                );
            }
            // Every character that there is: whatever the encoding makes of it, no line ends by it.
            for c in (0x80..=0xFFFF).filter_map(char::from_u32) {
                let _ = control.send(&format!("RETR {c}"));
            }
            let wire = &control.stream().1;
            assert!(wire.split(|byte| *byte == b'\n').all(|line| line.is_empty()
                || (line.starts_with(b"RETR ") && line.ends_with(b"\r") && !line.contains(&0))));
        }
        let mut control = control(b"");
        control.send("RETR é").unwrap();
        assert_eq!(control.stream().1, "RETR é\r\n".as_bytes());
    }

    #[test]
    fn names_go_out_and_come_in_in_the_encoding_of_the_server() {
        let mut control = in_encoding("windows-1252", b"257 \"/Gr\xfc\xdfe\" is it\r\n");
        control.send("RETR Grüße €").unwrap();
        assert_eq!(control.stream().1, b"RETR Gr\xfc\xdfe \x80\r\n");
        assert_eq!(control.reply().unwrap().text, "\"/Grüße\" is it");
        let error = control.send("RETR 文").unwrap_err();
        let missing = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Unencodable>());
        assert_eq!(
            missing.map(|missing| (missing.character, missing.encoding)),
            Some(('文', "windows-1252"))
        );
    }

    #[test]
    fn bytes_that_are_no_text_go_back_as_they_came() {
        let mut control = control(b"257 \"/Gr\xfc\xdfe\xff\"\r\n");
        let reply = control.reply().unwrap();
        control.send(&format!("CWD {}", reply.exact)).unwrap();
        assert_eq!(control.stream().1, b"CWD \"/Gr\xfc\xdfe\xff\"\r\n");
    }

    #[test]
    fn a_secret_is_not_shown_and_what_is_parsed_is_whole() {
        let mut control = control(b"257 \"/home/shop\"\r\n");
        control.trace.hide("shop");
        let reply = control.reply().unwrap();
        assert_eq!(
            (reply.text.as_str(), reply.exact.as_str()),
            ("\"/home/***\"", "\"/home/shop\"")
        );
    }

    /// Two NOOPs, whose replies may come anywhere around the transfer's own, refused or not.
    #[test]
    fn replies_to_noops_are_told_from_the_transfers_own() {
        for (wire, code) in [
            ("226 done\r\n200 ok\r\n200 ok\r\n213 7\r\n", 226),
            ("200 ok\r\n226 done\r\n200 ok\r\n213 7\r\n", 226),
            ("200 ok\r\n200 ok\r\n250 done\r\n213 7\r\n", 250),
            ("500 what?\r\n226 done\r\n503 not now\r\n213 7\r\n", 226),
            (
                "502 no\r\n426-broken\r\n200 of it\r\n426 off\r\n200 ok\r\n213 7\r\n",
                426,
            ),
        ] {
            let mut control = control(wire.as_bytes());
            control.owed().store(2, Ordering::Relaxed);
            assert_eq!(control.verdict().unwrap().code, code, "{wire}");
            control.settle().unwrap();
            assert_eq!(control.reply().unwrap().code, 213, "{wire}");
        }
    }

    #[test]
    fn without_a_noop_every_reply_counts() {
        let mut answers = control(b"500 no\r\n");
        assert_eq!(answers.verdict().unwrap().code, 500);
        answers.settle().unwrap();
        let mut answers = control(b"226 done\r\n226 done\r\n");
        answers.owed().store(1, Ordering::Relaxed);
        assert_eq!(answers.verdict().unwrap().code, 226);
        assert_eq!(answers.settle().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
