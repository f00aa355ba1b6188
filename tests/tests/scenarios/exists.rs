//! The target is there already.

use flow_tests::proxy::{CutProxy, Plan};
use flow_tests::run::{Run, get, put, read};
use serde_json::json;

use crate::arrange::{SHOP, Stage, files};

/// Puts `new` to `inbound/a.txt`, which may be there.
fn put_a(stage: &Stage, if_exists: &str) -> Run {
    stage.bench.write("out/a.txt", "new");
    stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "inbound/", "if_exists": if_exists })),
    ])
}

pub fn a_put_overwrites(stage: &Stage) {
    stage.server.write("inbound/a.txt", "old and longer");
    put_a(stage, "overwrite").assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/a.txt", "new")]));
}

/// The payload goes on: the next step sees it.
pub fn a_put_is_skipped(stage: &Stage) {
    stage.server.write("inbound/a.txt", "old");
    stage.bench.write("out/a.txt", "new");
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "inbound/", "if_exists": "skip" })),
        put("copy", SHOP, json!({ "path": "copies/" })),
    ]);
    run.assert_ok(1);
    assert_eq!(
        stage.on_server(),
        files([("inbound/a.txt", "old"), ("copies/a.txt", "new")])
    );
}

pub fn a_put_fails(stage: &Stage) {
    stage.server.write("inbound/a.txt", "old");
    let run = put_a(stage, "fail");
    let failure = run.assert_failed("conflict");
    let message = failure["message"].as_str().unwrap_or_default();
    assert!(message.contains("inbound/a.txt"), "{run}");
    assert_eq!(stage.on_server(), files([("inbound/a.txt", "old")]));
}

pub fn a_put_gets_a_number(stage: &Stage) {
    stage.server.write("inbound/a.txt", "old");
    put_a(stage, "rename").assert_ok(1);
    put_a(stage, "rename").assert_ok(1);
    assert_eq!(
        stage.on_server(),
        files([
            ("inbound/a.txt", "old"),
            ("inbound/a-1.txt", "new"),
            ("inbound/a-2.txt", "new")
        ])
    );
}

pub fn a_put_is_appended(stage: &Stage) {
    stage.server.write("inbound/a.txt", "old\n");
    put_a(stage, "append").assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/a.txt", "old\nnew")]));
}

/// Nothing is in the way, so that all of them are the same.
pub fn a_put_to_a_free_name_is_a_put(stage: &Stage) {
    for if_exists in ["overwrite", "skip", "fail", "rename", "append"] {
        stage.bench.write("out/a.txt", "new");
        let path = format!("{if_exists}/");
        let run = stage.run(vec![
            read("out/*"),
            put("put", SHOP, json!({ "path": path, "if_exists": if_exists })),
        ]);
        run.assert_ok(1);
        assert_eq!(
            stage.server.read(&format!("{if_exists}/a.txt")).as_deref(),
            Some(&b"new"[..]),
            "{if_exists}"
        );
    }
}

pub fn a_rename_does_as_it_is_told(stage: &Stage) {
    let renamed = |if_exists: &str| {
        stage.server.write("outbound/a.txt", "new");
        stage.server.write("done/a.txt", "old");
        stage.run(vec![
            get(SHOP, json!({ "path": "outbound/a.txt" })),
            put(
                "rename",
                SHOP,
                json!({ "command": "rename done/", "if_exists": if_exists }),
            ),
        ])
    };
    renamed("skip").assert_ok(1);
    assert_eq!(
        stage.on_server(),
        files([("done/a.txt", "old"), ("outbound/a.txt", "new")])
    );
    let run = renamed("fail");
    let _ = run.assert_failed("conflict");
    assert_eq!(
        stage.on_server(),
        files([("done/a.txt", "old"), ("outbound/a.txt", "new")])
    );
    renamed("rename").assert_ok(1);
    assert_eq!(
        stage.on_server(),
        files([("done/a.txt", "old"), ("done/a-1.txt", "new")])
    );
    renamed("overwrite").assert_ok(1);
    assert_eq!(
        stage.on_server(),
        files([("done/a.txt", "new"), ("done/a-1.txt", "new")])
    );
}

/// The name that an upload has until it is complete is the one that the flow gives it.
pub fn a_put_has_the_temporary_name_that_it_is_given(stage: &Stage) {
    let stored_as = |temporary: &str| {
        let proxy = CutProxy::before(&stage.server, Plan::new());
        stage.bench.write("out/a.csv", "new");
        let run = stage.run_by(
            &proxy,
            vec![
                read("out/a.csv"),
                put(
                    "put",
                    SHOP,
                    json!({ "path": "inbound/", "temporary_name": temporary }),
                ),
            ],
        );
        run.assert_ok(1);
        assert_eq!(
            stage.server.read("inbound/a.csv").as_deref(),
            Some(&b"new"[..]),
            "{run}"
        );
        let commands = proxy.commands();
        let name = |word: &str| {
            let line = commands.iter().find(|line| line.starts_with(word))?;
            line.rsplit('/').next().map(ToOwned::to_owned)
        };
        (name("STOR "), name("RNFR "), name("RNTO "))
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(
        stored_as("{name}.tmp"),
        (some("a.csv.tmp"), some("a.csv.tmp"), some("a.csv"))
    );
    assert_eq!(stored_as("{name}"), (some("a.csv"), None, None));
    let (stored, renamed, _) = stored_as("{stem}-{run}.{extension}");
    let stored = stored.expect("something is stored");
    assert!(
        stored.starts_with("a-") && stored.rsplit('.').next() == Some("csv") && stored.len() > "a-.csv".len(),
        "{stored}"
    );
    assert_eq!(renamed, Some(stored));
    assert_eq!(stage.on_server(), files([("inbound/a.csv", "new")]));
}
