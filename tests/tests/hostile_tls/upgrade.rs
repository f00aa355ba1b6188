//! AUTH TLS, and who stands in its way.

use std::io::Read as _;
use std::sync::{Arc, Mutex};

use flow_tests::pki;
use flow_tests::run::{Bench, with};
use flow_tests::script::Script;
use serde_json::json;

use super::{after_auth, assert_over, assert_unsigned, message, once, pull_from, pull_with, script};

#[test]
fn a_server_that_refuses_to_encrypt_never_learns_who_we_are() {
    for answer in [
        "500 what?",
        "502 not here",
        "504 not that",
        "530 first tell who you are",
        "534 not today",
    ] {
        let server = script().say("AUTH", answer).start();
        let bench = Bench::new();
        let run = pull_from(&bench, &server);
        assert_over(
            &run,
            &bench,
            &server,
            &["127.0.0.1", "`tls: implicit`", &answer[..3]],
        );
        assert_eq!(server.in_clear(), ["AUTH TLS"], "{answer}: {run}");
    }
}

#[test]
fn a_server_that_is_too_busy_to_encrypt_is_asked_again() {
    let server = script()
        .first(1, "AUTH", |session, _| {
            session.say("421 come back later")?;
            session.hang_up()
        })
        .start();
    let bench = Bench::new();
    pull_from(&bench, &server).assert_ok(1);
    assert_eq!(server.in_clear(), ["AUTH TLS", "AUTH TLS"]);

    let server = script().say("AUTH", "421 never come back").start();
    let bench = Bench::new();
    let run = pull_from(&bench, &server);
    let _ = run.assert_failed("busy");
    assert!(
        (2..=5).contains(&server.connections()),
        "{}",
        server.connections()
    );
    assert_unsigned(&run, &server);
}

/// The scripted server names no features at all; whoever is in between may have taken them out.
#[test]
fn encryption_is_asked_for_whatever_the_features_say() {
    for feature in ["AUTH SSL", "UTF8"] {
        let server = script().feature(feature).start();
        let bench = Bench::new();
        pull_from(&bench, &server).assert_ok(1);
        assert_eq!(server.in_clear(), ["AUTH TLS"]);
    }
}

/// Bytes in clear behind the 234 would be taken for the server's word after the handshake, which anybody could
/// have put there (CVE-2011-0411 and its kin).
#[test]
fn bytes_that_come_in_clear_after_the_234_end_it() {
    for (with_it, later) in [
        (&b"234 go on\r\n230 you are in\r\n"[..], &b""[..]),
        (b"234 go on\r\n2", b""),
        (b"234-go on\r\n234 go on\r\n\x16\x03\x01", b""),
        // In a piece of its own, which cannot be told from the handshake: then it is no TLS.
        (b"234 go on\r\n", b"230 you are in\r\n"),
    ] {
        let after = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&after);
        let (run, bench, server) = after_auth(move |session| {
            session.say_raw(with_it)?;
            session.say_raw(later)?;
            let mut rest = Vec::new();
            let read = session.socket().read_to_end(&mut rest).map(drop);
            *seen.lock().expect("no panic") = rest;
            read
        });
        assert_over(&run, &bench, &server, &["127.0.0.1"]);
        assert_eq!(server.in_clear(), ["AUTH TLS"], "{run}");
        if later.is_empty() {
            assert_eq!(*after.lock().expect("no panic"), b"", "something was sent: {run}");
        }
    }
}

#[test]
fn a_server_that_wants_encryption_and_is_asked_without_is_told_with_the_setting() {
    for (command, answer) in [
        ("USER", "530 use TLS"),
        ("USER", "550 SSL/TLS required on the control channel"),
        ("USER", "534 policy requires SSL"),
        ("USER", "521 no logins without TLS"),
        (
            "USER",
            "421-Sorry, cleartext sessions are not accepted on this server.\r\n421 Please reconnect using TLS.",
        ),
        ("PASS", "530 Non-anonymous sessions must use encryption."),
    ] {
        let server = Script::new().file("a.txt", "hello").say(command, answer).start();
        let bench = Bench::new();
        let run = pull_from(&bench, &server);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(message(&run).contains("`tls: explicit`"), "{answer}: {run}");
        assert_eq!(server.count("USER"), 1, "it was tried again: {run}");
    }
}

#[test]
fn a_port_in_clear_is_not_taken_for_an_implicit_one() {
    let server = Script::new().file("a.txt", "hello").start();
    let bench = Bench::new();
    let trust = json!({ "roots": pki::authority().pem() });
    let settings = with(with(once(&server), "tls", "implicit"), "tls_trust", trust);
    let run = pull_with(&bench, settings);
    let _ = run.assert_failed("tls");
    assert!(message(&run).contains("`tls: explicit`"), "{run}");
    assert_unsigned(&run, &server);
}
