//! What the other machines had been told, and had answered, at each place of a journal.

use std::collections::{HashMap, VecDeque};

use super::record::Record;

/// Something that was asked of another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its first word: `DELE`, `STOR`, `RNTO`, `POST` and so on.
    pub word: String,
    /// What follows it: a path, with all that stands behind.
    pub object: String,
    /// The key by which a web server recognizes it.
    pub key: Option<String>,
    /// The place in the journal at which it was about to be sent.
    pub sent: usize,
    /// The place at which its answer was known to be good; none when there was no answer, or a bad one.
    pub done: Option<usize>,
}

impl Request {
    /// The other machine may know of it when the journal ends here.
    #[must_use]
    pub fn is_sent(&self, end: usize) -> bool {
        self.sent < end
    }

    /// This machine knows that it is done when the journal ends here.
    #[must_use]
    pub fn is_done(&self, end: usize) -> bool {
        self.done.is_some_and(|done| done < end)
    }
}

/// A connection: what was asked and is not answered, and half a line.
#[derive(Default)]
struct Connection {
    waiting: VecDeque<usize>,
    asked: Vec<u8>,
    answered: Vec<u8>,
    is_http: bool,
}

/// All requests of a journal, in the order in which they were sent.
#[must_use]
pub fn requests(records: &[Record]) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        match record {
            Record::Said { socket, text } => {
                let connection = connections.entry(*socket).or_default();
                connection.said(text, place, &mut requests);
            }
            Record::Heard { socket, text } => {
                let connection = connections.entry(*socket).or_default();
                connection.heard(text, place, &mut requests);
            }
            _ => {}
        }
    }
    requests
}

impl Connection {
    fn said(&mut self, text: &[u8], place: usize, requests: &mut Vec<Request>) {
        if let Some(request) = http(text, place) {
            self.is_http = true;
            self.waiting.push_back(requests.len());
            requests.push(request);
        }
        if self.is_http {
            return; // The rest is its body.
        }
        self.asked.extend_from_slice(text);
        while let Some(line) = take_line(&mut self.asked) {
            let (word, object) = line.split_once(' ').unwrap_or((&line, ""));
            self.waiting.push_back(requests.len());
            requests.push(Request {
                word: word.to_ascii_uppercase(),
                object: object.to_owned(),
                key: None,
                sent: place,
                done: None,
            });
        }
    }

    fn heard(&mut self, text: &[u8], place: usize, requests: &mut [Request]) {
        if self.is_http {
            if text.starts_with(b"HTTP/") {
                self.answer(text.get(9) == Some(&b'2'), place, requests);
            }
            return;
        }
        self.answered.extend_from_slice(text);
        while let Some(line) = take_line(&mut self.answered) {
            let code = line.as_bytes();
            let is_last = code.len() >= 4 && code[..3].iter().all(u8::is_ascii_digit) && code[3] == b' ';
            // 1xx: more is to come.
            if is_last && code[0] != b'1' {
                self.answer(b"23".contains(&code[0]), place, requests);
            }
        }
    }

    /// The greeting answers nothing.
    fn answer(&mut self, good: bool, place: usize, requests: &mut [Request]) {
        if let Some(answered) = self.waiting.pop_front() {
            requests[answered].done = good.then_some(place);
        }
    }
}

fn http(text: &[u8], place: usize) -> Option<Request> {
    let head = String::from_utf8_lossy(text);
    let (first, headers) = head.split_once("\r\n")?;
    let mut words = first.split(' ');
    let (word, object) = (words.next()?, words.next()?);
    if !words.next()?.starts_with("HTTP/1") {
        return None;
    }
    let key = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("idempotency-key")
            .then(|| value.trim().to_owned())
    });
    Some(Request {
        word: word.to_owned(),
        object: object.to_owned(),
        key,
        sent: place,
        done: None,
    })
}

fn take_line(from: &mut Vec<u8>) -> Option<String> {
    let end = from.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = from.drain(..=end).collect();
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(socket: u64, text: &str) -> Record {
        Record::Said {
            socket,
            text: text.into(),
        }
    }

    fn heard(socket: u64, text: &str) -> Record {
        Record::Heard {
            socket,
            text: text.into(),
        }
    }

    #[test]
    fn answers_belong_to_what_was_asked_first() {
        let found = requests(&[
            heard(1, "220 Welcome\r\n"),
            said(1, "FEAT\r\n"),
            heard(1, "211-Features\r\n MLST\r\n211 End\r\n"),
            said(1, "STOR a.part\r\n"),
            said(2, "POST /orders/a HTTP/1.1\r\nidempotency-key: k1\r\n\r\n"),
            heard(1, "150 Go on\r\n226 Do"),
            heard(1, "ne\r\n"),
            said(1, "DELE b\r\n"),
            heard(2, "HTTP/1.1 200 OK\r\n\r\n"),
            heard(1, "550 No\r\n"),
            said(1, "DELE c\r\n"),
        ]);
        let told: Vec<_> = found
            .iter()
            .map(|one| {
                (
                    one.word.as_str(),
                    one.object.as_str(),
                    one.key.as_deref(),
                    one.sent,
                    one.done,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("FEAT", "", None, 1, Some(2)),
                ("STOR", "a.part", None, 3, Some(6)),
                ("POST", "/orders/a", Some("k1"), 4, Some(8)),
                ("DELE", "b", None, 7, None),
                ("DELE", "c", None, 10, None),
            ]
        );
    }
}
