//! The records of TLS 1.3 after the handshake (RFC 8446, sections 4.6 and 5).
//!
//! rustls makes and changes the keys, and encrypts and decrypts with them; here is what frames the records and tells
//! their kinds apart. Two things are gained over leaving all of it to rustls: records are decrypted in the buffer where
//! they arrived, and the tickets that they bring can be used more than once ([`Tickets`]).

use super::tickets::{Remainder, Tickets};
use rustls::client::UnbufferedClientConnection;
use rustls::crypto::cipher::{
    InboundOpaqueMessage, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundPlainMessage,
};
use rustls::pki_types::ServerName;
use rustls::{
    AlertDescription, ConnectionTrafficSecrets, ContentType, Error, InvalidMessage, PeerMisbehaved,
    ProtocolVersion, Tls13CipherSuite,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes before a record's content: type, version, length.
const HEADER: usize = 5;
/// Bytes of data in one record.
const MOST_DATA: usize = 1 << 14;
/// Bytes of a record's content: data, type, padding, and the cipher's tag.
const MOST_CONTENT: usize = MOST_DATA + 256;
/// Bytes of one handshake message. Tickets are the only large ones, and have at most this many.
const MOST_MESSAGE: usize = 1 << 16;
/// Records without data in a row: tickets, key updates, empty ones. Servers send a handful.
const MOST_FRUITLESS: u32 = 64;

/// Tickets of one connection that are looked at; servers give two or three. Making one of a message takes a copy of the
/// server's certificates, and a record has room for hundreds of messages.
const MOST_TICKETS: u32 = 32;

/// `NewSessionTicket`.
const TICKET: u8 = 4;
/// `KeyUpdate`, and what it says.
const KEY_UPDATE: u8 = 24;
const NOT_REQUESTED: u8 = 0;
const REQUESTED: u8 = 1;

/// Why a connection cannot go on, and what to tell the peer; nothing where the peer has ended it.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) error: Error,
    alert: Option<AlertDescription>,
}

impl Broken {
    fn new(error: impl Into<Error>, alert: AlertDescription) -> Self {
        Self {
            error: error.into(),
            alert: Some(alert),
        }
    }
}

/// Both directions of one connection.
pub(super) struct Records {
    connection: Remainder,
    suite: &'static Tls13CipherSuite,
    tickets: Arc<Tickets>,
    name: ServerName<'static>,
    incoming: Incoming,
    outgoing: Outgoing,
}

struct Incoming {
    key: Box<dyn MessageDecrypter>,
    sequence: u64,
    /// A part of a handshake message, until the rest of it arrives.
    message: Vec<u8>,
    fruitless: u32,
    tickets: u32,
    closed: bool,
}

struct Outgoing {
    key: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Records {
    /// Takes over from a connection whose handshake is over and that has nothing more to send.
    ///
    /// # Errors
    /// When it is not in that state.
    pub(super) fn take_over(
        connection: UnbufferedClientConnection,
        name: ServerName<'static>,
        tickets: Arc<Tickets>,
    ) -> Result<Self, Error> {
        let (secrets, connection) = connection.dangerous_into_kernel_connection()?;
        let suite = connection.negotiated_cipher_suite();
        let suite = suite
            .tls13()
            .ok_or_else(|| Error::General("the connection is not of TLS 1.3".to_owned()))?;
        let (sequence, keys) = secrets.rx;
        let incoming = Incoming {
            key: decrypter(suite, keys)?,
            sequence,
            message: Vec::new(),
            fruitless: 0,
            tickets: 0,
            closed: false,
        };
        let (sequence, keys) = secrets.tx;
        let outgoing = Outgoing {
            key: encrypter(suite, keys)?,
            sequence,
        };
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            suite,
            tickets,
            name,
            incoming,
            outgoing,
        })
    }

    /// Whether the peer has said that it sends no more.
    pub(super) fn is_closed(&self) -> bool {
        self.incoming.closed
    }

    /// Reads the whole records at the front of what arrived, up to the one that closes, or that is not what it has to
    /// be. Gives how many bytes were read, and how it went.
    pub(super) fn read(
        &mut self,
        arrived: &mut [u8],
        plaintext: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> (usize, Result<(), Broken>) {
        let mut at = 0;
        while !self.incoming.closed {
            match self.record(&mut arrived[at..], plaintext, reply) {
                Ok(0) => break,
                Ok(length) => at += length,
                Err(broken) => return (at, Err(broken)),
            }
        }
        (at, Ok(()))
    }

    /// Reads one record, when it is there as a whole; gives its length, and nothing when it is not.
    fn record(
        &mut self,
        arrived: &mut [u8],
        plaintext: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<usize, Broken> {
        let Some(end) = content_length(arrived)?.map(|length| HEADER + length) else {
            return Ok(0);
        };
        let Some(content) = arrived.get_mut(HEADER..end) else {
            return Ok(0);
        };
        let (kind, content) = self.incoming.decrypt(content)?;
        match kind {
            ContentType::ApplicationData if !content.is_empty() => {
                self.incoming.fruitless = 0;
                plaintext.extend_from_slice(content);
            }
            ContentType::ApplicationData => {}
            ContentType::Handshake => self.handshake(content, reply)?,
            ContentType::Alert => self.incoming.alert(content)?,
            _ => return Err(unexpected(InvalidMessage::InvalidContentType)),
        }
        Ok(end)
    }

    /// Encrypts data into full records.
    ///
    /// # Errors
    /// When the keys are used up and new ones cannot be had; never in practice.
    pub(super) fn write(&mut self, data: &[u8], records: &mut Vec<u8>) -> Result<(), Error> {
        let count = data.len().div_ceil(MOST_DATA);
        let overhead = HEADER + self.outgoing.key.encrypted_payload_len(0);
        records.reserve(data.len() + count * overhead);
        for part in data.chunks(MOST_DATA) {
            // One is left for the message that announces the next key.
            if self.outgoing.sequence + 1 >= self.suite.common.confidentiality_limit {
                self.next_key(records)?;
            }
            self.outgoing
                .encrypt(ContentType::ApplicationData, part, records)?;
        }
        Ok(())
    }

    /// Says that nothing more comes: `close_notify`.
    pub(super) fn close(&mut self, records: &mut Vec<u8>) {
        self.alert(AlertDescription::CloseNotify, records);
    }

    /// Says what is wrong, where that is for us to say.
    pub(super) fn refuse(&mut self, broken: &Broken, records: &mut Vec<u8>) {
        if let Some(alert) = broken.alert {
            self.alert(alert, records);
        }
    }

    fn alert(&mut self, alert: AlertDescription, records: &mut Vec<u8>) {
        const WARNING: u8 = 1;
        const FATAL: u8 = 2;
        let level = match alert {
            AlertDescription::CloseNotify => WARNING,
            _ => FATAL,
        };
        // Two bytes with keys that have worked before: there is no way for it to fail, and nobody left to tell.
        let _ = self
            .outgoing
            .encrypt(ContentType::Alert, &[level, alert.into()], records);
    }

    fn connection(
        &self,
    ) -> MutexGuard<'_, rustls::kernel::KernelConnection<rustls::client::ClientConnectionData>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces the next key for what we send, and takes it.
    fn next_key(&mut self, records: &mut Vec<u8>) -> Result<(), Error> {
        let update = [KEY_UPDATE, 0, 0, 1, NOT_REQUESTED];
        self.outgoing.encrypt(ContentType::Handshake, &update, records)?;
        let (sequence, keys) = self.connection().update_tx_secret()?;
        self.outgoing = Outgoing {
            key: encrypter(self.suite, keys)?,
            sequence,
        };
        Ok(())
    }

    fn handshake(&mut self, content: &[u8], reply: &mut Vec<u8>) -> Result<(), Broken> {
        if content.is_empty() {
            return Err(unexpected(InvalidMessage::InvalidEmptyPayload));
        }
        self.incoming.message.extend_from_slice(content);
        let message = std::mem::take(&mut self.incoming.message);
        let mut rest = message.as_slice();
        while let [kind, high, middle, low, body @ ..] = rest {
            let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
            if length > MOST_MESSAGE {
                let error = InvalidMessage::HandshakePayloadTooLarge;
                return Err(Broken::new(error, AlertDescription::DecodeError));
            }
            let Some((body, after)) = body.split_at_checked(length) else {
                break;
            };
            match *kind {
                TICKET if self.incoming.tickets >= MOST_TICKETS => {}
                TICKET => {
                    self.incoming.tickets += 1;
                    self.tickets
                        .keep(&self.name, &self.connection, body)
                        .map_err(|error| Broken::new(error, AlertDescription::DecodeError))?;
                }
                KEY_UPDATE => self.key_update(body, after.is_empty(), reply)?,
                _ => {
                    return Err(unexpected(InvalidMessage::UnexpectedMessage(
                        "after the handshake",
                    )));
                }
            }
            rest = after;
        }
        self.incoming.message.extend_from_slice(rest);
        Ok(())
    }

    /// The peer's next record has another key. It must not come in the middle of anything.
    fn key_update(&mut self, body: &[u8], last: bool, reply: &mut Vec<u8>) -> Result<(), Broken> {
        if !last {
            return Err(unexpected(PeerMisbehaved::KeyEpochWithPendingFragment));
        }
        let ours_too = match body {
            [NOT_REQUESTED] => false,
            [REQUESTED] => true,
            _ => {
                let error = InvalidMessage::InvalidKeyUpdate;
                return Err(Broken::new(error, AlertDescription::IllegalParameter));
            }
        };
        let internal = |error| Broken::new(error, AlertDescription::InternalError);
        let (sequence, keys) = self.connection().update_rx_secret().map_err(internal)?;
        self.incoming.key = decrypter(self.suite, keys).map_err(internal)?;
        self.incoming.sequence = sequence;
        if ours_too {
            self.next_key(reply).map_err(internal)?;
        }
        Ok(())
    }
}

/// The length of the next record's content; none while its header is not there.
fn content_length(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    let Some([kind, major, _, high, low]) = bytes.first_chunk() else {
        return Ok(None);
    };
    // Everything is encrypted by now, and what is encrypted is called application data.
    if *kind != u8::from(ContentType::ApplicationData) {
        return Err(unexpected(InvalidMessage::InvalidContentType));
    }
    if *major != 3 {
        return Err(unexpected(InvalidMessage::UnknownProtocolVersion));
    }
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > MOST_CONTENT {
        return Err(Broken::new(
            Error::PeerSentOversizedRecord,
            AlertDescription::RecordOverflow,
        ));
    }
    Ok(Some(length))
}

impl Incoming {
    /// Decrypts a record's content where it is.
    fn decrypt<'a>(&mut self, content: &'a mut [u8]) -> Result<(ContentType, &'a [u8]), Broken> {
        let record =
            InboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, content);
        let plain = self
            .key
            .decrypt(record, self.sequence)
            .map_err(|error| match error {
                Error::DecryptError => Broken::new(error, AlertDescription::BadRecordMac),
                Error::PeerSentOversizedRecord => Broken::new(error, AlertDescription::RecordOverflow),
                other => unexpected(other),
            })?;
        self.sequence += 1;
        self.fruitless += 1;
        if self.fruitless > MOST_FRUITLESS {
            return Err(unexpected(PeerMisbehaved::TooManyEmptyFragments));
        }
        if !self.message.is_empty() && plain.typ != ContentType::Handshake {
            return Err(unexpected(PeerMisbehaved::MessageInterleavedWithHandshakeMessage));
        }
        Ok((plain.typ, plain.payload))
    }

    fn alert(&mut self, content: &[u8]) -> Result<(), Broken> {
        let [_, alert] = content else {
            let error = InvalidMessage::MessageTooShort;
            return Err(Broken::new(error, AlertDescription::DecodeError));
        };
        match AlertDescription::from(*alert) {
            AlertDescription::CloseNotify => self.closed = true,
            // Says nothing that matters; a `close_notify` follows.
            AlertDescription::UserCanceled => {}
            // All others end the connection, whatever level they give themselves (RFC 8446, section 6).
            other => {
                return Err(Broken {
                    error: Error::AlertReceived(other),
                    alert: None,
                });
            }
        }
        Ok(())
    }
}

impl Outgoing {
    fn encrypt(&mut self, kind: ContentType, content: &[u8], records: &mut Vec<u8>) -> Result<(), Error> {
        let plain = OutboundPlainMessage {
            typ: kind,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(content),
        };
        let record = self.key.encrypt(plain, self.sequence)?;
        // Never with the same key again: the message before the last of a key announces the next.
        self.sequence += 1;
        records.extend_from_slice(&record.encode());
        Ok(())
    }
}

fn unexpected(error: impl Into<Error>) -> Broken {
    Broken::new(error, AlertDescription::UnexpectedMessage)
}

fn encrypter(
    suite: &Tls13CipherSuite,
    keys: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageEncrypter>, Error> {
    let (key, iv) = split(keys)?;
    Ok(suite.aead_alg.encrypter(key, iv))
}

fn decrypter(
    suite: &Tls13CipherSuite,
    keys: ConnectionTrafficSecrets,
) -> Result<Box<dyn MessageDecrypter>, Error> {
    let (key, iv) = split(keys)?;
    Ok(suite.aead_alg.decrypter(key, iv))
}

fn split(
    keys: ConnectionTrafficSecrets,
) -> Result<(rustls::crypto::cipher::AeadKey, rustls::crypto::cipher::Iv), Error> {
    match keys {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => Ok((key, iv)),
        _ => Err(Error::General(
            "the keys are of a cipher that is not known here".to_owned(),
        )),
    }
}
