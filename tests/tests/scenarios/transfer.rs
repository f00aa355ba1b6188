//! How bytes and times move, and how that is checked.

use std::time::{Duration, SystemTime};

use flow_tests::proxy::{CutProxy, Plan};
use flow_tests::run::{flow, get, put, read, with, write};
use flow_tests::tree;
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage, files, warnings};

const HASHES: [&str; 10] = [
    "HASH", "MD5", "XCRC", "XMD5", "XSHA", "XSHA1", "XSHA224", "XSHA256", "XSHA384", "XSHA512",
];

/// A server that computes hashes is asked for one; at the others, lengths are compared.
pub fn verified_by_a_hash(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    let proxy = CutProxy::before(&stage.server, Plan::new());
    let run = stage.run_by(
        &proxy,
        vec![
            get(SHOP, json!({ "path": "outbound/a.txt", "verify": "hash" })),
            put("put", SHOP, json!({ "path": "inbound/", "verify": "hash" })),
        ],
    );
    run.assert_ok(1);
    assert_eq!(stage.server.read("inbound/a.txt").as_deref(), Some(&b"hello"[..]));
    let asked: usize = HASHES.iter().map(|word| proxy.count(word)).sum();
    if stage.server.kind.has_hash() {
        assert_eq!(asked, 2, "{:?}", proxy.commands());
    } else {
        assert_eq!(asked, 0, "{:?}", proxy.commands());
        assert!(proxy.count("SIZE") > 0, "{:?}", proxy.commands());
    }
}

/// Nothing is asked afterwards.
pub fn not_verified(stage: &Stage) {
    let proxy = CutProxy::before(&stage.server, Plan::new());
    stage.bench.write("out/a.txt", "hello");
    let run = stage.run_by(
        &proxy,
        vec![
            read("out/*"),
            put(
                "put",
                SHOP,
                json!({ "path": "inbound/", "verify": "none", "temporary_name": "{name}" }),
            ),
        ],
    );
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/a.txt", "hello")]));
    let commands = proxy.commands();
    let after = commands.iter().skip_while(|line| !line.starts_with("STOR"));
    assert!(
        !after.into_iter().any(|line| line.starts_with("SIZE")),
        "{commands:?}"
    );
}

pub fn with_the_time_of_the_file(stage: &Stage) {
    stage.bench.write("out/a.txt", "hello");
    // 2020-01-02 03:04:05 UTC.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_934_245);
    tree::set_modified(&stage.bench.path("out/a.txt"), time);
    let run = stage.run(vec![
        read("out/*"),
        put(
            "put",
            SHOP,
            json!({ "path": "inbound/", "preserve_modified": true }),
        ),
    ]);
    run.assert_ok(1);
    let metadata = std::fs::metadata(stage.server.root.join("inbound/a.txt")).expect("it is there");
    let stored = metadata.modified().expect("Linux knows");
    if stage.server.kind.sets_times() {
        let off = stored
            .max(time)
            .duration_since(stored.min(time))
            .expect("in this order");
        assert!(off <= Duration::from_secs(1), "{off:?} off: {run}");
        assert_eq!(warnings(&run, "put"), [""; 0], "{run}");
    } else {
        // It has neither MFMT nor MDTM with a time: the file is whole, and a warning says what is missing.
        assert!(
            stored.elapsed().is_ok_and(|age| age < Duration::from_mins(10)),
            "{run}"
        );
        assert!(!warnings(&run, "put").is_empty(), "no word about the time: {run}");
    }
}

pub fn as_text(stage: &Stage) {
    stage.server.write("outbound/a.txt", "one\ntwo\n");
    let proxy = CutProxy::before(&stage.server, Plan::new());
    let text = |options: Value| with(options, "transfer_type", "ascii");
    let run = stage.run_by(
        &proxy,
        vec![
            get(SHOP, text(json!({ "path": "outbound/a.txt" }))),
            write("in"),
            put("put", SHOP, text(json!({ "path": "inbound/" }))),
            // What was set for one transfer is not left for the next.
            put("binary", SHOP, json!({ "path": "binary/" })),
        ],
    );
    run.assert_ok(1);
    assert!(
        proxy.commands().contains(&"TYPE A".to_owned()),
        "{:?}",
        proxy.commands()
    );
    assert_eq!(stage.local("in"), files([("a.txt", "one\ntwo\n")]));
    let stored = if stage.server.kind.changes_line_ends() {
        "one\ntwo\n"
    } else {
        "one\r\ntwo\r\n"
    };
    assert_eq!(
        stage.on_server(),
        files([
            ("binary/a.txt", "one\ntwo\n"),
            ("inbound/a.txt", stored),
            ("outbound/a.txt", "one\ntwo\n")
        ])
    );
}

/// The control connection is kept awake while a file takes its time.
pub fn slowly_with_signs_of_life(stage: &Stage) {
    let content = "x".repeat(40_000);
    stage.server.write("outbound/a.txt", &content);
    // Ten pieces: four seconds.
    let plan = Plan::new().pace(4_000, Duration::from_millis(400));
    let proxy = CutProxy::before(&stage.server, plan);
    let settings = with(proxy.settings(&stage.server), "keep_alive", 1);
    let steps = vec![get(SHOP, json!({ "path": "outbound/a.txt" })), write("in")];
    let run = stage.bench.run(&flow(&[(SHOP, settings)], steps));
    run.assert_ok(1);
    assert_eq!(stage.local("in"), files([("a.txt", content.as_str())]));
    let commands = proxy.commands();
    let transfer = commands.iter().skip_while(|line| !line.starts_with("RETR"));
    let signs = transfer.filter(|line| *line == "NOOP").count();
    assert!(signs >= 2, "{signs}: {commands:?}");
    assert_eq!((proxy.count("RETR"), proxy.count("USER")), (1, 1), "{commands:?}");
}

/// Slow, but never silent for as long as the time-out is.
pub fn slowly_within_the_time_out(stage: &Stage) {
    let content = "x".repeat(40_000);
    stage.server.write("outbound/a.txt", &content);
    let proxy = CutProxy::before(
        &stage.server,
        Plan::new().pace(10_000, Duration::from_millis(600)),
    );
    let settings = with(with(proxy.settings(&stage.server), "timeout", 1), "max_tries", 1);
    let steps = vec![get(SHOP, json!({ "path": "outbound/a.txt" })), write("in")];
    stage.bench.run(&flow(&[(SHOP, settings)], steps)).assert_ok(1);
    assert_eq!(stage.local("in"), files([("a.txt", content.as_str())]));
}
