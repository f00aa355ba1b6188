//! Handshakes, and records, of the control connection.

use std::io::{Read as _, Write as _};

use flow_tests::pki;
use flow_tests::run::{Bench, with};
use flow_tests::script::Script;
use flow_tests::steps::assert_nothing_arrived;
use serde_json::json;

use super::{
    after_auth, assert_over, assert_unsigned, fails_once, message, once, pull_from, pull_with, script,
};

/// The alert `protocol_version`, and a `ServerHello` of TLS 1.0.
#[test]
fn a_server_that_has_nothing_newer_than_tls_1_0_is_told() {
    const ALERT: &[u8] = &[0x15, 3, 1, 0, 2, 2, 70];
    let mut hello = vec![0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    // No session, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, no compression.
    hello.extend([0, 0xc0, 0x13, 0]);
    for answer in [ALERT.to_vec(), hello] {
        let (run, bench, server) = after_auth(move |session| {
            session.say("234 go on")?;
            session.socket().read_exact(&mut [0; 50])?;
            session.say_raw(&answer)?;
            session.stay_silent()
        });
        assert_over(&run, &bench, &server, &["127.0.0.1", "version"]);
    }
}

#[test]
fn a_server_that_talks_on_in_clear_is_not_tls() {
    let (run, bench, server) = after_auth(|session| {
        session.say("234 go on")?;
        session.socket().read_exact(&mut [0; 50])?;
        session.say("220 and welcome")?;
        session.stay_silent()
    });
    assert_over(
        &run,
        &bench,
        &server,
        &["127.0.0.1", "does not speak TLS", "220 and welcome"],
    );
}

#[test]
fn a_handshake_without_an_end_is_ended() {
    // A certificate of 16 MiB, as it is announced; and nothing but records that mean nothing.
    let mut certificate = vec![0x16, 3, 3, 0x40, 0, 11, 0xff, 0xff, 0xff];
    certificate.resize(0x4000 + 5, 0);
    let change = [0x14, 3, 3, 0, 1, 1].repeat(1_000);
    let warnings = [0x15, 3, 3, 0, 2, 1, 90].repeat(1_000);
    let empty = [0x16, 3, 3, 0, 0].repeat(1_000);
    for endless in [certificate, change, warnings, empty] {
        let (run, bench, server) = after_auth(move |session| {
            session.say("234 go on")?;
            loop {
                session.say_raw(&endless)?;
            }
        });
        assert_over(&run, &bench, &server, &["127.0.0.1"]);
    }
}

#[test]
fn a_handshake_that_never_gets_on_is_timed_out() {
    let (run, bench, server) = after_auth(|session| {
        session.say("234 go on")?;
        session.stay_silent()
    });
    let _ = run.assert_failed("timeout");
    assert!(server.connections() <= 5, "{}", server.connections());
    assert_unsigned(&run, &server);
    assert_nothing_arrived(&bench, &server);
}

#[test]
fn a_record_that_is_too_long_is_refused() {
    let (run, bench, server) = after_auth(|session| {
        session.say("234 go on")?;
        session.say_raw(&[0x16, 3, 3, 0xff, 0xff])?;
        session.say_raw(&vec![0; 0xffff])?;
        session.stay_silent()
    });
    assert_over(&run, &bench, &server, &["127.0.0.1"]);
}

/// Before the first byte of the handshake, and within it.
#[test]
fn a_connection_that_is_cut_in_the_handshake_is_tried_again_a_few_times() {
    for part in [&b""[..], &[0x16, 3, 3, 0, 100, 2, 0, 0, 96, 3, 3]] {
        let (run, bench, server) = after_auth(move |session| {
            session.say("234 go on")?;
            session.socket().read_exact(&mut [0; 50])?;
            session.say_raw(part)?;
            session.hang_up()
        });
        assert_eq!(run.code, Some(1), "{run}");
        assert!(
            ["unreachable", "tls"].contains(&run.failures()[0]["kind"].as_str().unwrap_or_default()),
            "{run}"
        );
        assert!(message(&run).contains("127.0.0.1"), "{run}");
        assert!(server.connections() <= 5, "{}", server.connections());
        assert_unsigned(&run, &server);
        assert_nothing_arrived(&bench, &server);
    }
    let server = script()
        .first(1, "AUTH", |session, _| {
            session.say("234 go on")?;
            session.hang_up()
        })
        .start();
    pull_from(&Bench::new(), &server).assert_ok(1);
}

/// A server that has no implicit FTPS closes a connection that does not make sense to it.
#[test]
fn an_implicit_connection_that_is_closed_at_once_is_told() {
    let server = Script::new()
        .on("CONNECT", |session, _| session.hang_up())
        .start();
    let bench = Bench::new();
    let trust = json!({ "roots": pki::authority().pem() });
    let settings = with(with(once(&server), "tls", "implicit"), "tls_trust", trust);
    let run = pull_with(&bench, settings);
    assert_eq!(run.code, Some(1), "{run}");
    assert_unsigned(&run, &server);
}

// The control connection, once it is encrypted.

#[test]
fn a_line_in_clear_within_tls_ends_the_session() {
    let server = script()
        .on("SIZE", |session, _| {
            let mut socket = session.socket();
            socket.write_all(b"213 5\r\n")?;
            session.stay_silent()
        })
        .start();
    let _ = fails_once(&server);
}

#[test]
fn a_record_that_was_changed_on_the_way_ends_the_session() {
    let server = script()
        .on("SIZE", |session, _| {
            let mut socket = session.socket();
            socket.write_all(&[0x17, 3, 3, 0, 40])?;
            socket.write_all(&[9; 40])?;
            session.stay_silent()
        })
        .start();
    let _ = fails_once(&server);
}
