//! A TLS session of toys, which hides nothing: a record is a letter, two bytes of length, and that many bytes.
//! `H` shakes hands, `D` is data, `E` is `close_notify`. The peer is a script of bytes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::secured::Secured;
use super::{Context, Cut, Failure, Info, Reason, Received, Session};
use crate::settings::Trust;

/// A record of the toy.
pub fn record(letter: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[letter], &length[..], content].concat()
}

/// What stands in for the host's function.
#[expect(clippy::unnecessary_wraps, reason = "it stands in for one that fails")]
pub fn context(_: &Trust, _: Option<&str>) -> Result<Box<dyn Context>, Failure> {
    Ok(Box::new(Toys))
}

#[derive(Debug)]
struct Toys;

impl Context for Toys {
    fn open(&self, name: &str) -> Result<Box<dyn Session>, Failure> {
        if name.contains(' ') {
            return Err(Failure {
                reason: Reason::Invalid,
                message: "no name".to_owned(),
                certificate: None,
            });
        }
        Ok(Box::new(Toy::default()))
    }
}

/// The session.
#[derive(Debug, Default)]
struct Toy {
    arrived: Vec<u8>,
    /// The letters that we have said.
    said: Vec<u8>,
    shaken: bool,
    ended: bool,
}

impl Session for Toy {
    fn decrypt(&mut self, records: &[u8]) -> Result<Received, Failure> {
        self.arrived.extend_from_slice(records);
        let mut received = Received {
            plaintext: Vec::new(),
            reply: Vec::new(),
            handshaking: false,
            closed: false,
        };
        while let [letter, high, low, rest @ ..] = &self.arrived[..] {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (letter, Some(content)) = (*letter, rest.get(..length)) else {
                break;
            };
            match letter {
                b'H' => self.shaken = true,
                b'D' => received.plaintext.extend_from_slice(content),
                b'E' => self.ended = true,
                _ => {
                    return Err(Failure {
                        reason: Reason::NotTls,
                        message: "no letter of ours".to_owned(),
                        certificate: None,
                    });
                }
            }
            self.arrived.drain(..3 + length);
        }
        received.handshaking = !self.shaken;
        received.closed = self.ended;
        Ok(received)
    }

    fn encrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.said.is_empty() {
            self.said.push(b'H');
            return Ok(record(b'H', b"hello"));
        }
        Ok(if data.is_empty() {
            Vec::new()
        } else {
            record(b'D', data)
        })
    }

    fn close(&mut self) -> Vec<u8> {
        if self.said.contains(&b'E') {
            return Vec::new();
        }
        self.said.push(b'E');
        record(b'E', b"")
    }

    fn info(&self) -> Option<Info> {
        self.shaken.then(|| Info {
            version: "toy".to_owned(),
            cipher: "none".to_owned(),
            resumed: false,
            certificate: None,
            details: None,
        })
    }
}

/// A socket whose peer has said all that it will say, in these pieces.
#[derive(Default)]
struct Peer {
    says: VecDeque<Vec<u8>>,
    heard: Vec<u8>,
    /// How many bytes a write takes at most; 0: it would have to wait.
    room: Option<usize>,
}

impl Peer {
    fn saying(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut says = VecDeque::from([record(b'H', b"")]);
        says.extend(pieces);
        Self {
            says,
            ..Self::default()
        }
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.says.pop_front() else {
            return Ok(0);
        };
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

impl Write for Peer {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = match self.room {
            Some(0) => return Err(io::ErrorKind::WouldBlock.into()),
            Some(room) => buffer.len().min(room),
            None => buffer.len(),
        };
        self.heard.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shake(peer: &mut Peer) -> io::Result<Secured> {
    Secured::handshake(Toys.open("h").unwrap(), peer)
}

fn read_all(secured: &mut Secured, peer: &mut Peer) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 3];
    loop {
        match secured.read(peer, &mut buffer)? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn is_cut(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Cut>)
}

#[test]
fn what_is_said_is_read_up_to_its_end() {
    // The pieces are cut without regard to records, and something follows the end.
    let wire = [record(b'D', b"hello "), record(b'D', b"world"), record(b'E', b"")].concat();
    for size in [1, 4, 7, wire.len()] {
        let pieces = wire.chunks(size).map(<[u8]>::to_vec);
        let mut peer = Peer::saying(pieces.chain([record(b'D', b"more")]));
        let mut secured = shake(&mut peer).unwrap();
        assert_eq!(secured.info().unwrap().version, "toy");
        assert_eq!(read_all(&mut secured, &mut peer).unwrap(), b"hello world");
        assert!(secured.has_ended());
        // Still the end.
        assert_eq!(secured.read(&mut peer, &mut [0]).unwrap(), 0);
    }
}

#[test]
fn data_that_comes_with_the_handshake_is_not_lost() {
    let mut peer = Peer::default();
    let greeting = [record(b'H', b""), record(b'D', b"220")].concat();
    peer.says.extend([greeting, record(b'E', b"")]);
    let mut secured = shake(&mut peer).unwrap();
    assert_eq!(read_all(&mut secured, &mut peer).unwrap(), b"220");
}

#[test]
fn an_end_without_a_word_is_told() {
    let mut peer = Peer::saying([record(b'D', b"half")]);
    let mut secured = shake(&mut peer).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(secured.read(&mut peer, &mut buffer).unwrap(), 4);
    assert!(is_cut(&secured.read(&mut peer, &mut buffer).unwrap_err()));
    // In the handshake too.
    assert!(is_cut(&shake(&mut Peer::default()).unwrap_err()));
}

#[test]
fn what_is_no_record_is_answered_with_an_alert() {
    let mut peer = Peer::saying([b"\0\0\0 in clear\r\n".to_vec()]);
    let mut secured = shake(&mut peer).unwrap();
    let error = secured.read(&mut peer, &mut [0]).unwrap_err();
    let failure = error.get_ref().unwrap().downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.reason, Reason::NotTls);
    assert!(peer.heard.ends_with(&record(b'E', b"")));
}

#[test]
fn records_with_nothing_in_them_are_not_read_for_ever() {
    let piece = record(b'D', b"").repeat(10_000);
    let mut peer = Peer::saying((0..1000).map(|_| piece.clone()));
    let mut secured = shake(&mut peer).unwrap();
    assert!(secured.read(&mut peer, &mut [0]).is_err());
    assert!(peer.says.len() > 900);
    // A record in many small pieces is no such thing.
    let slow = [record(b'D', b"slow and long and whole"), record(b'E', b"")].concat();
    let mut peer = Peer::saying(slow.iter().map(|byte| vec![*byte]));
    let mut secured = shake(&mut peer).unwrap();
    assert_eq!(
        read_all(&mut secured, &mut peer).unwrap(),
        b"slow and long and whole"
    );
}

#[test]
fn a_nudge_that_finds_no_room_goes_out_before_what_follows() {
    let mut peer = Peer::saying([]);
    let mut secured = shake(&mut peer).unwrap();
    let before = peer.heard.len();
    peer.room = Some(0);
    secured.nudge(&mut peer, b"NOOP").unwrap();
    assert_eq!(peer.heard.len(), before);
    peer.room = Some(2);
    secured.write(&mut peer, b"QUIT").unwrap();
    assert_eq!(
        peer.heard[before..],
        [record(b'D', b"NOOP"), record(b'D', b"QUIT")].concat()
    );
}

#[test]
fn our_end_is_said_once_and_the_peers_is_read() {
    let mut peer = Peer::saying([record(b'D', b"ticket"), record(b'E', b"")]);
    let mut secured = shake(&mut peer).unwrap();
    secured.write(&mut peer, b"all").unwrap();
    secured.close(&mut peer).unwrap();
    secured.drain(&mut peer, later()).unwrap();
    secured.close(&mut peer).unwrap();
    assert!(peer.says.is_empty());
    assert!(
        peer.heard
            .ends_with(&[record(b'D', b"all"), record(b'E', b"")].concat())
    );
    // The peer's own end is enough, whether it closes the socket or not; and a time is one, whatever it still says.
    let mut open = Peer::saying([record(b'E', b""), record(b'D', b"more")]);
    let mut secured = shake(&mut open).unwrap();
    secured.drain(&mut open, later()).unwrap();
    assert_eq!(open.says.len(), 1);
    let mut secured = shake(&mut Peer::saying([])).unwrap();
    secured.drain(&mut open, Instant::now()).unwrap();
    assert_eq!(open.says.len(), 1);
    // A peer that goes on is not listened to for ever.
    let mut endless = Peer::saying((0..100).map(|_| record(b'D', &[0; 4096])));
    let mut secured = shake(&mut endless).unwrap();
    secured.drain(&mut endless, later()).unwrap();
    assert!(endless.says.len() > 80);
}
