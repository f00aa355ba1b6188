//! Uploads of which an earlier try may have made something, from every state that it may have left.

use flow_tests::proxy::{CutProxy, Plan};
use flow_tests::script::{Script, ScriptServer};
use flow_tests::servers::{FtpServer, Kind};
use flowhost::contract::{Effect, ErrorKind, Retry};
use serde_json::{Value, json};

use crate::attempt::{Given, Memory, Past, Step, Tried, attempt, made_of, temporary};

const BODY: &str = "hello, world";
const SERVERS: [Kind; 3] = [Kind::Embedded, Kind::Vsftpd, Kind::Proftpd];

fn renaming(temporary: &str, target: &str) -> Past {
    note(&json!({ "renaming": { "temporary": temporary, "target": target } }))
}

fn writing(target: &str) -> Past {
    note(&json!({ "writing": { "target": target, "temporary": null } }))
}

fn appending(path: &str, before: Option<u64>) -> Past {
    note(&json!({ "appending": { "path": path, "before": before } }))
}

fn note(note: &Value) -> Past {
    Past::Noted(json!({ "form": 1, "note": note }).to_string())
}

fn hidden() -> String {
    format!("inbox/{}", temporary("a.csv"))
}

fn into(if_exists: &str) -> Value {
    json!({ "path": "inbox/", "if_exists": if_exists })
}

fn given(earlier: Past) -> Given {
    Given {
        metadata: made_of("outbound/a.csv", BODY),
        body: Some(BODY.as_bytes().to_vec()),
        earlier,
    }
}

/// A server with these files, and what it was told.
struct Stage {
    server: FtpServer,
    proxy: CutProxy,
}

impl Stage {
    fn new(kind: Kind, files: &[(&str, &str)]) -> Option<Self> {
        let server = FtpServer::start(kind).expect("it starts")?;
        server.make_folder("inbox");
        for (path, content) in files {
            server.write(path, content);
        }
        let proxy = CutProxy::before(&server, Plan::new());
        Some(Self { server, proxy })
    }

    fn put(&self, options: Value, earlier: Past) -> Tried {
        let step = Step::put(self.proxy.settings(&self.server), options);
        attempt(&step, given(earlier), &mut Memory::default())
    }

    fn has(&self, path: &str) -> Option<String> {
        let content = self.server.read(path)?;
        Some(String::from_utf8(content).expect("text"))
    }
}

/// Does something on each of these servers, with these files.
fn on_each(files: &[(&str, &str)], check: impl Fn(&Stage)) {
    for stage in SERVERS.into_iter().filter_map(|kind| Stage::new(kind, files)) {
        check(&stage);
    }
}

fn assert_unknown(tried: &Tried) {
    let error = tried.failed();
    assert_eq!(error.effect, Effect::Unknown, "{tried:?}");
    assert!(matches!(error.retry, Retry::Never), "{tried:?}");
}

#[test]
fn an_upload_that_has_its_name_is_not_made_again() {
    for if_exists in ["fail", "skip", "rename", "append"] {
        on_each(&[("inbox/a.csv", BODY)], |stage| {
            let tried = stage.put(into(if_exists), renaming(&hidden(), "inbox/a.csv"));
            assert_eq!(tried.attribute("put_outcome"), Some("stored"));
            assert_eq!(tried.attribute("stored_path"), Some("inbox/a.csv"));
            assert_eq!(tried.attribute("stored_proof"), Some("size:12"));
            assert_eq!((stage.proxy.sent(), stage.proxy.count("STOR")), (0, 0));
            assert_eq!(tried.answer.expect("it went well").bytes, 0);
        });
    }
}

#[test]
fn the_number_that_was_chosen_is_remembered() {
    let files = &[("inbox/a.csv", "old"), ("inbox/a-1.csv", BODY)];
    on_each(files, |stage| {
        let tried = stage.put(into("rename"), renaming(&hidden(), "inbox/a-1.csv"));
        assert_eq!(tried.attribute("put_outcome"), Some("renamed"));
        assert_eq!(tried.attribute("stored_path"), Some("inbox/a-1.csv"));
        assert_eq!(stage.proxy.sent(), 0);
    });
}

/// It was not renamed, and the name has been taken since.
#[test]
fn an_upload_that_has_not_its_name_is_made_again() {
    let files = &[("inbox/a.csv", "another"), (&*hidden(), BODY)];
    for (if_exists, outcome, count) in [
        ("rename", Some("renamed"), 2),
        ("skip", Some("skipped"), 1),
        ("fail", None, 1),
    ] {
        on_each(files, |stage| {
            let tried = stage.put(into(if_exists), renaming(&hidden(), "inbox/a.csv"));
            if outcome.is_some() {
                assert_eq!(tried.attribute("put_outcome"), outcome);
            } else {
                let error = tried.failed();
                assert_eq!((error.kind, error.effect), (ErrorKind::Conflict, Effect::None));
            }
            // Nothing is left, whatever came of it.
            assert_eq!(stage.has(&hidden()), None, "{if_exists}");
            assert_eq!(stage.has("inbox/a.csv").as_deref(), Some("another"));
            let files = std::fs::read_dir(stage.server.root.join("inbox")).expect("its folder");
            assert_eq!(files.count(), count);
        });
    }
}

/// A partner has taken the file away, or changed it: nobody can tell.
#[test]
fn an_upload_that_cannot_be_found_is_not_made_again() {
    for files in [
        &[][..],
        &[("inbox/a.csv", "changed")],
        &[("inbox/a.csv", "changed and longer")],
    ] {
        on_each(files, |stage| {
            let tried = stage.put(into("fail"), renaming(&hidden(), "inbox/a.csv"));
            assert_unknown(&tried);
            assert!(tried.failed().message.contains("`inbox/a.csv`"), "{tried:?}");
            assert_eq!(stage.proxy.sent(), 0);
            // And the same the next time.
            assert_unknown(&stage.put(into("fail"), tried.past));
        });
    }
}

/// Others may have added to it since.
#[test]
fn a_file_that_was_made_to_append_to_counts_when_it_has_grown() {
    on_each(&[("inbox/a.csv", "hello, world and more")], |stage| {
        let tried = stage.put(into("append"), renaming(&hidden(), "inbox/a.csv"));
        assert_eq!(tried.attribute("stored_proof"), Some("reply"));
        assert_eq!(stage.proxy.sent(), 0);
    });
}

/// The same name again is the same file. No note was kept, and none is needed.
#[test]
fn an_overwriting_upload_is_made_again() {
    let files = &[("inbox/a.csv", "hello, wor1d"), (&*hidden(), "hel")];
    on_each(files, |stage| {
        let tried = stage.put(into("overwrite"), Past::Unnoted);
        assert_eq!(tried.attribute("stored_proof"), Some("size:12"));
        assert_eq!(stage.has("inbox/a.csv").as_deref(), Some(BODY));
        assert_eq!(stage.has(&hidden()), None);
        assert_eq!(tried.past, Past::Unnoted);
    });
}

/// It has the length of the body, and is another file.
#[test]
fn a_hash_is_compared_where_the_options_want_it() {
    let mut options = into("fail");
    options["verify"] = json!("hash");
    for (content, same) in [(BODY, true), ("hello, wor1d", false)] {
        let Some(stage) = Stage::new(Kind::Proftpd, &[("inbox/a.csv", content)]) else {
            return;
        };
        let tried = stage.put(options.clone(), renaming(&hidden(), "inbox/a.csv"));
        if same {
            let proof = tried.attribute("stored_proof").expect("a proof");
            let hash = "09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b";
            assert_eq!(proof, format!("sha-256:{hash}"));
        } else {
            assert_unknown(&tried);
        }
        assert_eq!(stage.proxy.sent(), 0);
    }
}

#[test]
fn a_part_under_the_final_name_is_written_over() {
    let mut options = into("fail");
    options["temporary_name"] = json!("{name}");
    for (content, sent) in [(Some("hel"), 12), (Some(""), 12), (None, 12), (Some(BODY), 0)] {
        let files: Vec<_> = content
            .map(|content| ("inbox/a.csv", content))
            .into_iter()
            .collect();
        on_each(&files, |stage| {
            let tried = stage.put(options.clone(), writing("inbox/a.csv"));
            assert_eq!(tried.attribute("put_outcome"), Some("stored"));
            assert_eq!(stage.has("inbox/a.csv").as_deref(), Some(BODY));
            assert_eq!(stage.proxy.sent(), sent, "{content:?}");
        });
    }
    on_each(&[("inbox/a.csv", "longer than the body")], |stage| {
        assert_unknown(&stage.put(options.clone(), writing("inbox/a.csv")));
        assert_eq!(stage.proxy.sent(), 0);
    });
}

#[test]
fn an_append_goes_on_where_it_was_broken_off() {
    let append = || json!({ "command": "append log" });
    for (now, sent) in [("first;", 12), ("first;hello", 7), ("first;hello, world", 0)] {
        on_each(&[("log", now)], |stage| {
            let tried = stage.put(append(), appending("log", Some(6)));
            assert_eq!(stage.has("log").as_deref(), Some("first;hello, world"), "{now}");
            assert_eq!(tried.attribute("put_outcome"), Some("appended"));
            assert_eq!(tried.attribute("stored_proof"), Some("size:18"));
            assert_eq!(stage.proxy.sent(), sent, "{now}");
        });
    }
    for strange in ["", "first;hello, world and more"] {
        on_each(&[("log", strange)], |stage| {
            assert_unknown(&stage.put(append(), appending("log", Some(6))));
            assert_eq!(stage.has("log").as_deref(), Some(strange));
        });
    }
    // Without a note nothing was begun.
    on_each(&[("log", "first;")], |stage| {
        let tried = stage.put(append(), Past::Unnoted);
        assert_eq!(stage.has("log").as_deref(), Some("first;hello, world"));
        assert_eq!(tried.past, appending("log", Some(6)));
    });
}

fn put_to(server: &ScriptServer, options: Value, earlier: Past) -> Tried {
    let step = Step::put(server.settings(), options);
    attempt(&step, given(earlier), &mut Memory::default())
}

#[test]
fn an_append_to_a_server_without_sizes_is_not_repeated() {
    let server = Script::new()
        .file("log", "first;")
        .say("SIZE", "502 not here")
        .start();
    let append = || json!({ "command": "append log" });
    let tried = put_to(&server, append(), Past::Never);
    assert_eq!(tried.attribute("stored_proof"), Some("reply"));
    assert_eq!(tried.past, appending("log", None));
    let again = put_to(&server, append(), tried.past);
    assert_unknown(&again);
    assert!(
        again.failed().message.contains("does not tell how long"),
        "{again:?}"
    );
    assert_eq!(server.count("APPE"), 1);
}

/// Some servers do not let a file be written that is there, nor one be continued.
fn that_does_not_overwrite() -> Script {
    Script::new().on("STOR", |session, argument| {
        if session.has_upload(argument.trim_start_matches('/')) {
            return session.say("553 it is there");
        }
        session.honestly("STOR", argument)
    })
}

#[test]
fn what_was_left_is_removed_where_it_cannot_be_written_over() {
    let server = that_does_not_overwrite().start();
    // A try that ends before its rename.
    let left = put_to(
        &server,
        json!({ "path": temporary("a.csv"), "temporary_name": "{name}" }),
        Past::Never,
    );
    assert_eq!(left.attribute("put_outcome"), Some("stored"));
    let tried = put_to(&server, json!({ "path": "a.csv" }), Past::Unnoted);
    assert_eq!(
        tried.attribute("put_outcome"),
        Some("stored"),
        "{:?}",
        server.commands()
    );
    let uploads: Vec<_> = server.uploads().into_iter().collect();
    assert_eq!(uploads, [("a.csv".to_owned(), BODY.as_bytes().to_vec())]);
}

/// The same in a later try of the same call.
#[test]
fn a_broken_upload_is_removed_where_it_cannot_be_written_over() {
    let broken = std::sync::atomic::AtomicBool::new(false);
    let server = Script::new()
        .say("APPE", "502 not here")
        .on("STOR", move |session, argument| {
            if !broken.swap(true, std::sync::atomic::Ordering::Relaxed) {
                let content = session.receive()?;
                session.store("STOR", argument, &content[..2]);
                return session.hang_up();
            }
            if session.has_upload(argument.trim_start_matches('/')) {
                return session.say("553 it is there");
            }
            session.honestly("STOR", argument)
        })
        .start();
    let tried = put_to(&server, json!({ "path": "a.csv" }), Past::Never);
    assert_eq!(
        tried.attribute("put_outcome"),
        Some("stored"),
        "{:?}",
        server.commands()
    );
    let uploads: Vec<_> = server.uploads().into_iter().collect();
    assert_eq!(uploads, [("a.csv".to_owned(), BODY.as_bytes().to_vec())]);
}

/// The rename is refused after all, and the upload removed: no later try may look for it.
#[test]
fn a_note_is_taken_back_before_its_file_is_removed() {
    let server = Script::new().say("RNTO", "552 no room").start();
    let options = json!({ "path": "a.csv", "if_exists": "fail" });
    let tried = put_to(&server, options.clone(), Past::Never);
    assert_eq!(tried.failed().effect, Effect::None);
    assert_eq!(tried.past, note(&json!("nothing")));
    assert!(server.uploads().is_empty());
    let again = put_to(&server, options, tried.past);
    assert_eq!(again.failed().effect, Effect::None, "{again:?}");
}

/// A server that does not rename: the file is written at once, which is noted before.
#[test]
fn a_server_that_cannot_rename_is_told_of_in_the_note() {
    let server = Script::new().say("RNFR", "502 not here").start();
    let tried = put_to(
        &server,
        json!({ "path": "a.csv", "if_exists": "fail" }),
        Past::Never,
    );
    assert_eq!(tried.attribute("put_outcome"), Some("stored"));
    let writing = json!({ "writing": { "target": "a.csv", "temporary": temporary("a.csv") } });
    assert_eq!(tried.past, note(&writing));
    let again = put_to(
        &server,
        json!({ "path": "a.csv", "if_exists": "fail" }),
        tried.past,
    );
    assert_eq!(again.attribute("put_outcome"), Some("stored"));
    assert_eq!(server.count("STOR"), 2, "{:?}", server.commands());
}

#[test]
fn a_note_that_cannot_be_read_stops_everything() {
    for note in ["?", r#"{"form":2,"note":"nothing"}"#] {
        on_each(&[], |stage| {
            let tried = stage.put(into("fail"), Past::Noted(note.to_owned()));
            assert_unknown(&tried);
            assert_eq!(stage.proxy.sent(), 0);
        });
    }
}

/// The server cannot be asked: what the earlier try did stays unknown, so that it is looked for again.
#[test]
fn a_look_that_fails_leaves_the_effect_unknown() {
    let server = Script::new().say("SIZE", "421 later").start();
    let mut settings = server.settings();
    settings["max_tries"] = json!(1);
    let step = Step::put(settings, json!({ "path": "a.csv", "if_exists": "fail" }));
    let earlier = renaming(&temporary("a.csv"), "a.csv");
    let tried = attempt(&step, given(earlier), &mut Memory::default());
    assert_eq!(tried.failed().effect, Effect::Unknown, "{tried:?}");
    assert_eq!(server.count("STOR"), 0);
}

#[test]
fn what_proves_an_upload() {
    on_each(&[], |stage| {
        for (verify, proof) in [("size", "size:12"), ("none", "reply")] {
            let mut options = into("overwrite");
            options["verify"] = json!(verify);
            let tried = stage.put(options, Past::Never);
            assert_eq!(
                tried.attribute("stored_proof"),
                Some(proof),
                "{}",
                stage.server.kind
            );
            assert_eq!(tried.past, Past::Unnoted);
        }
        let skipped = stage.put(into("skip"), Past::Never);
        assert_eq!(skipped.attribute("put_outcome"), Some("skipped"));
        assert_eq!(skipped.attribute("stored_proof"), None);
    });
}
