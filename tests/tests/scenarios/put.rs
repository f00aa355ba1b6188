//! Sending files.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use flow_tests::run::{flow, put, read, with};
use flow_tests::servers::Kind;
use serde_json::json;

use crate::arrange::{SHOP, Stage, files};

pub fn a_new_file(stage: &Stage) {
    stage.server.make_folder("inbound");
    stage.bench.write("out/a.txt", "hello");
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "inbound/b.txt" })),
    ]);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/b.txt", "hello")]));
}

pub fn onto_an_existing_file(stage: &Stage) {
    stage
        .server
        .write("inbound/a.txt", "a much longer content than the new one");
    stage.bench.write("out/a.txt", "new");
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ]);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/a.txt", "new")]));
}

pub fn into_new_folders(stage: &Stage) {
    for name in ["a.txt", "b.txt"] {
        stage.bench.write(&format!("out/{name}"), name);
    }
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "in/2026/07 July/" })),
    ]);
    run.assert_ok(2);
    assert_eq!(
        stage.on_server(),
        files([
            ("in/2026/07 July/a.txt", "a.txt"),
            ("in/2026/07 July/b.txt", "b.txt")
        ])
    );
}

pub fn files_with_odd_names(stage: &Stage) {
    let names = stage.odd_names();
    for name in &names {
        stage.bench.write(&format!("out/{name}"), name);
    }
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ]);
    run.assert_ok(names.len() as u64);
    let wanted: BTreeMap<_, _> = names
        .iter()
        .map(|name| (format!("inbound/{name}"), name.as_bytes().to_vec()))
        .collect();
    assert_eq!(stage.on_server(), wanted);
}

pub fn an_empty_file(stage: &Stage) {
    stage.bench.write("out/empty.txt", "");
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ]);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/empty.txt", "")]));
}

pub fn every_byte(stage: &Stage) {
    let content: Vec<u8> = (0..=255).cycle().take(1_500_000).chain(*b"\r\n\n\r\0").collect();
    stage.bench.write("out/bytes", &content);
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ]);
    run.assert_ok(1);
    assert!(
        stage.server.read("inbound/bytes").as_ref() == Some(&content),
        "the bytes have changed"
    );
}

pub fn under_the_original_path(stage: &Stage) {
    stage.bench.write("out/a/b/c.txt", "deep");
    stage.bench.write("out/top.txt", "top");
    let run = stage.run(vec![read("out/**/*"), put("put", SHOP, json!({}))]);
    run.assert_ok(2);
    assert_eq!(
        stage.on_server(),
        files([("a/b/c.txt", "deep"), ("top.txt", "top")])
    );
}

/// The visibility is what the server makes of `SITE CHMOD`; one that refuses costs a warning.
pub fn as_private_files(stage: &Stage) {
    stage.bench.write("out/a.txt", "secret");
    let settings = with(
        with(stage.server.settings(), "visibility", "private"),
        "directory_visibility",
        "private",
    );
    let steps = vec![read("out/*"), put("put", SHOP, json!({ "path": "new/" }))];
    let run = stage.bench.run(&flow(&[(SHOP, settings)], steps));
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("new/a.txt", "secret")]));
    let mode = |path: &str| {
        let metadata = std::fs::metadata(stage.server.root.join(path)).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    let warnings = run
        .events_of("log", "put")
        .iter()
        .filter(|event| event["level"] == "warn")
        .count();
    if stage.server.kind.has_chmod() {
        assert_eq!((mode("new"), mode("new/a.txt")), (0o700, 0o600));
        assert_eq!(warnings, 0, "{run}");
    } else {
        assert!(warnings > 0, "no word about the refusal: {run}");
    }
}

pub fn appended(stage: &Stage) {
    stage.server.write("inbound/log.txt", "one\n");
    stage.bench.write("out/two", "two\n");
    let append = |path: &str| {
        vec![
            read("out/*"),
            put("put", SHOP, json!({ "command": format!("append {path}") })),
        ]
    };
    stage.run(append("inbound/log.txt")).assert_ok(1);
    stage.run(append("inbound/log.txt")).assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/log.txt", "one\ntwo\ntwo\n")]));
    if stage.server.kind == Kind::Embedded {
        return; // libunftp appends only to what is there.
    }
    stage.run(append("fresh/log.txt")).assert_ok(1);
    assert_eq!(
        stage.on_server(),
        files([("inbound/log.txt", "one\ntwo\ntwo\n"), ("fresh/log.txt", "two\n")])
    );
}

/// A pattern says which payloads are sent; the others pass on.
pub fn only_what_an_expression_fits(stage: &Stage) {
    for name in ["orders_1.csv", "orders_2.csv", "readme.txt"] {
        stage.bench.write(&format!("out/{name}"), name);
    }
    let run = stage.run(vec![
        read("out/*"),
        put(
            "put",
            SHOP,
            json!({ "root": "inbound", "path": r"orders_\d\.csv" }),
        ),
    ]);
    assert_eq!((run.code, run.failures().len()), (Some(0), 0), "{run}");
    assert_eq!(
        stage.on_server(),
        files([
            ("inbound/orders_1.csv", "orders_1.csv"),
            ("inbound/orders_2.csv", "orders_2.csv")
        ])
    );
}
