//! Records that no honest server sends, encrypted with a server's true keys.

use super::certificates::Issued;
use super::{TLS13, agreed, context, server_config, trusting};
use crate::contract::tls::Reason;
use crate::tls::Session;
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};
use std::sync::Arc;

/// The kind and the content of a record.
type Plain<'a> = (ContentType, &'a [u8]);

const TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// A server's keys for what it sends.
struct Forger {
    key: Box<dyn MessageEncrypter>,
    sequence: u64,
}

impl Forger {
    /// A session, and the keys of its server.
    fn new() -> (Session, Self) {
        let authority = Issued::authority("Example CA");
        let mut config = server_config(&authority.server(), &[&TLS13]);
        config.enable_secret_extraction = true;
        config.send_tls13_tickets = 0;
        let (session, mut server) = agreed(&context(&trusting(&authority)), &Arc::new(config));
        assert_eq!(server.give(), b"");
        let suite = server
            .0
            .negotiated_cipher_suite()
            .expect("agreed")
            .tls13()
            .expect("1.3");
        let secrets = server.0.dangerous_extract_secrets().expect("allowed");
        let (sequence, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else {
            panic!("another cipher");
        };
        let key = suite.aead_alg.encrypter(key, iv);
        (session, Self { key, sequence })
    }

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

    /// One record after the other, of these kinds.
    fn records(&mut self, records: &[Plain]) -> Vec<u8> {
        records
            .iter()
            .flat_map(|(kind, content)| self.record(*kind, content))
            .collect()
    }
}

/// A ticket, as a message of the handshake.
fn ticket() -> Vec<u8> {
    let mut body = vec![0, 0, 14, 16, 1, 2, 3, 4, 1, 0, 0, 100];
    body.extend([9; 100]);
    body.extend([0, 0]);
    let length = u8::try_from(body.len()).expect("short");
    [vec![TICKET, 0, 0, length], body].concat()
}

#[test]
fn messages_may_be_in_parts_and_together() {
    use ContentType::{ApplicationData, Handshake};
    let (mut session, mut forger) = Forger::new();
    let ticket = ticket();
    let (first, second) = ticket.split_at(50);
    let both = [second, &ticket].concat();
    let records = forger.records(&[
        (Handshake, &ticket[..1]),
        (Handshake, &first[1..]),
        (Handshake, &both),
        (ApplicationData, b""),
        (ApplicationData, b"data"),
        (ContentType::Alert, &[1, 90]),
        (ApplicationData, b" and more"),
        (ContentType::Alert, &[1, 0]),
    ]);
    let received = session.decrypt(records).expect("sound");
    assert_eq!(received.plaintext, b"data and more");
    assert!(received.closed && received.reply.is_empty());
}

#[test]
fn what_no_server_may_send_ends_the_session() {
    use ContentType::{Alert, ApplicationData, Handshake};
    let ticket = ticket();
    let update_and_more = [&[KEY_UPDATE, 0, 0, 1, 0][..], &ticket].concat();
    let cases: [(&str, &[Plain]); 11] = [
        (
            "data in the middle of a message",
            &[(Handshake, &ticket[..50]), (ApplicationData, b"x")],
        ),
        (
            "an end in the middle of a message",
            &[(Handshake, &ticket[..50]), (Alert, &[1, 0])],
        ),
        ("an empty message", &[(Handshake, b"")]),
        ("a hello", &[(Handshake, &[0, 0, 0, 0])]),
        (
            "a request for a certificate",
            &[(Handshake, &[13, 0, 0, 3, 0, 0, 0])],
        ),
        ("a huge message", &[(Handshake, &[TICKET, 1, 0, 1])]),
        ("a malformed ticket", &[(Handshake, &[TICKET, 0, 0, 1, 0])]),
        (
            "a key in the middle of a record",
            &[(Handshake, &update_and_more)],
        ),
        (
            "a malformed key update",
            &[(Handshake, &[KEY_UPDATE, 0, 0, 1, 2])],
        ),
        ("a long alert", &[(Alert, &[1, 0, 1])]),
        ("a kind that is none", &[(ContentType::Heartbeat, &[1])]),
    ];
    for (what, records) in cases {
        let (mut session, mut forger) = Forger::new();
        let error = session.decrypt(forger.records(records)).expect_err(what);
        assert_eq!(error.reason, Reason::Protocol, "{what}");
        assert!(!session.close().is_empty(), "{what}: no alert");
    }
}

/// Whoever is in between can add to what the server has said, and must not be able to take it back by that.
#[test]
fn what_came_before_a_fault_is_given_first() {
    let (mut session, mut forger) = Forger::new();
    let mut records = forger.record(ContentType::ApplicationData, b"226 done");
    records.extend([0; 5]);
    let received = session.decrypt(records).expect("the good part");
    assert_eq!(
        (received.plaintext.as_slice(), received.closed),
        (&b"226 done"[..], false)
    );
    let error = session.decrypt(Vec::new()).expect_err("the bad part");
    assert_eq!(error.reason, Reason::NotTls, "{}", error.message);
    assert!(session.decrypt(Vec::new()).is_err());
}

#[test]
fn a_row_of_tickets_is_read_over() {
    let (mut session, mut forger) = Forger::new();
    let tickets = ticket().repeat(100);
    let records = forger.records(&[
        (ContentType::Handshake, &tickets),
        (ContentType::ApplicationData, b"data"),
    ]);
    assert_eq!(session.decrypt(records).expect("sound").plaintext, b"data");
}

#[test]
fn a_fatal_alert_is_not_answered() {
    let (mut session, mut forger) = Forger::new();
    let record = forger.record(ContentType::Alert, &[2, 116]);
    let error = session.decrypt(record).expect_err("an alert");
    assert_eq!(error.reason, Reason::ClientCertificate);
    assert_eq!(session.close(), b"");
}

#[test]
fn records_are_not_taken_twice_or_in_another_order() {
    let (mut session, mut forger) = Forger::new();
    let first = forger.record(ContentType::ApplicationData, b"1");
    let second = forger.record(ContentType::ApplicationData, b"2");
    let third = forger.record(ContentType::ApplicationData, b"3");
    let taken = session.decrypt([first.clone(), second].concat()).expect("sound");
    assert_eq!(taken.plaintext, b"12");
    assert_eq!(
        session
            .decrypt([third, first].concat())
            .expect("the third")
            .plaintext,
        b"3"
    );
    assert!(session.decrypt(Vec::new()).is_err());
}

#[test]
fn clear_text_records_are_not_taken_after_the_handshake() {
    for record in [
        vec![20, 3, 3, 0, 1, 1],
        vec![21, 3, 3, 0, 2, 1, 0],
        vec![22, 3, 3, 0, 1, 0],
    ] {
        let (mut session, _forger) = Forger::new();
        let error = session.decrypt(record).expect_err("not encrypted");
        assert_eq!(error.reason, Reason::Protocol, "{}", error.message);
    }
}

#[test]
fn an_endless_row_of_records_without_data_is_given_up() {
    let (mut session, mut forger) = Forger::new();
    let empty: Vec<u8> = (0..100)
        .flat_map(|_| forger.record(ContentType::ApplicationData, b""))
        .collect();
    let error = session.decrypt(empty).expect_err("nothing but nothing");
    assert_eq!(error.reason, Reason::Protocol);
}
