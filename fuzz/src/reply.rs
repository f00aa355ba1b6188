//! Replies on the control connection, and what is read in them.

use std::io::{self, Read};

use ftp_connector::fuzzing::{self, Answer, LONGEST_REPLY};

use crate::{assert_message, assert_segment};

/// Reads replies, one after the other.
///
/// # Panics
/// Unless they are bounded, do not depend on how the network cuts them up, and never yield a path or a port that
/// must not be used.
pub fn reply(data: &[u8]) {
    let answers: Vec<Answer> = fuzzing::replies(data).collect();
    // `220\n` is the shortest.
    assert!(answers.len() <= data.len() / 4, "{} replies", answers.len());
    for answer in &answers {
        sound(answer, data.len());
    }
    assert!(
        fuzzing::replies(ByteByByte(data)).eq(answers),
        "the replies depend on the packets that they came in"
    );
}

/// Listens to a server that says the same for ever. Apart from the target, since it takes a hundred times as long.
///
/// # Panics
/// Unless a reply is bounded, whatever comes.
pub fn endless_reply(data: &[u8]) {
    for answer in fuzzing::replies(Endless { data, next: 0 }).take(100) {
        sound(&answer, LONGEST_REPLY);
    }
}

fn sound(answer: &Answer, bytes: usize) {
    assert!(answer.code <= 999, "code {}", answer.code);
    // A byte that is not UTF-8 becomes a character of three.
    assert!(
        answer.text.len() <= 3 * bytes.min(LONGEST_REPLY),
        "{} bytes of text out of {bytes}",
        answer.text.len()
    );
    if let Some(base) = &answer.base {
        assert!(
            base.is_empty() || base.starts_with('/'),
            "{base:?} is not absolute"
        );
        assert!(!base.ends_with('/'), "{base:?} would make a double slash");
        let command = format!("CWD {base}/a");
        let sent = fuzzing::sent(&command);
        assert_eq!(
            sent.strip_suffix(b"\r\n"),
            Some(fuzzing::bytes(&command).as_slice()),
            "not one command"
        );
        assert_eq!(
            sent.iter()
                .filter(|byte| matches!(byte, b'\r' | b'\n' | 0))
                .count(),
            2,
            "not one line: {sent:?}"
        );
    }
    assert!(!answer.ports.contains(&Some(0)), "port 0");
    if let Some(facts) = &answer.facts {
        // The name that was asked for, whatever the server calls it.
        assert_segment(&facts.name);
        assert_eq!(facts.name, "b.csv");
        assert!(
            facts.file || facts.size.is_none(),
            "a size without a file: {facts:?}"
        );
    }
    assert_message(&answer.message);
}

/// One byte a packet.
struct ByteByByte<'a>(&'a [u8]);

impl Read for ByteByByte<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

/// The same again and again.
struct Endless<'a> {
    data: &'a [u8],
    next: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = &self.data[self.next..];
        let count = rest.read(buffer)?;
        self.next = (self.next + count) % self.data.len().max(1);
        Ok(count)
    }
}
