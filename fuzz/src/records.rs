//! TLS 1.3 records, as a server may send them that has the true keys and no manners, and as somebody in between may
//! spoil them.

use std::sync::{Arc, LazyLock};

use flowhost::fuzzing::tls_context;
use flowhost::tls::{Context, Session};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ServerConfig, ServerConnection};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};

/// The server's name.
const NAME: &str = "ftp.example.com";

/// Bytes that may be said back: key updates and one alert.
const LONGEST_REPLY: usize = 64 * 1024;

/// Bytes of data in the largest record.
const RECORD: usize = 1 << 14;

static SERVER: LazyLock<(Arc<ServerConfig>, Context)> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([NAME.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("signed");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a known version")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("a certificate with its key");
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    let context = tls_context(&certificate.pem()).unwrap_or_else(|error| panic!("{}", error.message));
    (Arc::new(config), context)
});

/// The key with which the server encrypts.
struct Forger {
    key: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Forger {
    fn record(&mut self, kind: ContentType, content: &[u8]) -> Vec<u8> {
        let plain = OutboundPlainMessage {
            typ: kind,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(content),
        };
        let record = self.key.encrypt(plain, self.sequence).expect("a record");
        self.sequence += 1;
        record.encode()
    }
}

/// A session whose handshake is over, and the server's keys.
fn agreed() -> (Session, Forger) {
    let (config, context) = &*SERVER;
    let mut session = context.open(NAME).expect("a name");
    let mut server = ServerConnection::new(Arc::clone(config)).expect("a connection");
    let mut records = session.encrypt(&[]).expect("a hello");
    loop {
        server.read_tls(&mut records.as_slice()).expect("memory");
        server.process_new_packets().expect("an honest client");
        let mut answer = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut answer).expect("memory");
        }
        if answer.is_empty() {
            break;
        }
        let received = session
            .decrypt(answer)
            .unwrap_or_else(|error| panic!("{}", error.message));
        records = received.reply;
    }
    let suite = server.negotiated_cipher_suite().and_then(|suite| suite.tls13());
    let secrets = server.dangerous_extract_secrets().expect("allowed");
    let (sequence, keys) = secrets.tx;
    let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
    | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
    | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = keys
    else {
        panic!("another cipher");
    };
    let key = suite.expect("TLS 1.3").aead_alg.encrypter(key, iv);
    (session, Forger { key, sequence })
}

/// What the server sends, and what of it may be believed.
#[derive(Default)]
struct Sent {
    packets: Vec<Vec<u8>>,
    /// The data of all records that came as they were made, up to the first that did not.
    data: Vec<u8>,
    /// There was nothing but whole records of data.
    honest: bool,
}

/// Makes packets of a script: an operation, a length, and so many bytes, over and over. The operations are `d`ata,
/// `h`andshake, `a`lert, `k`ind (the first byte), `b`ig data, `z` (a zero-length record), `r`aw bytes, e`x`changed
/// bits, and `|`, which ends a packet.
fn forge(script: &[u8], forger: &mut Forger) -> Sent {
    let mut sent = Sent {
        honest: true,
        ..Sent::default()
    };
    let (mut packet, mut believed) = (Vec::new(), true);
    let mut rest = script;
    while let [operation, length, after @ ..] = rest {
        let (content, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let (kind, content) = match operation {
            b'd' | b'x' => (ContentType::ApplicationData, content.to_vec()),
            b'b' => (
                ContentType::ApplicationData,
                content.iter().copied().cycle().take(RECORD).collect(),
            ),
            b'z' => (ContentType::ApplicationData, Vec::new()),
            b'h' => (ContentType::Handshake, content.to_vec()),
            b'a' => (ContentType::Alert, content.to_vec()),
            b'k' => (
                ContentType::from(content.first().copied().unwrap_or_default()),
                content.get(1..).unwrap_or_default().to_vec(),
            ),
            b'r' => {
                believed &= content.is_empty();
                sent.honest &= content.is_empty();
                packet.extend_from_slice(content);
                continue;
            }
            _ => {
                sent.packets.push(std::mem::take(&mut packet));
                continue;
            }
        };
        let mut record = forger.record(kind, &content);
        if *operation == b'x' {
            let from_end = content
                .first()
                .map_or(0, |byte| usize::from(*byte) % record.len());
            // The minor version is to be ignored (RFC 8446, section 5.1).
            let place = match record.len() - 1 - from_end {
                2 => 0,
                place => place,
            };
            record[place] ^= 1;
            believed = false;
        }
        let (meant, content) = unpadded(kind, &content);
        let is_data = meant == ContentType::ApplicationData;
        if believed && is_data {
            sent.data.extend_from_slice(content);
        }
        sent.honest &= is_data && believed && !content.is_empty();
        packet.extend(record);
    }
    sent.packets.push(packet);
    sent
}

/// What a record means: zeros at its end are padding, also where its kind should be (RFC 8446, section 5.4).
fn unpadded(kind: ContentType, content: &[u8]) -> (ContentType, &[u8]) {
    if u8::from(kind) != 0 {
        return (kind, content);
    }
    match content.iter().rposition(|byte| *byte != 0) {
        Some(end) => (ContentType::from(content[end]), &content[..end]),
        None => (kind, &[]),
    }
}

/// Sends records to a session whose handshake is over.
///
/// # Panics
/// Unless it gives what was truly sent, in order and nothing else, answers little, and stays broken once it is.
pub fn records(script: &[u8]) {
    let (mut session, mut forger) = agreed();
    let sent = forge(script, &mut forger);
    let (mut plaintext, mut replied, mut ended) = (Vec::new(), 0, false);
    for packet in sent.packets {
        match session.decrypt(packet) {
            Ok(received) => {
                assert!(!received.handshaking, "it shakes hands again");
                assert!(
                    !ended || received.plaintext.is_empty(),
                    "data behind the end of the session"
                );
                ended |= received.closed;
                plaintext.extend(received.plaintext);
                replied += received.reply.len();
            }
            Err(error) => {
                assert!(!sent.honest, "honest records are refused: {}", error.message);
                crate::assert_message(&error.message);
                assert!(session.decrypt(Vec::new()).is_err(), "it goes on after an error");
                break;
            }
        }
    }
    assert!(sent.data.starts_with(&plaintext), "that was not sent");
    assert!(
        !sent.honest || plaintext == sent.data,
        "{} of {} bytes",
        plaintext.len(),
        sent.data.len()
    );
    replied += session.close().len();
    assert!(replied <= LONGEST_REPLY, "{replied} bytes of replies");
    // Whatever has happened: a connector may call it all the same.
    let _ = session.encrypt(b"QUIT");
    let _ = session.close();
}
