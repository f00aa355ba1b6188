//! Names of files in other encodings, and in none.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use flow_tests::run::{Run, flow, get, put, read, with, write};
use flow_tests::tree;
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage};

const LATIN: &[u8] = b"Gr\xfc\xdfe 5\x80.txt";

/// Neither UTF-8 nor anything else.
const NOTHING: &[u8] = b"bad\xe9\x80\xfe.txt";

fn run(stage: &Stage, encoding: &str, steps: Vec<Value>) -> Run {
    let settings = with(stage.server.settings(), "encoding", encoding);
    stage.bench.run(&flow(&[(SHOP, settings)], steps))
}

fn at(stage: &Stage, folder: &str) -> Vec<Vec<u8>> {
    inside(stage, folder.as_bytes())
}

fn inside(stage: &Stage, folder: &[u8]) -> Vec<Vec<u8>> {
    tree::raw_names(&stage.server.root.join(OsStr::from_bytes(folder)))
}

/// A server that puts other characters in place of the bytes hides the file behind a name that it does not take:
/// that is told, and nothing is lost.
fn assert_cannot_be_named(stage: &Stage, run: &Run, name: &[u8]) {
    assert_eq!((run.code, run.failures().len()), (Some(1), 1), "{run}");
    let kind = &run.failures()[0]["kind"];
    assert!(kind == "not-found" || kind == "permission", "{run}");
    assert!(stage.local("in").is_empty(), "{run}");
    assert_eq!(at(stage, "outbound"), [name], "{run}");
}

/// Here they are Unicode, and on the server the bytes that they were.
pub fn in_windows_1252(stage: &Stage) {
    stage.server.write_raw("outbound", LATIN, "hello");
    let fetched = run(
        stage,
        "windows-1252",
        vec![
            get(SHOP, json!({ "root": "outbound", "path": ".*" })),
            write("in"),
            put(
                "archive",
                SHOP,
                json!({ "command": "rename done/{{ original_filename }}" }),
            ),
        ],
    );
    if !stage.server.kind.keeps_any_name() {
        return assert_cannot_be_named(stage, &fetched, LATIN);
    }
    fetched.assert_ok(1);
    assert_eq!(
        stage.local("in").into_keys().collect::<Vec<_>>(),
        ["Grüße 5€.txt"]
    );
    assert_eq!(
        (at(stage, "outbound"), at(stage, "done")),
        (vec![], vec![LATIN.to_vec()])
    );
}

pub fn sent_in_windows_1252(stage: &Stage) {
    stage.bench.write("out/Käse.txt", "hello");
    let sent = run(
        stage,
        "windows-1252",
        vec![read("out/*"), put("put", SHOP, json!({ "path": "Brötchen/" }))],
    );
    sent.assert_ok(1);
    if stage.server.kind.keeps_any_name() {
        assert_eq!(inside(stage, b"Br\xf6tchen"), [b"K\xe4se.txt"]);
    } else {
        // They take the bytes for broken UTF-8 and store what they made of it.
        assert_eq!(
            inside(stage, "Br\u{fffd}tchen".as_bytes()),
            ["K\u{fffd}se.txt".as_bytes()]
        );
    }
    // A character that the encoding has not got cannot be sent, and that is told before anything is.
    stage.bench.write("other/Łódź.txt", "hello");
    let refused = run(
        stage,
        "windows-1252",
        vec![read("other/*"), put("put", SHOP, json!({ "path": "new/" }))],
    );
    let failure = refused.assert_failed("invalid-settings");
    let message = failure["message"].as_str().unwrap_or_default();
    assert!(
        message.contains('Ł') && message.contains("windows-1252"),
        "{refused}"
    );
    assert!(!stage.server.root.join("new").exists() || inside(stage, b"new").is_empty());
}

/// What no encoding can read comes back to the server as it was.
pub fn in_no_encoding(stage: &Stage) {
    stage.server.write_raw("outbound", NOTHING, "hello");
    let all = json!({ "root": "outbound", "path": ".*" });
    let fetched = run(
        stage,
        "utf-8",
        vec![
            get(SHOP, all.clone()),
            write("in"),
            put(
                "archive",
                SHOP,
                json!({ "command": "rename outbound/x {{ original_filename }}" }),
            ),
        ],
    );
    if !stage.server.kind.keeps_any_name() {
        return assert_cannot_be_named(stage, &fetched, NOTHING);
    }
    fetched.assert_ok(1);
    let local = stage.local("in");
    assert_eq!(local.values().collect::<Vec<_>>(), [b"hello"]);
    let name = local.keys().next().expect("one file");
    assert!(
        name.starts_with("bad") && name.rsplit('.').next() == Some("txt"),
        "{name:?}"
    );
    let renamed = [b"x ".as_slice(), NOTHING].concat();
    assert_eq!(at(stage, "outbound"), [renamed]);
    let deleted = run(
        stage,
        "utf-8",
        vec![
            get(SHOP, all),
            put("delete", SHOP, json!({ "command": "delete" })),
        ],
    );
    deleted.assert_ok(1);
    assert_eq!(at(stage, "outbound"), [b""; 0]);
}
