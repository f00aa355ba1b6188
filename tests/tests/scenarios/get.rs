//! Receiving files.

use std::collections::BTreeMap;

use flow_tests::run::{flow, get, with, write};
use serde_json::json;

use crate::arrange::{SHOP, Stage, files};

pub fn one_file_by_its_path(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    stage.server.write("outbound/b.txt", "not me");
    let run = stage.run(vec![get(SHOP, json!({ "path": "outbound/a.txt" })), write("in")]);
    run.assert_ok(1);
    assert_eq!(run.finished()["bytes"], 5);
    assert_eq!(stage.local("in"), files([("a.txt", "hello")]));
    assert_eq!(run.attributes("get", "original_filename"), ["a.txt"]);
    assert_eq!(run.attributes("get", "original_path"), ["outbound/a.txt"]);
    // Getting changes nothing.
    assert_eq!(
        stage.on_server(),
        files([("outbound/a.txt", "hello"), ("outbound/b.txt", "not me")])
    );
}

pub fn files_by_regular_expression(stage: &Stage) {
    for name in ["orders_20260701.csv", "orders_20260702.csv"] {
        stage.server.write(&format!("outbound/{name}"), name);
    }
    // The expression fits the whole name and looks only into the folder itself.
    for name in [
        "x_orders_20260701.csv",
        "orders_20260701.csv.bak",
        "orders_2026.csv",
        "old/orders_20260601.csv",
    ] {
        stage.server.write(&format!("outbound/{name}"), "not me");
    }
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "outbound", "path": r"orders_\d{8}\.csv" })),
        write("in"),
    ]);
    run.assert_ok(2);
    assert_eq!(
        stage.local("in"),
        files([
            ("orders_20260701.csv", "orders_20260701.csv"),
            ("orders_20260702.csv", "orders_20260702.csv")
        ])
    );
}

pub fn files_in_folders_by_regular_expression(stage: &Stage) {
    for path in [
        "2025/a.csv",
        "2026/07/b.csv",
        "2026/07/c.txt",
        "misc/d.csv",
        "e.csv",
    ] {
        stage.server.write(&format!("outbound/{path}"), path);
    }
    let run = stage.run(vec![get(
        SHOP,
        json!({ "root": "outbound", "path": r"\d{4}/(\d\d/)?\w\.csv" }),
    )]);
    run.assert_ok(2);
    assert_eq!(
        run.attributes("get", "original_path"),
        ["outbound/2025/a.csv", "outbound/2026/07/b.csv"]
    );
}

pub fn files_by_glob(stage: &Stage) {
    for path in ["a.csv", "b.csv", "b.txt", "deep/c.csv", "deep/er/d.csv"] {
        stage.server.write(&format!("outbound/{path}"), path);
    }
    let all = |path: &str| {
        let run = stage.run(vec![get(
            SHOP,
            json!({ "root": "outbound", "match": "glob", "path": path }),
        )]);
        assert_eq!(run.code, Some(0), "{run}");
        run.attributes("get", "original_path")
    };
    assert_eq!(all("*.csv"), ["outbound/a.csv", "outbound/b.csv"]);
    assert_eq!(all("b.*"), ["outbound/b.csv", "outbound/b.txt"]);
    assert_eq!(
        all("**/*.csv"),
        [
            "outbound/a.csv",
            "outbound/b.csv",
            "outbound/deep/c.csv",
            "outbound/deep/er/d.csv"
        ]
    );
}

pub fn a_file_that_the_command_names(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    let run = stage.run(vec![
        get(SHOP, json!({ "command": "get outbound/a.txt" })),
        write("in"),
    ]);
    run.assert_ok(1);
    assert_eq!(stage.local("in"), files([("a.txt", "hello")]));
}

pub fn a_file_below_the_default_folder(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    stage.server.write("outbound/deeper/b.txt", "not me");
    let settings = with(stage.server.settings(), "path", "outbound");
    let run = stage.bench.run(&flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({})), write("in")],
    ));
    run.assert_ok(1);
    assert_eq!(stage.local("in"), files([("a.txt", "hello")]));
}

pub fn files_with_odd_names(stage: &Stage) {
    let names = stage.odd_names();
    for name in &names {
        stage.server.write(&format!("outbound/{name}"), name);
    }
    let wanted: BTreeMap<_, _> = names
        .iter()
        .map(|name| ((*name).to_owned(), name.as_bytes().to_vec()))
        .collect();
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        write("in"),
    ]);
    run.assert_ok(names.len() as u64);
    assert_eq!(stage.local("in"), wanted);
    // And each by its own path.
    let steps = names.iter().map(|name| {
        let mut step = get(SHOP, json!({ "path": format!("outbound/{name}") }));
        step["id"] = json!(name);
        step
    });
    for step in steps {
        let id = step["id"].as_str().expect("set above").to_owned();
        let run = stage.run(vec![step]);
        run.assert_ok(1);
        assert_eq!(run.attributes(&id, "original_filename"), [id]);
    }
}

pub fn files_in_folders_with_odd_names(stage: &Stage) {
    let names = stage.odd_names();
    for folder in &names {
        stage.server.write(&format!("outbound/{folder}/file.txt"), folder);
    }
    let run = stage.run(vec![get(
        SHOP,
        json!({ "root": "outbound", "match": "glob", "path": "*/file.txt" }),
    )]);
    run.assert_ok(names.len() as u64);
    let mut wanted: Vec<_> = names
        .iter()
        .map(|folder| format!("outbound/{folder}/file.txt"))
        .collect();
    wanted.sort();
    assert_eq!(run.attributes("get", "original_path"), wanted);
}

pub fn an_empty_file(stage: &Stage) {
    stage.server.write("outbound/empty.txt", "");
    let run = stage.run(vec![
        get(SHOP, json!({ "path": "outbound/empty.txt" })),
        write("in"),
    ]);
    run.assert_ok(1);
    assert_eq!(stage.local("in"), files([("empty.txt", "")]));
}

/// Line ends and bytes that a transfer as text would change, and more of them than any buffer holds.
pub fn every_byte(stage: &Stage) {
    let content: Vec<u8> = (0..=255).cycle().take(1_500_000).chain(*b"\r\n\n\r\0").collect();
    stage.server.write("outbound/bytes", &content);
    let run = stage.run(vec![get(SHOP, json!({ "path": "outbound/bytes" })), write("in")]);
    run.assert_ok(1);
    assert_eq!(run.finished()["bytes"], content.len());
    assert!(
        stage.local("in").get("bytes") == Some(&content),
        "the bytes have changed"
    );
}

pub fn nothing_when_nothing_fits(stage: &Stage) {
    stage.server.write("outbound/a.txt", "not me");
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "outbound", "path": r".*\.csv" })),
        write("in"),
    ]);
    run.assert_ok(0);
    stage.server.make_folder("nothing here");
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "nothing here", "path": ".*" })),
        write("in"),
    ]);
    run.assert_ok(0);
    assert!(stage.local("in").is_empty());
}

pub fn two_thousand_files(stage: &Stage) {
    let names: Vec<String> = (0..2_000)
        .map(|number| format!("order {number:04}.csv"))
        .collect();
    for name in &names {
        stage.server.write(&format!("outbound/{name}"), name);
    }
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "outbound", "path": r"order \d{4}\.csv" })),
        write("in"),
    ]);
    run.assert_ok(2_000);
    let wanted: BTreeMap<_, _> = names
        .iter()
        .map(|name| (name.clone(), name.clone().into_bytes()))
        .collect();
    assert!(stage.local("in") == wanted, "not the 2,000 files that were there");
}

pub fn under_names_that_the_flow_gives(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    let options =
        json!({ "path": "outbound/a.txt", "original_filename": "b.txt", "original_path": "elsewhere/b.txt" });
    let run = stage.run(vec![get(SHOP, options), write("in")]);
    run.assert_ok(1);
    assert_eq!(run.attributes("get", "original_path"), ["elsewhere/b.txt"]);
    assert_eq!(stage.local("in"), files([("b.txt", "hello")]));
}
