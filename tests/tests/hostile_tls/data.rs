//! Data connections: PROT, their beginning and their end.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};

use flow_tests::pki::{self, Version};
use flow_tests::run::{Bench, SHOP, flow, get, put, read, with, write};
use flow_tests::script::{Script, Session};
use flow_tests::steps::assert_nothing_arrived;
use serde_json::json;

use super::{fails_once, message, once, pull_from, pull_with, script};

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
    let run = fails_once(&server);
    assert_ne!(run.assert_failed("data")["message"], "", "{run}");

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
    let _ = fails_once(&server).assert_failed("data");
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
    let _ = fails_once(&server).assert_failed("data");
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
    let run = fails_once(&server);
    assert_eq!(run.failures()[0]["code"], "522", "{run}");
    assert!(message(&run).contains("session"), "{run}");
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
