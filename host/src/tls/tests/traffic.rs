//! Handshakes, data and ends, with both versions.

use super::certificates::Issued;
use super::{NAME, Server, TLS12, TLS13, agreed, context, server_config, shake, trusting};
use crate::contract::tls::Reason;
use crate::tls::{Context, Session};
use rustls::SupportedProtocolVersion;
use rustls::server::ServerConfig;
use std::sync::Arc;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A context, and a server that it trusts.
fn pair(version: &'static SupportedProtocolVersion) -> (Context, Arc<ServerConfig>) {
    let authority = Issued::authority("Example CA");
    let config = server_config(&authority.server(), &[version]);
    (context(&trusting(&authority)), Arc::new(config))
}

fn data(length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| u8::try_from(index % 251).expect("small"))
        .collect()
}

#[test]
fn a_handshake_tells_what_was_agreed_on() {
    for (version, name, cipher) in [
        (&TLS12, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (&TLS13, "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ] {
        let (context, config) = pair(version);
        let mut session = context.open(NAME).expect("a name");
        assert!(session.info().is_none());
        let mut server = Server::new(&config);
        shake(&mut session, &mut server).expect("agreed");
        let info = session.info().expect("agreed");
        assert_eq!((info.version.as_str(), info.cipher.as_str()), (name, cipher));
        assert!(!info.resumed);
        let certificate = info.certificate.expect("the server's");
        assert_eq!(certificate.names, [NAME, "127.0.0.1"]);
    }
}

#[test]
fn data_goes_both_ways_in_full_records() {
    const LENGTH: usize = 1024 * 1024;
    for version in VERSIONS {
        let (context, config) = pair(version);
        let (mut session, mut server) = agreed(&context, &config);
        let data = data(LENGTH);
        let records = session.encrypt(&data).expect("records");
        assert_eq!(
            u16::from_be_bytes([records[3], records[4]]) >> 14,
            1,
            "a full record"
        );
        assert!(server.take(&records).expect("readable") == data);
        let mut arrived = Vec::new();
        // As a socket gives them: in pieces that begin and end in the middle of records.
        for piece in server.say(&data).chunks(64 * 1024) {
            let received = session.decrypt(piece.to_vec()).expect("readable");
            assert!(!received.closed && !received.handshaking && received.reply.is_empty());
            arrived.extend(received.plaintext);
        }
        assert!(arrived == data);
    }
}

#[test]
fn bytes_may_arrive_one_by_one() {
    for version in VERSIONS {
        let (context, config) = pair(version);
        let mut session = context.open(NAME).expect("a name");
        let mut server = Server::new(&config);
        server
            .take(&session.encrypt(&[]).expect("a hello"))
            .expect("readable");
        let mut handshaking = true;
        while handshaking {
            let records = server.give();
            assert!(!records.is_empty());
            for byte in records {
                let received = session.decrypt(vec![byte]).expect("readable");
                handshaking = received.handshaking;
                for byte in received.reply {
                    server.take(&[byte]).expect("readable");
                }
            }
        }
        let mut arrived = Vec::new();
        for byte in server.say(b"220 Welcome") {
            arrived.extend(session.decrypt(vec![byte]).expect("readable").plaintext);
        }
        assert_eq!(arrived, b"220 Welcome");
    }
}

#[test]
fn an_end_is_seen_in_both_directions_and_what_follows_is_not_believed() {
    for version in VERSIONS {
        let (context, config) = pair(version);
        let (mut session, mut server) = agreed(&context, &config);
        let mut records = server.say(b"last words");
        records.extend(server.close());
        records.extend(b"226 injected\r\n");
        let received = session.decrypt(records).expect("readable");
        assert_eq!(received.plaintext, b"last words");
        assert!(received.closed);
        let received = session.decrypt(b"226 injected\r\n".to_vec()).expect("ignored");
        assert!(received.closed && received.plaintext.is_empty());

        // The other direction is still open.
        let records = session.encrypt(b"bye").expect("records");
        assert_eq!(server.take(&records).expect("readable"), b"bye");
        let records = session.close();
        assert!(!records.is_empty());
        server.take(&records).expect("readable");
        let state = server.0.process_new_packets().expect("sound");
        assert!(state.peer_has_closed());
        assert_eq!(session.close(), b"");
        let error = session.encrypt(b"more").expect_err("closed");
        assert_eq!(error.reason, Reason::Protocol);
        assert!(
            error.message.contains("was closed from here"),
            "{}",
            error.message
        );
    }
}

#[test]
fn the_peer_is_still_heard_after_our_end() {
    for version in VERSIONS {
        let (context, config) = pair(version);
        let (mut session, mut server) = agreed(&context, &config);
        server.take(&session.close()).expect("readable");
        let mut records = server.say(b"still here");
        records.extend(server.close());
        let received = session.decrypt(records).expect("readable");
        assert_eq!(received.plaintext, b"still here");
        assert!(received.closed && received.reply.is_empty());
    }
}

#[test]
fn a_stream_that_is_cut_does_not_look_closed() {
    for version in VERSIONS {
        let (context, config) = pair(version);
        let (mut session, mut server) = agreed(&context, &config);
        let records = server.say(&data(40_000));
        let received = session.decrypt(records[..30_000].to_vec()).expect("readable");
        assert!(!received.closed);
        assert_eq!(received.plaintext, data(16 * 1024));
    }
}

#[test]
fn data_waits_for_the_handshake() {
    let (context, _) = pair(&TLS13);
    let mut session = context.open(NAME).expect("a name");
    let error = session.encrypt(b"USER me").expect_err("too early");
    assert_eq!(error.reason, Reason::Protocol);
    // No harm was done, and the hello is not lost.
    assert!(!session.encrypt(&[]).expect("a hello").is_empty());
    assert_eq!(session.encrypt(&[]).expect("nothing more"), b"");
}

#[test]
fn changed_records_end_the_session_with_an_alert() {
    for version in VERSIONS {
        let (context, config) = pair(version);
        let (mut session, mut server) = agreed(&context, &config);
        let mut records = server.say(b"150 Here it comes");
        let last = records.len() - 1;
        records[last] ^= 1;
        let error = session.decrypt(records).expect_err("changed");
        assert_eq!(error.reason, Reason::Protocol);
        assert!(error.message.contains("cannot be decrypted"), "{}", error.message);
        let alert = session.close();
        assert!(!alert.is_empty());
        let seen = server.take(&alert).expect_err("an alert");
        assert_eq!(
            seen,
            rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac)
        );
        assert_eq!(session.close(), b"");
        // Nothing else works any more.
        assert_eq!(
            session.decrypt(Vec::new()).expect_err("over").reason,
            Reason::Protocol
        );
        assert_eq!(session.encrypt(&[]).expect_err("over").reason, Reason::Protocol);
    }
}

#[test]
fn keys_change_while_data_flows() {
    let (context, config) = pair(&TLS13);
    let (mut session, mut server) = agreed(&context, &config);
    for _ in 0..3 {
        server.0.refresh_traffic_keys().expect("established");
        let mut records = server.give();
        records.extend(server.say(b"with new keys"));
        let received = session.decrypt(records).expect("readable");
        assert_eq!(received.plaintext, b"with new keys");
        // The server has asked for ours in return.
        assert!(!received.reply.is_empty());
        server.take(&received.reply).expect("readable");
        let records = session.encrypt(b"ours too").expect("records");
        assert_eq!(server.take(&records).expect("readable"), b"ours too");
    }
}

#[test]
fn a_server_cannot_keep_us_busy_with_keys() {
    let (context, config) = pair(&TLS13);
    let (mut session, mut server) = agreed(&context, &config);
    let mut records = Vec::new();
    for _ in 0..1_000 {
        server.0.refresh_traffic_keys().expect("established");
        records.extend(server.give());
    }
    let error = session.decrypt(records).expect_err("too many");
    assert_eq!(error.reason, Reason::Protocol);
}

#[test]
fn clear_text_in_an_established_session_is_no_tls() {
    let (context, config) = pair(&TLS13);
    let (mut session, _server) = agreed(&context, &config);
    let error = session
        .decrypt(b"421 Timeout.\r\n".to_vec())
        .expect_err("no record");
    assert_eq!(error.reason, Reason::NotTls);
    assert!(error.message.contains("421 Timeout."), "{}", error.message);
}

#[test]
fn an_oversized_record_is_not_waited_for() {
    let (context, config) = pair(&TLS13);
    let (mut session, _server) = agreed(&context, &config);
    let error = session.decrypt(vec![23, 3, 3, 0xff, 0xff]).expect_err("too long");
    assert_eq!(error.reason, Reason::Protocol);
}

fn _sessions_can_move_between_threads(session: Session) -> impl Send {
    session
}
