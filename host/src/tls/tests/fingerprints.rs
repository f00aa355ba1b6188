//! Looking at servers over sockets.

use super::certificates::{Issued, params};
use super::{NAME, Server, TLS13, server_config};
use crate::contract::tls::Reason;
use crate::tls::certificate::sha256;
use crate::tls::fingerprint::{LookError, Mode, Place, Seen, look};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Looks at a server that says these replies in clear text, each after a line of the client except the first, and
/// speaks TLS after them.
async fn look_at(mode: Mode, replies: &'static [&'static str], issued: Issued) -> Result<Seen, LookError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client");
        serve(socket, replies, &issued).await
    });
    let place = Place {
        host: "127.0.0.1".to_owned(),
        port,
        mode,
    };
    let seen = look(&place).await;
    server.abort();
    seen
}

async fn serve(mut socket: TcpStream, replies: &[&str], issued: &Issued) -> Option<()> {
    let mut buffer = [0; 4096];
    for (index, reply) in replies.iter().enumerate() {
        if index > 0 {
            let length = socket.read(&mut buffer).await.ok()?;
            assert_eq!(&buffer[..length], b"AUTH TLS\r\n");
        }
        socket.write_all(reply.as_bytes()).await.ok()?;
    }
    let mut server = Server::new(&Arc::new(server_config(issued, &[&TLS13])));
    loop {
        let length = socket.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        server.take(&buffer[..length]).ok()?;
        socket.write_all(&server.give()).await.ok()?;
    }
}

#[tokio::test]
async fn a_server_is_looked_at_with_both_ways_to_begin() {
    for (mode, replies) in [
        (Mode::Implicit, &[][..]),
        (
            Mode::Explicit,
            &["220-Welcome\r\n to us\r\n220 Ready\r\n", "234 Go ahead\r\n"],
        ),
    ] {
        let issued = Issued::self_signed(params(NAME, &[NAME]));
        let hash = sha256(&issued.der());
        let seen = look_at(mode, replies, issued).await.expect("seen");
        assert_eq!(seen.info.version, "TLSv1.3");
        assert_eq!(seen.info.certificate.expect("shown").sha256, hash);
        let refusal = seen.refusal.expect("nobody knows it");
        // Where the system has no roots at all, nothing can be said about the certificate.
        assert!(
            matches!(refusal.reason, Reason::SelfSigned | Reason::Invalid),
            "{}",
            refusal.message
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_with_what_would_be_right() {
    let issued = || Issued::self_signed(params(NAME, &[NAME]));
    for (mode, replies, words) in [
        (
            Mode::Explicit,
            &["220 Ready\r\n", "500 What?\r\n"][..],
            "\"500 What?\" to AUTH TLS: 234 would",
        ),
        (
            Mode::Explicit,
            &["421 Too many\r\n"],
            "\"421 Too many\" for a greeting",
        ),
        (
            Mode::Explicit,
            &["220 Ready\r\n", "234 Go\r\n230 injected\r\n"],
            "does not speak TLS",
        ),
        (
            Mode::Implicit,
            &["220 Ready\r\n"],
            "clear text, \"220 Ready\". Try `--tls explicit`.",
        ),
    ] {
        let error = look_at(mode, replies, issued())
            .await
            .expect_err(words)
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let place = Place {
        host: "127.0.0.1".to_owned(),
        port,
        mode: Mode::Explicit,
    };
    let error = look(&place).await.expect_err("nobody").to_string();
    assert!(error.contains("cannot be reached"), "{error}");
}
