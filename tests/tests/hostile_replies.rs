//! Servers that talk too much, too slowly, in the wrong order or in no order at all: each ends in an error of its
//! own or in a whole file, within the time-out and in little memory.

use std::io::Write as _;
use std::time::Duration;

use flow_tests::run::{Bench, Run, warm, with};
use flow_tests::script::{Script, ScriptServer, Session};
use flow_tests::steps::{assert_nothing_arrived, impatient, pull, pull_all, pull_one, push};
use serde_json::json;

/// What a run may take at most: a bare one takes some 40 MiB.
const MOST_KIB: u64 = 80 * 1024;

/// What a run with a time-out of one second may take at most on a busy machine.
const SOON: Duration = Duration::from_secs(15);

fn assert_bounded(run: &Run) {
    assert!(run.peak_kib < MOST_KIB, "{} KiB: {run}", run.peak_kib);
    assert!(run.took < SOON, "{:?}: {run}", run.took);
}

fn kind(run: &Run) -> &str {
    assert_eq!((run.code, run.failures().len()), (Some(1), 1), "{run}");
    run.failures()[0]["kind"].as_str().unwrap_or_default()
}

#[test]
fn a_greeting_of_100_mb_is_given_up() {
    warm();
    let server = Script::new().on("CONNECT", |session, _| {
        let megabyte = vec![b'x'; 1_000_000];
        session.say_raw(b"220 ")?;
        for _ in 0..100 {
            session.say_raw(&megabyte)?;
        }
        session.say_raw(b"\r\n")
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = pull_one(&bench, &server);
    assert_eq!(kind(&run), "protocol", "{run}");
    assert_bounded(&run);
}

#[test]
fn lines_of_a_reply_without_an_end_are_given_up() {
    warm();
    let server = Script::new().on("PWD", |session, _| {
        loop {
            session.say_raw(b"257-and another thing\r\n")?;
        }
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = pull_one(&bench, &server);
    assert_eq!(kind(&run), "protocol", "{run}");
    assert_bounded(&run);
}

/// Every byte comes within the time-out; the reply does not.
#[test]
fn a_reply_that_drips_is_given_up() {
    warm();
    let server = Script::new().on("PWD", |session, _| {
        for byte in b"257 \"/\" is where you are, and a long story could be told of it\r\n" {
            session.say_raw(&[*byte])?;
            // It is the pace that is hostile.
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = pull(
        &bench,
        with(impatient(&server), "timeout", 2),
        json!({ "path": "a.txt" }),
    );
    assert_eq!(kind(&run), "timeout", "{run}");
    assert_bounded(&run);
}

#[test]
fn zero_bytes_in_replies_do_no_harm() {
    let server = Script::new()
        .on("CONNECT", |session, _| session.say("220 rea\0dy"))
        .say("RETR", "550 not\0 here")
        .file("a.txt", "hello")
        .start();
    let bench = Bench::new();
    let run = pull_one(&bench, &server);
    assert_eq!(kind(&run), "permission", "{run}");
    assert!(
        !run.stdout.contains("\\u0000") && !run.stdout.contains('\0'),
        "{run}"
    );
    assert_nothing_arrived(&bench, &server);
}

#[test]
fn a_reply_that_is_no_text_is_told_apart() {
    warm();
    let server = Script::new().on("CONNECT", |session, _| session.say_raw(&[0xff; 4096]));
    let (server, bench) = (server.start(), Bench::new());
    let run = pull_one(&bench, &server);
    assert!(["protocol", "timeout"].contains(&kind(&run)), "{run}");
    assert_bounded(&run);
}

/// The last word before the first byte: what counts is that all bytes come.
#[test]
fn a_final_reply_before_the_data_is_kept_until_the_data_is_there() {
    let server = Script::new()
        .file("a.txt", "hello")
        .on("RETR", |session, _| {
            session.say("150 here it comes")?;
            session.say("226 and there it went")?;
            session.send_only(b"hello")
        })
        .start();
    let bench = Bench::new();
    pull_one(&bench, &server).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
}

/// Pure-FTPd 1.0.50 ends a download that broke with `150 0.004 seconds (measured here)` and says no more.
#[test]
fn a_second_150_in_place_of_a_final_reply_is_a_broken_transfer() {
    let server = Script::new()
        .file("a.txt", "hello")
        .first(1, "RETR", |session, _| {
            session.say("150 here it comes")?;
            session.send_only(b"he")?;
            session.say("150 0.004 seconds (measured here), 1.14 Mbytes per second")
        })
        .start();
    let bench = Bench::new();
    let settings = with(with(server.settings(), "timeout", 2), "max_tries", 2);
    pull(&bench, settings, json!({ "path": "a.txt" })).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
}

#[test]
fn a_listing_whose_final_reply_never_comes_is_not_taken_for_whole() {
    warm();
    let server = Script::new()
        .file("outbound/a.txt", "hello")
        .on("LIST", |session, _| {
            session.say("150 here it comes")?;
            session.send_only(b"")?;
            session.stay_silent()
        })
        .start();
    let bench = Bench::new();
    let run = pull_all(&bench, &server);
    assert_eq!(kind(&run), "timeout", "{run}");
    assert_bounded(&run);
}

/// The server says that all is well, and nobody knows how long the file should be: its word must do.
#[test]
fn a_transfer_that_is_called_good_is_good_where_nothing_tells_its_length() {
    let server = Script::new()
        .file("a.txt", "hello")
        .say("SIZE", "502 not here")
        .start();
    let bench = Bench::new();
    pull_one(&bench, &server).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
}

/// The data connection is reset, and the server calls it a success.
#[test]
fn a_data_connection_that_ends_early_is_no_file_even_with_a_226() {
    let server = Script::new()
        .file("a.txt", vec![b'x'; 1_000_000])
        .on("RETR", |session, _| {
            session.say("150 here it comes")?;
            session.accept()?.write_all(&[b'x'; 1000])?;
            session.say("226 that was all")
        })
        .start();
    let bench = Bench::new();
    let run = pull_one(&bench, &server);
    assert_eq!(kind(&run), "data", "{run}");
    assert_nothing_arrived(&bench, &server);
}

fn silent_in_data(session: &mut Session, _: &str) -> std::io::Result<()> {
    session.say("150 here it comes")?;
    let mut data = session.accept()?;
    data.write_all(b"hel")?;
    // Open until the client gives up.
    let _ = std::io::copy(&mut data, &mut std::io::sink());
    Ok(())
}

#[test]
fn a_data_connection_that_falls_silent_is_given_up() {
    warm();
    let server = Script::new().file("a.txt", "hello").on("RETR", silent_in_data);
    let (server, bench) = (server.start(), Bench::new());
    let run = pull_one(&bench, &server);
    assert_eq!(kind(&run), "timeout", "{run}");
    assert_bounded(&run);
    assert_nothing_arrived(&bench, &server);
}

/// It takes the command, and nobody comes to its port.
#[test]
fn an_upload_that_nobody_reads_is_given_up() {
    warm();
    let server = Script::new().on("STOR", |session, _| {
        session.say("150 send it")?;
        let data = session.accept()?;
        session.stay_silent()?;
        drop(data);
        Ok(())
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = push(&bench, impatient(&server));
    assert!(["timeout", "unreachable"].contains(&kind(&run)), "{run}");
    assert_bounded(&run);
    assert_nothing_arrived(&bench, &server);
}

// Where the data goes.

/// EPSV is taken, and its port refuses; PASV works.
#[test]
fn epsv_whose_port_refuses_is_followed_by_pasv() {
    let server = Script::new()
        .file("outbound/a.txt", "a")
        .file("outbound/b.txt", "b")
        .on("EPSV", |session, _| {
            let port = session.closed_port()?;
            session.say(&format!("229 passive (|||{port}|)"))
        })
        .start();
    let bench = Bench::new();
    pull_all(&bench, &server).assert_ok(2);
    assert_eq!(bench.files("in").len(), 2);
    // What worked is remembered.
    assert_eq!(server.count("EPSV"), 1, "{:?}", server.commands());
}

#[test]
fn a_passive_answer_that_cannot_be_read_is_told() {
    for answer in [
        "229 passive (|||0|)",
        "229 passive",
        "229 (|||99999|)",
        "200 what?",
    ] {
        let server = Script::new()
            .file("a.txt", "hello")
            .say("EPSV", answer)
            .say("PASV", "227 passive (1,2,3)")
            .start();
        let bench = Bench::new();
        let run = pull_one(&bench, &server);
        assert_eq!(kind(&run), "protocol", "{answer}: {run}");
        assert_nothing_arrived(&bench, &server);
    }
}

fn with_pasv(answer: fn(u16) -> String) -> ScriptServer {
    Script::new()
        .file("a.txt", "hello")
        .say("EPSV", "500 what?")
        .on("PASV", move |session, _| {
            let port = session.listen()?;
            session.say(&answer(port))
        })
        .start()
}

/// The one fixed address is where data goes, whatever the server says.
#[test]
fn a_fixed_data_address_wins_over_the_answer_to_pasv() {
    let server = with_pasv(|port| format!("227 passive (10,1,2,3,{},{})", port / 256, port % 256));
    let bench = Bench::new();
    let settings = with(impatient(&server), "data_address", "127.0.0.1");
    pull(&bench, settings, json!({ "path": "a.txt" })).assert_ok(1);
}

#[test]
fn data_goes_to_the_address_in_the_answer_when_that_is_asked_for() {
    let server = with_pasv(|port| format!("227 passive (127,0,0,1,{},{})", port / 256, port % 256));
    let bench = Bench::new();
    let settings = with(impatient(&server), "data_address", "as-given");
    pull(&bench, settings, json!({ "path": "a.txt" })).assert_ok(1);
}

/// A server cannot send us to a mail server or a web server: ports below 1024 are not for data. The host refuses
/// it, not the connector, and so whatever the settings say.
#[test]
fn a_passive_answer_with_a_port_of_another_service_is_refused_by_the_host() {
    for address in ["control-peer", "as-given", "127.0.0.1"] {
        let server = with_pasv(|_| "227 passive (127,0,0,1,0,25)".to_owned());
        let bench = Bench::new();
        let settings = with(impatient(&server), "data_address", address);
        let run = pull(&bench, settings, json!({ "path": "a.txt" }));
        assert_eq!(kind(&run), "denied-by-host", "{address}: {run}");
        assert_nothing_arrived(&bench, &server);
    }
}

/// Without permission, an answer to PASV leads nowhere but to the server; with it, the host lets it through, and
/// nobody is there.
#[test]
fn an_address_in_the_answer_is_only_followed_with_permission() {
    // TEST-NET-3 (RFC 5737): nobody.
    let answer = |port: u16| format!("227 passive (203,0,113,7,{},{})", port / 256, port % 256);
    let (server, bench) = (with_pasv(answer), Bench::new());
    pull_one(&bench, &server).assert_ok(1);
    let (server, bench) = (with_pasv(answer), Bench::new());
    let settings = with(impatient(&server), "data_address", "as-given");
    let run = pull(&bench, settings, json!({ "path": "a.txt" }));
    assert!(["timeout", "unreachable"].contains(&kind(&run)), "{run}");
    assert_nothing_arrived(&bench, &server);
}
