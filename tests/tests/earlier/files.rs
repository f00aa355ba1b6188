//! Renames and deletions that an earlier try may have done.

use std::time::{Duration, UNIX_EPOCH};

use flow_tests::servers::{FtpServer, Kind};
use flow_tests::tree::set_modified;
use flowhost::contract::{Effect, ErrorKind, Metadata};
use serde_json::{Value, json};

use crate::attempt::{Given, Memory, Past, Step, Tried, attempt, made_of};

const BODY: &str = "hello, world";
const SERVERS: [Kind; 3] = [Kind::Embedded, Kind::Vsftpd, Kind::Proftpd];

fn on_each(files: &[(&str, &str)], check: impl Fn(&FtpServer)) {
    for kind in SERVERS {
        let Some(server) = FtpServer::start(kind).expect("it starts") else {
            continue;
        };
        for folder in ["outbound", "done"] {
            server.make_folder(folder);
        }
        for (path, content) in files {
            server.write(path, content);
        }
        check(&server);
    }
}

fn given(earlier: Past) -> Given {
    Given {
        metadata: made_of("outbound/a.csv", BODY),
        body: Some(BODY.as_bytes().to_vec()),
        earlier,
    }
}

fn change(server: &FtpServer, options: Value, given: Given) -> Tried {
    attempt(
        &Step::put(server.settings(), options),
        given,
        &mut Memory::default(),
    )
}

fn rename(server: &FtpServer, earlier: Past) -> Tried {
    change(server, json!({ "command": "rename done/" }), given(earlier))
}

#[test]
fn a_rename_that_was_done_is_not_missed() {
    on_each(&[("done/a.csv", BODY)], |server| {
        let tried = rename(server, Past::Unnoted);
        assert_eq!(tried.attribute("renamed_to"), Some("done/a.csv"));
        // Without an earlier try the file is missing.
        assert_eq!(rename(server, Past::Never).failed().kind, ErrorKind::NotFound);
    });
}

#[test]
fn a_rename_that_was_not_done_is_done() {
    on_each(&[("outbound/a.csv", BODY)], |server| {
        let tried = rename(server, Past::Unnoted);
        assert_eq!(tried.attribute("renamed_to"), Some("done/a.csv"));
        assert!(server.read("outbound/a.csv").is_none());
        assert_eq!(server.read("done/a.csv").as_deref(), Some(BODY.as_bytes()));
    });
}

/// Neither is there, or the target is another file.
#[test]
fn a_rename_that_cannot_be_told_is_not_called_good() {
    for files in [&[][..], &[("done/a.csv", "another")]] {
        on_each(files, |server| {
            let tried = rename(server, Past::Unnoted);
            assert_eq!(tried.failed().effect, Effect::Unknown, "{tried:?}");
            assert!(tried.failed().message.contains("`done/a.csv`"), "{tried:?}");
        });
    }
}

/// The payload's body is not the file's any more, when a step has changed it.
#[test]
fn the_length_is_that_of_the_file_and_not_of_the_payload() {
    on_each(&[("done/a.csv", BODY)], |server| {
        let mut given = given(Past::Unnoted);
        given.metadata.size = Some(3);
        given.body = Some(b"ack".to_vec());
        let tried = change(server, json!({ "command": "rename done/" }), given);
        assert_eq!(tried.attribute("renamed_to"), Some("done/a.csv"));
    });
}

#[test]
fn the_number_of_a_renamed_file_is_remembered() {
    let options = || json!({ "command": "rename done/", "if_exists": "rename" });
    on_each(&[("outbound/a.csv", BODY), ("done/a.csv", "old")], |server| {
        let tried = change(server, options(), given(Past::Never));
        assert_eq!(tried.attribute("renamed_to"), Some("done/a-1.csv"));
        let note = json!({ "form": 1, "note": { "numbering": { "from": "outbound/a.csv", "target": "done/a-1.csv" } } });
        assert_eq!(tried.past, Past::Noted(note.to_string()));
        let again = change(server, options(), given(tried.past));
        assert_eq!(again.attribute("renamed_to"), Some("done/a-1.csv"));
        assert!(server.read("done/a-2.csv").is_none());
    });
}

#[test]
fn a_pattern_that_fits_nothing_any_more_is_no_error() {
    on_each(&[("done/a.csv", BODY)], |server| {
        for command in ["rename done/", "delete"] {
            let options = json!({ "command": command, "root": "outbound", "path": ".*" });
            let tried = change(server, options, given(Past::Unnoted));
            let _ = tried.passed();
        }
        assert_eq!(server.read("done/a.csv").as_deref(), Some(BODY.as_bytes()));
    });
}

#[test]
fn a_deletion_that_was_done_is_not_missed() {
    on_each(&[], |server| {
        for options in [
            json!({ "command": "delete" }),
            json!({ "command": "delete outbound/a.csv" }),
            json!({ "command": "delete outbound/a.csv", "min_size": 1 }),
        ] {
            let _ = change(server, options.clone(), given(Past::Unnoted)).passed();
            let missing = change(server, options, given(Past::Never));
            assert_eq!(missing.failed().kind, ErrorKind::NotFound);
        }
    });
    on_each(&[("outbound/a.csv", BODY)], |server| {
        let _ = change(server, json!({ "command": "delete" }), given(Past::Unnoted)).passed();
        assert!(server.read("outbound/a.csv").is_none());
    });
}

/// A payload of `outbound/a.csv` as it was at a time, and that file as it is since a later one.
fn replaced(server: &FtpServer) -> Metadata {
    let then = 1_700_000_000;
    let path = server.root.join("outbound/a.csv");
    set_modified(&path, UNIX_EPOCH + Duration::from_secs(then + 61));
    Metadata {
        version: Some(format!("{}-{}", BODY.len(), then * 1000)),
        ..made_of("outbound/a.csv", BODY)
    }
}

/// The original has gone, and the next file has come under its name: nobody has had that one.
#[test]
fn another_file_of_the_same_name_stays() {
    on_each(&[("outbound/a.csv", BODY)], |server| {
        let given = || Given {
            metadata: replaced(server),
            ..given(Past::Unnoted)
        };
        let _ = change(server, json!({ "command": "delete" }), given()).passed();
        assert!(server.read("outbound/a.csv").is_some());
        let tried = change(server, json!({ "command": "rename done/" }), given());
        assert_eq!(tried.failed().effect, Effect::Unknown, "{tried:?}");
        server.write("done/a.csv", BODY);
        let tried = change(server, json!({ "command": "rename done/" }), given());
        assert_eq!(tried.attribute("renamed_to"), Some("done/a.csv"));
        assert!(server.read("outbound/a.csv").is_some());
        // By its own time, it is the one.
        let exact = Given {
            metadata: Metadata {
                version: Some(format!("{}-{}", BODY.len(), 1_700_000_061_000_u64)),
                ..made_of("outbound/a.csv", BODY)
            },
            ..given()
        };
        let _ = change(server, json!({ "command": "delete" }), exact).passed();
        assert!(server.read("outbound/a.csv").is_none());
    });
}

#[test]
fn a_folder_that_was_removed_or_made_is_not_missed() {
    on_each(&[], |server| {
        let rmdir = || json!({ "command": "rmdir gone" });
        let _ = change(server, rmdir(), given(Past::Unnoted)).passed();
        assert_eq!(
            change(server, rmdir(), given(Past::Never)).failed().kind,
            ErrorKind::NotFound
        );
        let _ = change(server, json!({ "command": "mkdir done" }), given(Past::Unnoted)).passed();
        server.write("done/a.csv", BODY);
        let full = change(server, json!({ "command": "rmdir done" }), given(Past::Unnoted));
        assert_eq!(full.failed().kind, ErrorKind::Conflict);
    });
}
