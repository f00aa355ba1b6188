//! The flows that must always work, and any mix of them.

use flow_tests::proxy::{CutProxy, Plan};
use flow_tests::run::{flow, get, put, with};
use flow_tests::servers::{FtpServer, Kind};
use flow_tests::shop::Shop;
use flow_tests::tree;
use serde_json::json;

use crate::arrange::{SHOP, Stage, files};

pub fn pull_send_and_only_then_move(stage: &Stage) {
    for name in ["a.json", "b.json", "refused.json"] {
        stage.server.write(&format!("outbound/{name}"), name);
    }
    let shop = Shop::start();
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "outbound", "path": r".*\.json" })),
        json!({
            "id": "send",
            "http": { "url": shop.url("/{{ 'status/422/' if 'refused' in original_filename else 'orders/' }}{{ original_filename }}") },
            "on_error": "continue",
        }),
        put("archive", SHOP, json!({ "command": "rename processed/{{ original_filename }}" })),
    ]);
    // One failed: its siblings went on, and it stayed where it was.
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.finished()["failed"], 1, "{run}");
    let failed = run.events_of("payload-failed", "send");
    assert_eq!(failed.len(), 1, "{run}");
    assert_eq!(failed[0]["code"], "422", "{run}");
    let mut sent: Vec<_> = shop
        .received()
        .into_iter()
        .map(|one| (one.method, one.target, one.size))
        .collect();
    sent.sort();
    let post = |target: &str, size| ("POST".to_owned(), target.to_owned(), size);
    assert_eq!(
        sent,
        [
            post("/orders/a.json", 6),
            post("/orders/b.json", 6),
            post("/status/422/refused.json", 12)
        ]
    );
    assert_eq!(
        stage.on_server(),
        files([
            ("outbound/refused.json", "refused.json"),
            ("processed/a.json", "a.json"),
            ("processed/b.json", "b.json")
        ])
    );
}

pub fn copy_between_folders_and_recreate_a_tree(stage: &Stage) {
    let tree = [
        "top.txt",
        "2025/12/a.txt",
        "2026/01/b.txt",
        "2026/01/week 1/c d.txt",
    ];
    for path in tree {
        stage.server.write(&format!("source/{path}"), path);
    }
    stage.server.make_folder("copy");
    let root = stage.server.remote_root.trim_end_matches('/').to_owned();
    let (from, to) = (
        with(stage.server.settings(), "root", format!("{root}/source")),
        with(stage.server.settings(), "root", format!("{root}/copy")),
    );
    let run = stage.bench.run(&flow(
        &[("from", from), ("to", to)],
        vec![
            get("from", json!({ "root": "", "match": "glob", "path": "**/*" })),
            put("put", "to", json!({})),
        ],
    ));
    run.assert_ok(4);
    let mut expected = files([]);
    for path in tree {
        for folder in ["source", "copy"] {
            expected.insert(format!("{folder}/{path}"), path.as_bytes().to_vec());
        }
    }
    assert_eq!(stage.on_server(), expected);
}

pub fn copy_to_another_server_and_move(stage: &Stage) {
    for name in ["a.txt", "b c.txt"] {
        stage.server.write(&format!("outbound/{name}"), name);
    }
    let partner = FtpServer::start(Kind::Embedded)
        .expect("it starts")
        .expect("it is part of the tests");
    let run = stage.bench.run(&flow(
        &[(SHOP, stage.server.settings()), ("partner", partner.settings())],
        vec![
            get(SHOP, json!({ "root": "outbound", "path": ".*" })),
            put("deliver", "partner", json!({ "path": "incoming/" })),
            put(
                "archive",
                SHOP,
                json!({ "command": "rename processed/{{ original_filename }}" }),
            ),
        ],
    ));
    run.assert_ok(2);
    assert_eq!(
        tree::files(&partner.root),
        files([("incoming/a.txt", "a.txt"), ("incoming/b c.txt", "b c.txt")])
    );
    assert_eq!(
        stage.on_server(),
        files([("processed/a.txt", "a.txt"), ("processed/b c.txt", "b c.txt")])
    );
}

pub fn one_sign_in_for_all_steps(stage: &Stage) {
    // Two: more uploads the proxy cannot pass on in one session.
    for name in ["a.txt", "b.txt"] {
        stage.server.write(&format!("outbound/{name}"), name);
    }
    let proxy = CutProxy::before(&stage.server, Plan::new());
    let steps = vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        put("copy", SHOP, json!({ "path": "copies/" })),
        put(
            "archive",
            SHOP,
            json!({ "command": "rename processed/{{ original_filename }}" }),
        ),
        put(
            "delete",
            SHOP,
            json!({ "command": "delete copies/{{ original_filename }}" }),
        ),
    ];
    let run = stage.run_by(&proxy, steps);
    run.assert_ok(2);
    assert_eq!(
        (proxy.count("USER"), proxy.count("PASS")),
        (1, 1),
        "{:?}",
        proxy.commands()
    );
    if let Some(sign_ins) = stage.server.sign_ins() {
        assert_eq!(sign_ins, 1, "{run}");
    }
}
