//! Data connections resume the session of their control connection.

use super::certificates::Issued;
use super::{NAME, Server, TLS12, TLS13, agreed, context, server_config, shake, trusting};
use rustls::crypto::ring::Ticketer;
use rustls::server::ServerConfig;
use rustls::{HandshakeKind, SupportedProtocolVersion};
use std::sync::Arc;

/// Two servers with the same keys for tickets: one that gives tickets, and one that gives none.
fn servers(
    issued: &Issued,
    version: &'static SupportedProtocolVersion,
) -> (Arc<ServerConfig>, Arc<ServerConfig>) {
    let mut giving = server_config(issued, &[version]);
    giving.ticketer = Ticketer::new().expect("random numbers");
    giving.send_tls13_tickets = 1;
    let mut miserly = giving.clone();
    miserly.send_tls13_tickets = 0;
    (Arc::new(giving), Arc::new(miserly))
}

#[test]
fn ten_data_connections_resume_though_no_new_ticket_comes() {
    for version in [&TLS12, &TLS13] {
        let authority = Issued::authority("Example CA");
        let (control, data) = servers(&authority.server(), version);
        let context = context(&trusting(&authority));
        let (mut session, mut server) = agreed(&context, &control);
        session
            .decrypt(server.say(b"220 Welcome"))
            .expect("with the ticket");
        assert!(!session.info().expect("agreed").resumed);
        for number in 0..10 {
            let (mut session, mut server) = agreed(&context, &data);
            let info = session.info().expect("agreed");
            assert!(info.resumed, "number {number}");
            assert_eq!(server.0.handshake_kind(), Some(HandshakeKind::Resumed));
            let certificate = info.certificate.expect("that of the first");
            assert_eq!(certificate.names, [NAME, "127.0.0.1"]);
            let records = session.encrypt(b"body").expect("records");
            assert_eq!(server.take(&records).expect("readable"), b"body");
        }
    }
}

#[test]
fn the_newest_ticket_is_used_also_when_it_comes_at_the_end() {
    let authority = Issued::authority("Example CA");
    // Keeps its sessions itself, and each for one resumption only.
    let mut config = server_config(&authority.server(), &[&TLS13]);
    config.send_tls13_tickets = 1;
    let config = Arc::new(config);
    let context = context(&trusting(&authority));
    let mut resumed = Vec::new();
    for _ in 0..5 {
        let (mut session, mut server) = agreed(&context, &config);
        resumed.push(session.info().expect("agreed").resumed);
        // An upload: the client reads nothing before it has closed.
        let records = session.encrypt(b"body").expect("records");
        assert_eq!(server.take(&records).expect("readable"), b"body");
        server.take(&session.close()).expect("readable");
        let mut records = server.give();
        records.extend(server.close());
        let received = session.decrypt(records).expect("readable");
        assert!(received.closed && received.plaintext.is_empty());
    }
    assert_eq!(resumed, [false, true, true, true, true]);
}

#[test]
fn other_contexts_and_other_names_do_not_resume() {
    let authority = Issued::authority("Example CA");
    let (control, _) = servers(&authority.server(), &TLS13);
    let first = context(&trusting(&authority));
    let (mut session, mut server) = agreed(&first, &control);
    session
        .decrypt(server.say(b"220 Welcome"))
        .expect("with the ticket");

    let other = context(&trusting(&authority));
    assert!(!agreed(&other, &control).0.info().expect("agreed").resumed);
    let mut session = first.open("127.0.0.1").expect("a name");
    shake(&mut session, &mut Server::new(&control)).expect("agreed");
    assert!(!session.info().expect("agreed").resumed);
    assert!(agreed(&first, &control).0.info().expect("agreed").resumed);
}

#[test]
fn nothing_of_a_context_is_left_when_it_is_gone() {
    let authority = Issued::authority("Example CA");
    let (control, _) = servers(&authority.server(), &TLS13);
    let context = context(&trusting(&authority));
    let tickets = context.tickets();
    let (mut session, mut server) = agreed(&context, &control);
    session
        .decrypt(server.say(b"220 Welcome"))
        .expect("with the ticket");
    drop((session, context));
    assert!(tickets.upgrade().is_none());
}
