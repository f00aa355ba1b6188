//! Servers that lie, break off, fall silent or refuse: what the connector makes of each, and that nothing
//! of it is taken for a whole file.

use std::io::Write as _;

use flow_tests::run::{Bench, SHOP, flow, get, warm, with, write};
use flow_tests::script::{Script, line};
use flow_tests::steps::{assert_nothing_arrived, impatient, pull, pull_all, pull_one, push};
use serde_json::json;

#[test]
fn names_that_lead_out_of_the_folder_are_left_alone() {
    let bad = [
        "../evil.txt",
        "..",
        "/etc/passwd",
        "sub/../../evil.txt",
        "a/b.txt",
        "nul\0.txt",
        "cr\rDELE x.txt",
    ];
    let mut listing: String = bad.iter().map(|name| line('-', 4, name)).collect();
    listing.push_str(&line('-', 5, "good.txt"));
    let server = Script::new()
        .listing(listing)
        .file("outbound/good.txt", "hello")
        .start();
    let bench = Bench::new();
    let run = pull_all(&bench, &server);
    run.assert_ok(1);
    assert_eq!(bench.files("in").into_keys().collect::<Vec<_>>(), ["good.txt"]);
    for command in server.commands() {
        assert!(
            !command.contains("..") && !command.contains("passwd") && !command.starts_with("DELE"),
            "{command}"
        );
    }
}

#[test]
fn names_in_an_mlsd_listing_are_no_more_trusted() {
    let server = Script::new()
        .feature("MLST type*;size*;modify*;")
        .feature("MLSD")
        .on("MLSD", |session, _| {
            let mut listing = String::new();
            for name in ["../evil.txt", "/etc/passwd", "a/b.txt", ".."] {
                listing.push_str("type=file;size=4; ");
                listing.push_str(name);
                listing.push_str("\r\n");
            }
            session.send(format!("{listing}type=file;size=5; good.txt\r\n").as_bytes())
        })
        .file("outbound/good.txt", "hello")
        .start();
    let bench = Bench::new();
    let run = pull_all(&bench, &server);
    run.assert_ok(1);
    assert_eq!(bench.files("in").into_keys().collect::<Vec<_>>(), ["good.txt"]);
}

#[test]
fn lines_that_cannot_be_read_do_not_spoil_the_listing() {
    let listing = format!(
        "total 12\r\n{}what is this?\r\n\r\n-rw-r--r-- nonsense\r\n{}",
        line('-', 5, "good.txt"),
        line('d', 5, "folder")
    );
    let server = Script::new()
        .listing(listing)
        .file("outbound/good.txt", "hello")
        .start();
    let bench = Bench::new();
    pull_all(&bench, &server).assert_ok(1);
    assert_eq!(bench.files("in").into_keys().collect::<Vec<_>>(), ["good.txt"]);
}

#[test]
fn a_pasv_answer_with_another_address_leads_to_the_server_all_the_same() {
    let server = Script::new()
        .file("a.txt", "hello")
        .say("EPSV", "500 what?")
        .on("PASV", |session, _| {
            let port = session.listen()?;
            // 10.1.2.3 is nobody here: who believed it would not get an answer.
            session.say(&format!("227 passive (10,1,2,3,{},{})", port / 256, port % 256))
        })
        .start();
    let bench = Bench::new();
    pull_one(&bench, &server).assert_ok(1);
    assert_eq!(server.count("PASV"), 1);
}

#[test]
fn epsv_that_is_refused_is_not_asked_for_again() {
    let server = Script::new()
        .file("outbound/a.txt", "a")
        .file("outbound/b.txt", "b")
        .say("EPSV", "502 no")
        .start();
    let bench = Bench::new();
    pull_all(&bench, &server).assert_ok(2);
    assert_eq!(server.count("EPSV"), 1, "{:?}", server.commands());
    assert!(server.count("PASV") >= 3);
}

#[test]
fn a_final_reply_that_never_comes_is_waited_for_and_not_taken_for_granted() {
    let server = Script::new()
        .file("a.txt", "hello")
        .on("RETR", |session, _| {
            session.say("150 here it comes")?;
            session.send_only(b"hello")?;
            session.stay_silent()
        })
        .start();
    let bench = Bench::new();
    let run = pull_one(&bench, &server);
    let _ = run.assert_failed("timeout");
    assert_nothing_arrived(&bench, &server);
}

#[test]
fn a_download_that_is_cut_short_is_not_taken() {
    let server = Script::new()
        .file("a.txt", "hello, world")
        .on("RETR", |session, _| {
            session.say("150 here it comes")?;
            session.send_only(b"hello")?;
            session.say("426 that was it")
        })
        .start();
    let bench = Bench::new();
    let run = pull_one(&bench, &server);
    let failure = run.assert_failed("unreachable");
    assert_eq!(failure["code"], "426", "{run}");
    assert_nothing_arrived(&bench, &server);
}

/// The server says that all is well; but it said before how long the file is.
#[test]
fn a_download_of_the_wrong_length_is_not_taken() {
    let server = Script::new()
        .file("a.txt", "hello, world")
        .on("RETR", |session, _| session.send(b"hello"))
        .start();
    let bench = Bench::new();
    let _ = pull_one(&bench, &server).assert_failed("data");
    assert_nothing_arrived(&bench, &server);
}

#[test]
fn a_connection_that_breaks_in_a_download_is_told() {
    let server = Script::new()
        .file("a.txt", "hello, world")
        .on("RETR", |session, _| {
            session.say("150 here it comes")?;
            session.accept()?.write_all(b"hello")?;
            session.hang_up()
        })
        .start();
    let bench = Bench::new();
    let _ = pull_one(&bench, &server).assert_failed("unreachable");
    assert_nothing_arrived(&bench, &server);
}

#[test]
fn a_passing_failure_is_tried_again_on_a_new_session() {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let server = Script::new()
        .file("a.txt", "hello")
        .on("RETR", move |session, argument| {
            if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                session.say("150 here it comes")?;
                session.send_only(b"he")?;
                return session.say("426 not today");
            }
            session.honestly("RETR", argument)
        })
        .start();
    let bench = Bench::new();
    pull(
        &bench,
        with(server.settings(), "timeout", 5),
        json!({ "path": "a.txt" }),
    )
    .assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
    // After a failed transfer nobody knows what the session would say next: a new one.
    assert_eq!((server.count("RETR"), server.count("USER")), (2, 2));
}

#[test]
fn a_file_that_is_refused_leaves_its_siblings_and_the_session() {
    let server = Script::new()
        .file("outbound/a.txt", "a")
        .file("outbound/b.txt", "b")
        .file("outbound/c.txt", "c")
        .on("RETR", |session, argument| {
            if argument.ends_with("b.txt") {
                return session.say("550 not this one");
            }
            session.honestly("RETR", argument)
        })
        .start();
    let bench = Bench::new();
    let mut step = get(SHOP, json!({ "root": "outbound", "path": ".*" }));
    step["on_error"] = json!("continue");
    let run = bench.run(&flow(&[(SHOP, server.settings())], vec![step, write("in")]));
    // The listing has it, so it is not that it is not there.
    let failure = run.assert_failed("permission");
    assert_eq!(failure["event"], "payload-failed", "{run}");
    assert_eq!(
        bench.files("in").into_keys().collect::<Vec<_>>(),
        ["a.txt", "c.txt"]
    );
    assert_eq!(server.count("USER"), 1);
}

#[test]
fn a_server_that_is_full_is_busy() {
    let server = Script::new().on("CONNECT", |session, _| {
        session.say("421 too many users")?;
        session.hang_up()
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = pull_one(&bench, &server);
    let failure = run.assert_failed("busy");
    assert_eq!(failure["code"], "421", "{run}");
}

#[test]
fn something_that_is_not_ftp_is_told_apart() {
    let server = Script::new().on("CONNECT", |session, _| {
        session.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n")?;
        session.hang_up()
    });
    let (server, bench) = (server.start(), Bench::new());
    let _ = pull_one(&bench, &server).assert_failed("protocol");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let server = Script::new().on("CONNECT", |session, _| session.stay_silent());
    let (server, bench) = (server.start(), Bench::new());
    let run = pull_one(&bench, &server);
    let failure = run.assert_failed("timeout");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|message| message.contains("1 s")),
        "{run}"
    );
    assert!(run.took.as_secs() < 10, "{run}");
}

/// A reply line without an end must not be kept until the memory is full.
#[test]
fn a_reply_without_an_end_is_given_up() {
    warm();
    let server = Script::new().on("CONNECT", |session, _| {
        session.say("220-")?;
        let text = "x".repeat(1 << 20);
        for _ in 0..64 {
            session.say(&text)?;
        }
        session.stay_silent()
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = pull_one(&bench, &server);
    assert_eq!(run.code, Some(1), "{run}");
    let kind = run.failures()[0]["kind"].clone();
    assert!(kind == "protocol" || kind == "timeout", "{run}");
    assert!(run.peak_kib < 128 * 1024, "{} KiB", run.peak_kib);
}

#[test]
fn an_upload_that_is_refused_leaves_nothing() {
    let server = Script::new().on("STOR", |session, _| {
        session.receive()?;
        session.say("552 no room")
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = push(&bench, impatient(&server));
    let failure = run.assert_failed("data");
    assert_eq!(failure["code"], "552", "{run}");
    assert_nothing_arrived(&bench, &server);
    // What may have been stored under the temporary name is removed.
    let removed = server.removed();
    assert_eq!(removed.len(), 1, "{:?}", server.commands());
    assert!(
        removed[0].starts_with("inbound/.") && removed[0].rsplit('.').next() == Some("part"),
        "{removed:?}"
    );
}

#[test]
fn an_upload_of_which_the_server_has_less_is_no_success() {
    let server = Script::new().say("SIZE", "213 2").start();
    let bench = Bench::new();
    let _ = push(&bench, impatient(&server)).assert_failed("data");
    assert_nothing_arrived(&bench, &server);
}

#[test]
fn an_upload_whose_final_reply_is_lost_is_not_taken_for_granted() {
    let server = Script::new().on("STOR", |session, _| {
        session.receive()?;
        session.stay_silent()
    });
    let (server, bench) = (server.start(), Bench::new());
    let _ = push(&bench, impatient(&server)).assert_failed("timeout");
    assert_nothing_arrived(&bench, &server);
}

/// The rename was done and its reply lost: looking tells, and it is a success.
#[test]
fn a_rename_whose_reply_is_lost_is_looked_after() {
    let lost = std::sync::atomic::AtomicBool::new(false);
    let server = Script::new().on("RNTO", move |session, argument| {
        if lost.swap(true, std::sync::atomic::Ordering::Relaxed) {
            return session.honestly("RNTO", argument);
        }
        session.rename_to(argument);
        session.hang_up()
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = push(&bench, with(server.settings(), "timeout", 5));
    run.assert_ok(1);
    assert_eq!(
        server.uploads().into_keys().collect::<Vec<_>>(),
        ["inbound/a.txt"]
    );
    assert_eq!(server.count("STOR"), 1, "{:?}", server.commands());
}

#[test]
fn a_server_that_does_not_rename_onto_a_file_is_helped() {
    let server = Script::new()
        .file("inbound/a.txt", "old")
        .on("RNTO", |session, argument| {
            if session.was_removed("inbound/a.txt") {
                return session.honestly("RNTO", argument);
            }
            session.say("550 it exists")
        })
        .start();
    let bench = Bench::new();
    push(&bench, impatient(&server)).assert_ok(1);
    assert_eq!(server.uploads()["inbound/a.txt"], b"hello");
}

#[test]
fn passwords_are_in_no_output() {
    let server = Script::new().on("PASS", |session, argument| {
        session.say(&format!("530 not {argument}"))
    });
    let (server, bench) = (server.start(), Bench::new());
    let run = pull_one(&bench, &server);
    let _ = run.assert_failed("authentication");
    assert!(
        !run.stdout.contains("s3cret-shop") && !run.stderr.contains("s3cret-shop"),
        "{run}"
    );
}
