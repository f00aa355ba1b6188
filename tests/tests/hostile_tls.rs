//! Servers, and whoever sits between, that do wrong with TLS itself: refuse it, break it, cut it, or put something in.
//! Nothing secret is ever sent outside it, nothing is taken for whole that need not be, and nobody is asked in a storm.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow_tests::pki::{self, Version};
use flow_tests::run::{Bench, Run, SHOP, flow, get, put, read, warm, with, write};
use flow_tests::script::{Script, ScriptServer, Session};
use flow_tests::steps::assert_nothing_arrived;
use serde_json::{Value, json};

/// What no run here may take, in memory: the program itself has most of it.
const MOST_KIB: u64 = 200_000;

fn script() -> Script {
    Script::new().file("a.txt", "hello").tls(pki::good().server(None))
}

/// With the usual number of tries, so that a storm of them would be seen.
fn pull_from(bench: &Bench, server: &ScriptServer) -> Run {
    pull_with(bench, with(server.settings(), "timeout", 2))
}

fn pull_with(bench: &Bench, settings: Value) -> Run {
    let steps = vec![get(SHOP, json!({ "path": "a.txt" })), write("in")];
    bench.run(&flow(&[(SHOP, settings)], steps))
}

fn once(server: &ScriptServer) -> Value {
    with(with(server.settings(), "timeout", 2), "max_tries", 1)
}

fn message(run: &Run) -> &str {
    let failures = run.failures();
    let [failure] = failures.as_slice() else {
        panic!("not one failure but {}: {run}", failures.len())
    };
    failure["message"].as_str().unwrap_or_default()
}

/// It failed for good, in TLS, said this, and asked once; no user name or password was sent.
fn assert_over(run: &Run, bench: &Bench, server: &ScriptServer, parts: &[&str]) {
    let _ = run.assert_failed("tls");
    for part in parts {
        assert!(message(run).contains(part), "{part:?} is not in: {run}");
    }
    assert_eq!(server.connections(), 1, "{run}");
    assert_unsigned(run, server);
    assert_nothing_arrived(bench, server);
}

fn assert_unsigned(run: &Run, server: &ScriptServer) {
    let commands = server.commands();
    assert!(
        commands
            .iter()
            .all(|line| !line.starts_with("USER") && !line.starts_with("PASS")),
        "{commands:?}: {run}"
    );
}

/// Runs against a server whose answer to `AUTH TLS` is this reaction.
fn after_auth(
    reaction: impl Fn(&mut Session) -> io::Result<()> + Send + Sync + 'static,
) -> (Run, Bench, ScriptServer) {
    warm();
    let server = script().on("AUTH", move |session, _| reaction(session)).start();
    let bench = Bench::new();
    let run = pull_from(&bench, &server);
    assert!(
        run.took < Duration::from_secs(30) && run.peak_kib < MOST_KIB,
        "{:?}, {} KiB: {run}",
        run.took,
        run.peak_kib
    );
    (run, bench, server)
}

// Whether there is TLS at all.

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

// The handshake.

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
    let bench = Bench::new();
    let run = pull_with(&bench, once(&server));
    assert_eq!(run.code, Some(1), "{run}");
    assert_nothing_arrived(&bench, &server);
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
    let bench = Bench::new();
    let run = pull_with(&bench, once(&server));
    assert_eq!(run.code, Some(1), "{run}");
    assert_nothing_arrived(&bench, &server);
}

// Data connections.

#[test]
fn a_server_that_will_not_protect_data_is_told_with_the_setting() {
    for answer in ["536 not supported", "534 policy", "504 not that", "431 no key"] {
        let server = script().say("PROT", answer).start();
        let bench = Bench::new();
        let run = pull_from(&bench, &server);
        let failure = run.assert_failed("tls");
        assert_eq!(failure["step"], "get", "{run}");
        assert!(
            message(&run).contains("`data_protection: clear`"),
            "{answer}: {run}"
        );
        assert_eq!(
            (server.count("RETR"), server.count("EPSV"), server.connections()),
            (0, 0, 1),
            "{run}"
        );
        assert_nothing_arrived(&bench, &server);
    }
}

/// Implicit FTPS is from before the commands; data is encrypted there from the start.
#[test]
fn an_implicit_server_that_does_not_know_prot_protects_data_all_the_same() {
    let server = Script::new()
        .file("a.txt", "hello")
        .implicit(pki::good().server(None))
        .say("PBSZ", "502 not here")
        .on("PROT", |session, _| {
            session.protect(true);
            session.say("502 not here")
        })
        .start();
    let bench = Bench::new();
    pull_from(&bench, &server).assert_ok(1);
    assert_eq!(server.in_clear(), [""; 0]);
}

#[test]
fn data_that_comes_in_clear_although_it_was_to_be_protected_is_refused() {
    for command in ["RETR", "MLSD"] {
        let server = script()
            .file("outbound/a.txt", "hello")
            .feature("MLST type*;size*;")
            .feature("MLSD")
            .on(command, |session, _| {
                session.say("150 here it comes")?;
                let mut data = session.accept_in_clear()?;
                data.write_all(b"type=file;size=5; a.txt\r\n")?;
                data.shutdown(Shutdown::Write)?;
                let _ = io::copy(&mut data, &mut io::sink());
                session.say("226 done")
            })
            .start();
        let bench = Bench::new();
        let options = if command == "RETR" {
            json!({ "path": "a.txt" })
        } else {
            json!({ "root": "outbound", "path": ".*" })
        };
        let steps = vec![get(SHOP, options), write("in")];
        let run = bench.run(&flow(&[(SHOP, with(server.settings(), "timeout", 2))], steps));
        let _ = run.assert_failed("tls");
        assert!(message(&run).contains("does not speak TLS"), "{run}");
        assert_eq!(server.count(command), 1, "{run}");
        assert_nothing_arrived(&bench, &server);
    }
}

/// Sends a part of a file and closes without word of the end, and says that all is well.
fn cut_after(session: &mut Session, content: &[u8]) -> io::Result<()> {
    session.say("150 here it comes")?;
    let mut data = session.accept()?;
    data.write_all(content)?;
    let mut socket = data.into_socket();
    socket.shutdown(Shutdown::Write)?;
    let _ = io::copy(&mut socket, &mut io::sink());
    session.say("226 done")
}

#[test]
fn a_file_that_is_cut_without_word_of_its_end_is_not_delivered() {
    let server = script()
        .on("RETR", |session, _| cut_after(session, b"he"))
        .start();
    let bench = Bench::new();
    let run = pull_with(&bench, once(&server));
    let failure = run.assert_failed("data");
    assert_ne!(failure["message"], "", "{run}");
    assert_nothing_arrived(&bench, &server);

    // With tries, it goes on where it stopped; what has come through TLS is the server's.
    let server = script()
        .feature("REST STREAM")
        .feature("MDTM")
        .first(1, "RETR", |session, _| cut_after(session, b"he"))
        .start();
    let bench = Bench::new();
    pull_from(&bench, &server).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
    assert_eq!(server.count("REST"), 1, "{:?}", server.commands());
}

/// Servers that close without word of the end are common; the length proves that the file is whole.
#[test]
fn a_file_that_ends_without_word_and_has_its_length_is_delivered() {
    let server = script()
        .on("RETR", |session, _| cut_after(session, b"hello"))
        .start();
    let bench = Bench::new();
    pull_with(&bench, once(&server)).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
}

#[test]
fn a_file_that_ends_without_word_and_has_no_length_is_not_delivered() {
    let server = script()
        .say("SIZE", "502 not here")
        .say("LIST", "502 not here")
        .say("NLST", "502 not here")
        .on("RETR", |session, _| cut_after(session, b"hello"))
        .start();
    let bench = Bench::new();
    let run = pull_with(&bench, once(&server));
    let _ = run.assert_failed("data");
    assert_nothing_arrived(&bench, &server);
}

#[test]
fn what_follows_the_end_of_tls_is_not_part_of_the_file() {
    let more = |session: &mut Session, content: &[u8]| {
        session.say("150 here it comes")?;
        let mut data = session.accept()?;
        data.write_all(content)?;
        data.say_close_notify()?;
        let mut socket = data.into_socket();
        socket.write_all(b"lo and more")?;
        socket.shutdown(Shutdown::Write)?;
        let _ = io::copy(&mut socket, &mut io::sink());
        session.say("226 done")
    };
    let server = script()
        .on("RETR", move |session, _| more(session, b"hello"))
        .start();
    let bench = Bench::new();
    pull_with(&bench, once(&server)).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");

    let server = script()
        .on("RETR", move |session, _| more(session, b"hel"))
        .start();
    let bench = Bench::new();
    let run = pull_with(&bench, once(&server));
    let _ = run.assert_failed("data");
    assert_nothing_arrived(&bench, &server);
}

#[test]
fn a_data_connection_that_is_cut_in_its_handshake_brings_nothing() {
    let server = script()
        .on("RETR", |session, _| {
            session.say("150 here it comes")?;
            let data = session.accept_in_clear()?;
            (&data).read_exact(&mut [0; 50])?;
            drop(data);
            session.say("226 done")
        })
        .start();
    let bench = Bench::new();
    let run = pull_from(&bench, &server);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(server.count("RETR") <= 5, "{:?}", server.commands());
    assert_nothing_arrived(&bench, &server);
}

/// vsftpd and others say it so.
#[test]
fn a_server_that_misses_the_resumption_is_told() {
    let server = script()
        .on("RETR", |session, _| {
            session.say("150 here it comes")?;
            session.accept()?.finish()?;
            session.say("522 SSL connection failed; session reuse required: see require_ssl_reuse option")
        })
        .start();
    let bench = Bench::new();
    let run = pull_with(&bench, once(&server));
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.failures()[0]["code"], "522", "{run}");
    assert!(message(&run).contains("session"), "{run}");
    assert_nothing_arrived(&bench, &server);
}

/// The certificate of the data connection is checked as well, when there is a handshake.
#[test]
fn a_data_connection_with_another_certificate_is_refused() {
    let other = pki::of_an_unknown_authority().server(None);
    let server = script()
        .on("RETR", move |session, _| {
            session.say("150 here it comes")?;
            let mut data = flow_tests::wire::Wire::new(session.accept_in_clear()?);
            data.become_server(&other);
            data.handshake()?;
            data.write_all(b"hello")?;
            data.finish()?;
            let _ = io::copy(&mut data, &mut io::sink());
            session.say("226 done")
        })
        .start();
    let bench = Bench::new();
    let run = pull_with(&bench, once(&server));
    let _ = run.assert_failed("tls");
    assert!(message(&run).contains("CN=Unknown Authority"), "{run}");
    assert_nothing_arrived(&bench, &server);
}

/// An upload is over for the server when TLS says so; without, a careful server would throw it away.
#[test]
fn an_upload_ends_with_word_of_its_end() {
    for version in [Version::V12, Version::V13] {
        for content in ["hello", ""] {
            let whole = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&whole);
            let server = Script::new()
                .tls(pki::good().server(Some(version)))
                .on("STOR", move |session, argument| {
                    // A connection that is cut is an error of `receive`.
                    let received = session.receive()?;
                    seen.lock().expect("no panic").push(received.clone());
                    session.store("STOR", argument, &received);
                    session.say("226 stored")
                })
                .start();
            let bench = Bench::new();
            bench.write("out/a.txt", content);
            let steps = vec![read("out/*"), put("put", SHOP, json!({ "path": "inbound/" }))];
            bench.run(&flow(&[(SHOP, once(&server))], steps)).assert_ok(1);
            assert_eq!(server.uploads()["inbound/a.txt"], content.as_bytes());
            assert_eq!(*whole.lock().expect("no panic"), [content.as_bytes()]);
        }
    }
}

/// PROT C is only sent when somebody asks for it, and CCC never.
#[test]
fn nothing_is_ever_brought_back_to_clear() {
    let server = script().start();
    let bench = Bench::new();
    bench.write("out/b.txt", "b");
    let steps = vec![
        get(SHOP, json!({ "path": "a.txt" })),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ];
    bench.run(&flow(&[(SHOP, once(&server))], steps)).assert_ok(1);
    let commands = server.commands();
    assert!(
        !commands
            .iter()
            .any(|line| line == "PROT C" || line == "CCC" || line == "CDC"),
        "{commands:?}"
    );
    assert_eq!(
        (server.count("PROT"), server.count("PBSZ")),
        (1, 1),
        "{commands:?}"
    );
    assert_eq!(server.in_clear(), ["AUTH TLS"]);
}
