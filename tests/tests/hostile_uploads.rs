//! Servers that take a file and lose some of it, or say that they have it and do not, or do not rename: nothing
//! of it is reported good, and no part of a file is under its final name.

use std::sync::atomic::{AtomicUsize, Ordering};

use flow_tests::run::{Bench, Run, SHOP, flow, get, put, with};
use flow_tests::script::{Script, ScriptServer};
use flow_tests::steps::{assert_nothing_arrived, impatient, pull, push, push_with};
use serde_json::json;

fn assert_only_upload(server: &ScriptServer) {
    assert_eq!(
        server.uploads().into_iter().collect::<Vec<_>>(),
        [("inbound/a.txt".to_owned(), b"hello".to_vec())],
        "{:?}",
        server.commands()
    );
}

fn warned(run: &Run, step: &str) -> bool {
    let log = run.events_of("log", step);
    log.iter().any(|event| event["level"] == "warn")
}

/// The server stores less than it was sent and calls it good: its own SIZE tells.
#[test]
fn an_upload_that_was_cut_short_and_called_good_is_found_out() {
    let server = Script::new()
        .on("STOR", |session, argument| {
            let content = session.receive()?;
            session.store("STOR", argument, &content[..2]);
            session.say("226 stored")
        })
        .start();
    let bench = Bench::new();
    let _ = push(&bench, impatient(&server)).assert_failed("data");
    assert_nothing_arrived(&bench, &server);
    assert!(server.uploads().is_empty(), "{:?}", server.commands());
}

/// The same once: it is tried again and good.
#[test]
fn an_upload_that_was_cut_short_once_is_sent_again() {
    let server = Script::new()
        .first(1, "STOR", |session, argument| {
            let content = session.receive()?;
            session.store("STOR", argument, &content[..2]);
            session.say("226 stored")
        })
        .start();
    let bench = Bench::new();
    push(&bench, with(server.settings(), "timeout", 5)).assert_ok(1);
    assert_only_upload(&server);
}

/// It ends the data connection in the middle and says that all is well.
#[test]
fn an_upload_whose_connection_ends_early_is_not_good() {
    let server = Script::new()
        .on("STOR", |session, argument| {
            session.say("150 send it")?;
            drop(session.accept()?);
            session.store("STOR", argument, b"");
            session.say("226 stored")
        })
        .start();
    let bench = Bench::new();
    let run = push(&bench, impatient(&server));
    assert_eq!(run.code, Some(1), "{run}");
    assert_nothing_arrived(&bench, &server);
    assert!(server.uploads().is_empty(), "{:?}", server.commands());
}

/// As long as it should be, and other bytes.
#[test]
fn an_upload_that_was_spoilt_is_found_out_by_its_hash() {
    let server = Script::new()
        .feature("XMD5")
        .say("XMD5", "250 00000000000000000000000000000000")
        .start();
    let bench = Bench::new();
    let run = push_with(
        &bench,
        impatient(&server),
        json!({ "path": "inbound/", "verify": "hash" }),
    );
    let failure = run.assert_failed("data");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|text| text.contains("MD5")),
        "{run}"
    );
    assert_nothing_arrived(&bench, &server);
    assert!(server.uploads().is_empty(), "{:?}", server.commands());
}

#[test]
fn an_upload_whose_hash_fits_is_good() {
    // MD5 of "hello".
    let server = Script::new()
        .feature("XMD5")
        .say("XMD5", "250 5D41402ABC4B2A76B9719D911017C592")
        .start();
    let bench = Bench::new();
    let options = json!({ "path": "inbound/", "verify": "hash" });
    push_with(&bench, impatient(&server), options).assert_ok(1);
    assert_eq!(server.count("XMD5"), 1);
    assert_only_upload(&server);
}

/// It names hashes as a feature and computes none: the length must do, and that is told.
#[test]
fn a_hash_that_is_not_told_after_all_is_a_warning() {
    let server = Script::new()
        .feature("XMD5")
        .say("XMD5", "550 not of this one")
        .start();
    let bench = Bench::new();
    let options = json!({ "path": "inbound/", "verify": "hash" });
    let run = push_with(&bench, impatient(&server), options);
    run.assert_ok(1);
    assert!(warned(&run, "put"), "{run}");
    assert_only_upload(&server);
}

#[test]
fn a_download_that_was_spoilt_is_found_out_by_its_hash() {
    let server = Script::new()
        .feature("XMD5")
        .file("a.txt", "hello")
        .say("XMD5", "250 00000000000000000000000000000000")
        .start();
    let bench = Bench::new();
    let options = json!({ "path": "a.txt", "verify": "hash" });
    let _ = pull(&bench, impatient(&server), options).assert_failed("data");
    assert_nothing_arrived(&bench, &server);
}

/// Servers that cannot rename at all: the file is written under its own name, which is told.
#[test]
fn a_server_that_cannot_rename_gets_the_file_under_its_own_name() {
    for (command, answer) in [
        ("RNFR", "502 not here"),
        ("RNFR", "500 what?"),
        ("RNFR", "550 not here"),
        ("RNTO", "502 not here"),
        ("RNTO", "553 not allowed"),
    ] {
        let server = Script::new().say(command, answer).start();
        let bench = Bench::new();
        let run = push(&bench, impatient(&server));
        run.assert_ok(1);
        assert!(warned(&run, "put"), "{command} {answer}: {run}");
        // The temporary file is gone.
        assert_only_upload(&server);
    }
}

/// For the files after the first it is known.
#[test]
fn a_server_that_cannot_rename_is_tried_once() {
    let server = Script::new().say("RNFR", "502 not here").start();
    let bench = Bench::new();
    for name in ["b.txt", "c.txt"] {
        bench.write(&format!("out/{name}"), "hello");
    }
    push(&bench, impatient(&server)).assert_ok(3);
    assert_eq!(
        (server.count("RNFR"), server.count("STOR")),
        (1, 4),
        "{:?}",
        server.commands()
    );
    assert_eq!(server.uploads().len(), 3);
}

/// Some servers overwrite silently, some refuse: `fail` means the same at both.
#[test]
fn a_taken_name_is_refused_before_anything_is_sent() {
    let server = Script::new().file("inbound/a.txt", "old").start();
    let bench = Bench::new();
    let options = json!({ "path": "inbound/", "if_exists": "fail" });
    let _ = push_with(&bench, impatient(&server), options).assert_failed("conflict");
    assert_eq!(
        (server.count("STOR"), server.count("RNTO")),
        (0, 0),
        "{:?}",
        server.commands()
    );
}

/// The rename was done, its reply was lost, and trying it again would say "550 not found".
#[test]
fn a_rename_of_a_file_whose_reply_is_lost_is_no_failure() {
    let moved = AtomicUsize::new(0);
    let server = Script::new()
        .file("outbound/a.txt", "hello")
        .on("RNTO", move |session, argument| {
            moved.fetch_add(1, Ordering::Relaxed);
            session.store("STOR", argument, b"hello");
            session.hang_up()
        })
        .on("SIZE", |session, argument| {
            if argument.ends_with("outbound/a.txt") && session.has_upload("done/a.txt") {
                return session.say("550 no such file");
            }
            session.honestly("SIZE", argument)
        })
        .start();
    let bench = Bench::new();
    let steps = vec![
        get(SHOP, json!({ "path": "outbound/a.txt" })),
        put("archive", SHOP, json!({ "command": "rename done/" })),
    ];
    let run = bench.run(&flow(&[(SHOP, with(server.settings(), "timeout", 5))], steps));
    run.assert_ok(1);
    assert_eq!(server.count("RNTO"), 1, "{:?}", server.commands());
}

/// Nobody can tell whether it happened: that is said, and not that it failed or worked.
#[test]
fn a_delete_whose_effect_nobody_can_tell_is_not_called_good() {
    let server = Script::new()
        .file("outbound/b.txt", "so that there is a folder")
        .on("DELE", |session, _| session.hang_up())
        .say("SIZE", "502 not here")
        .on("LIST", |session, _| session.hang_up())
        .start();
    let bench = Bench::new();
    let steps = vec![put("delete", SHOP, json!({ "command": "delete outbound/a.txt" }))];
    let run = bench.run(&flow(&[(SHOP, impatient(&server))], steps));
    assert_eq!((run.code, run.failures().len()), (Some(1), 1), "{run}");
}
