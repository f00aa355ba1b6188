//! One client connection without I/O: bytes in, bytes out.

use super::certificate::describe;
use super::context::Setting;
use super::fault::{Circumstances, fault};
use super::records::Records;
use crate::contract::tls::{Error, Info, Reason, Received};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion};
use std::sync::Arc;

/// Bytes that are kept of what cannot be read yet. A record has less than 19 KiB, and rustls joins at most 64 KiB of
/// parts to one message of the handshake.
const MOST_UNREAD: usize = 256 * 1024;

/// One TLS connection of a client.
pub struct Session {
    stage: Stage,
    setting: Arc<Setting>,
    name: ServerName<'static>,
    /// What arrived and cannot be read yet: at most a part of a record, once the handshake is over.
    arrived: Vec<u8>,
    /// Records that nobody has fetched yet.
    pending: Vec<u8>,
    agreed: Option<Agreed>,
    /// An error that waits until what was good before it has been taken.
    held: Option<Box<Error>>,
    /// The peer sends no more.
    closed: bool,
    /// We send no more.
    ended: bool,
}

enum Stage {
    /// The handshake, and all of TLS 1.2.
    Rustls(Box<UnbufferedClientConnection>),
    /// TLS 1.3 after the handshake.
    Records(Box<Records>),
    /// After an error: nothing but the alert.
    Failed,
}

/// What the handshake came to.
struct Agreed {
    version: ProtocolVersion,
    cipher: CipherSuite,
    resumed: bool,
    /// The server's certificate, and those that it sent along.
    chain: Vec<CertificateDer<'static>>,
}

/// A failure within the session; the contract's error is made of it when what has arrived is known.
type Failed = rustls::Error;

impl Session {
    pub(super) fn new(
        connection: UnbufferedClientConnection,
        name: ServerName<'static>,
        setting: Arc<Setting>,
    ) -> Self {
        Self {
            stage: Stage::Rustls(Box::new(connection)),
            setting,
            name,
            arrived: Vec::new(),
            pending: Vec::new(),
            agreed: None,
            held: None,
            closed: false,
            ended: false,
        }
    }

    /// Takes bytes as they came from the socket. See the contract.
    ///
    /// # Errors
    /// When they are not what the peer has to send. Nothing but [`Session::close`] works after that.
    pub fn decrypt(&mut self, records: Vec<u8>) -> Result<Received, Box<Error>> {
        if let Some(error) = self.held.take() {
            return Err(error);
        }
        self.alive()?;
        let mut plaintext = records;
        // What comes after the end is not to be believed.
        if self.closed {
            plaintext.clear();
        } else {
            self.arrived.extend_from_slice(&plaintext);
            // The buffer of the records becomes that of the data: there are never more of these.
            plaintext.clear();
            plaintext.reserve_exact(self.arrived.len());
            if let Err(failed) = self.read(&mut plaintext) {
                let error = self.fail(&failed);
                // Those bytes came from the server, whoever has spoilt what came after them.
                if plaintext.is_empty() {
                    return Err(error);
                }
                self.held = Some(error);
            }
            if self.arrived.len() > MOST_UNREAD {
                return Err(self.fail(&rustls::Error::PeerSentOversizedRecord));
            }
        }
        Ok(Received {
            plaintext,
            reply: std::mem::take(&mut self.pending),
            handshaking: self.is_handshaking(),
            closed: self.closed,
        })
    }

    /// Gives the records for data, and before them what is to be sent anyhow. See the contract.
    ///
    /// # Errors
    /// `protocol` for data during the handshake or after the end. That does no harm to the session.
    pub fn encrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, Box<Error>> {
        self.alive()?;
        // Makes the first records, when there are none yet.
        if self.agreed.is_none()
            && let Err(failed) = self.read(&mut Vec::new())
        {
            return Err(self.fail(&failed));
        }
        if !data.is_empty() {
            let name = self.name();
            if self.ended {
                return Err(fault(
                    Reason::Protocol,
                    format!("TLS with {name} was closed from here: there can be no more data."),
                ));
            }
            if self.is_handshaking() {
                return Err(fault(
                    Reason::Protocol,
                    format!("TLS with {name} is not established yet: there can be no data."),
                ));
            }
            if let Err(failed) = self.write(data) {
                return Err(self.fail(&failed));
            }
        }
        Ok(std::mem::take(&mut self.pending))
    }

    /// Says that we send no more: records with `close_notify`, or with an error's alert; nothing the second time.
    pub fn close(&mut self) -> Vec<u8> {
        if !self.ended {
            self.ended = true;
            match &mut self.stage {
                Stage::Rustls(connection) if !connection.is_handshaking() => {
                    say_goodbye(connection, &mut self.arrived, &mut self.pending);
                }
                // A handshake that is given up ends with the socket.
                Stage::Rustls(_) | Stage::Failed => {}
                Stage::Records(records) => records.close(&mut self.pending),
            }
        }
        std::mem::take(&mut self.pending)
    }

    /// What was agreed on; none while the handshake goes on.
    #[must_use]
    pub fn info(&self) -> Option<Info> {
        let agreed = self.agreed.as_ref()?;
        Some(Info {
            version: version_name(agreed.version),
            cipher: cipher_name(agreed.cipher),
            resumed: agreed.resumed,
            certificate: agreed.chain.first().map(|leaf| describe(leaf)),
            details: None,
        })
    }

    /// The server's certificate and those that it sent along; none while the handshake goes on.
    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        self.agreed.as_ref().map_or(&[], |agreed| &agreed.chain)
    }

    /// The name that it was opened for.
    pub(super) fn server_name(&self) -> &ServerName<'static> {
        &self.name
    }

    fn name(&self) -> String {
        self.name.to_str().into_owned()
    }

    fn is_handshaking(&self) -> bool {
        matches!(&self.stage, Stage::Rustls(connection) if connection.is_handshaking())
    }

    fn alive(&self) -> Result<(), Box<Error>> {
        match self.stage {
            Stage::Failed => Err(fault(
                Reason::Protocol,
                format!("TLS with {} has failed before.", self.name()),
            )),
            _ => Ok(()),
        }
    }

    /// Reads what arrived as far as it is there, and collects what is to be sent.
    fn read(&mut self, plaintext: &mut Vec<u8>) -> Result<(), Failed> {
        if let Stage::Rustls(connection) = &mut self.stage {
            self.closed |= drive(connection, &mut self.arrived, plaintext, &mut self.pending)?;
            self.establish()?;
        }
        if let Stage::Records(records) = &mut self.stage {
            let (read, result) = records.read(&mut self.arrived, plaintext, &mut self.pending);
            drop(self.arrived.drain(..read));
            if let Err(broken) = result {
                records.refuse(&broken, &mut self.pending);
                return Err(broken.error);
            }
            self.closed |= records.is_closed();
        }
        if self.closed {
            self.arrived = Vec::new();
        }
        // The buffer is kept for the next call, but not one that a single huge call has left.
        self.arrived.shrink_to(MOST_UNREAD);
        Ok(())
    }

    /// Notes what the handshake came to, when it is over; TLS 1.3 goes on by itself then.
    fn establish(&mut self) -> Result<(), Failed> {
        let Stage::Rustls(connection) = &self.stage else {
            return Ok(());
        };
        if self.agreed.is_some() || connection.is_handshaking() {
            return Ok(());
        }
        let (Some(version), Some(suite)) = (
            connection.protocol_version(),
            connection.negotiated_cipher_suite(),
        ) else {
            return Ok(());
        };
        let chain = connection.peer_certificates().unwrap_or_default();
        self.agreed = Some(Agreed {
            version,
            cipher: suite.suite(),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            chain: chain.to_vec(),
        });
        if version == ProtocolVersion::TLSv1_3
            && let Stage::Rustls(connection) = std::mem::replace(&mut self.stage, Stage::Failed)
        {
            let tickets = Arc::clone(&self.setting.tickets);
            let records = Records::take_over(*connection, self.name.clone(), tickets)?;
            self.stage = Stage::Records(Box::new(records));
        }
        Ok(())
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Failed> {
        match &mut self.stage {
            Stage::Rustls(connection) => encrypt(connection, &mut self.arrived, data, &mut self.pending),
            Stage::Records(records) => records.write(data, &mut self.pending),
            Stage::Failed => Ok(()),
        }
    }

    /// Ends the session with an error. What alert it calls for waits for [`Session::close`].
    fn fail(&mut self, failed: &Failed) -> Box<Error> {
        let name = self.name();
        let identity = &self.setting.identity;
        let circumstances = Circumstances {
            name: &name,
            minimum: self.setting.minimum,
            asked: identity.was_asked(),
            identified: identity.is_there(),
            arrived: &self.arrived,
        };
        let error = circumstances.error(failed);
        if let Stage::Rustls(connection) = &mut self.stage {
            last_words(connection, &mut self.arrived, &mut self.pending);
        }
        self.stage = Stage::Failed;
        self.arrived = Vec::new();
        error
    }
}

/// Turns the states of rustls until it needs more bytes, or has finished the handshake of TLS 1.3: what comes after
/// that is not its any more. Gives whether the peer has closed.
fn drive(
    connection: &mut UnbufferedClientConnection,
    arrived: &mut Vec<u8>,
    plaintext: &mut Vec<u8>,
    reply: &mut Vec<u8>,
) -> Result<bool, Failed> {
    let mut closed = false;
    let mut at = 0;
    let ended = loop {
        let UnbufferedStatus { mut discard, state } = connection.process_tls_records(&mut arrived[at..]);
        let mut waiting = false;
        let mut result = Ok(());
        match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => result = encode(&mut data, reply),
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    match record {
                        Ok(record) => {
                            discard += record.discard;
                            plaintext.extend_from_slice(record.payload);
                        }
                        Err(error) => {
                            result = Err(error);
                            break;
                        }
                    }
                }
            }
            Ok(ConnectionState::PeerClosed) => closed = true,
            // `WriteTraffic`, `BlockedHandshake`, `Closed`; early data is for servers only.
            Ok(_) => waiting = true,
            Err(error) => result = Err(error),
        }
        at += discard;
        if result.is_err() || waiting || is_finished(connection) {
            break result;
        }
    };
    drop(arrived.drain(..at.min(arrived.len())));
    ended.map(|()| closed)
}

/// What a connection that has failed has left to say. It is asked only while there is something: asked once more, it
/// would read what it failed at again.
fn last_words(connection: &mut UnbufferedClientConnection, arrived: &mut [u8], records: &mut Vec<u8>) {
    while connection.wants_write() {
        let UnbufferedStatus { state, .. } = connection.process_tls_records(arrived);
        let said = match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, records).is_ok(),
            // Comes before what is to be sent, and is of no use any more.
            Ok(ConnectionState::ReadTraffic(mut traffic)) => traffic.next_record().is_some(),
            _ => false,
        };
        if !said {
            break;
        }
    }
}

/// Whether the handshake of TLS 1.3 is over and all of it is on its way.
fn is_finished(connection: &UnbufferedClientConnection) -> bool {
    connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
        && !connection.is_handshaking()
        && !connection.wants_write()
}

fn encode(data: &mut EncodeTlsData<'_, ClientConnectionData>, records: &mut Vec<u8>) -> Result<(), Failed> {
    let start = records.len();
    match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
            records.resize(start + required_size, 0);
            let encoded = data.encode(&mut records[start..]);
            encoded.map(drop).map_err(general)
        }
        other => other.map(drop).map_err(general),
    }
}

/// Encrypts data with rustls itself: TLS 1.2.
fn encrypt(
    connection: &mut UnbufferedClientConnection,
    arrived: &mut [u8],
    data: &[u8],
    records: &mut Vec<u8>,
) -> Result<(), Failed> {
    let UnbufferedStatus { state, .. } = connection.process_tls_records(arrived);
    let ConnectionState::WriteTraffic(mut traffic) = state? else {
        return Err(rustls::Error::General("the connection takes no data".to_owned()));
    };
    sized(records, |space| traffic.encrypt(data, space))
}

fn say_goodbye(connection: &mut UnbufferedClientConnection, arrived: &mut [u8], records: &mut Vec<u8>) {
    let UnbufferedStatus { state, .. } = connection.process_tls_records(arrived);
    if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
        // Where it fails, the end of the socket has to say it.
        let _ = sized(records, |space| traffic.queue_close_notify(space));
    }
}

/// Appends what is written into as much space as it needs.
fn sized(
    records: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), Failed> {
    let start = records.len();
    let mut written = write(&mut []);
    if let Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) = written {
        records.resize(start + required_size, 0);
        written = write(&mut records[start..]);
    }
    let length = written.as_ref().copied().unwrap_or(0);
    records.truncate(start + length);
    written.map(drop).map_err(general)
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands the error over")]
fn general(error: impl ToString) -> Failed {
    rustls::Error::General(error.to_string())
}

fn version_name(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The cipher suite as IANA has registered it; rustls tells those of TLS 1.3 apart by a prefix of its own.
fn cipher_name(cipher: CipherSuite) -> String {
    let name = format!("{cipher:?}");
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name,
    }
}
