//! Connections that break and replies that get lost, between honest servers and us.

use flow_tests::proxy::{CutProxy, How, Plan, What};
use flow_tests::run::{Run, flow, get, put, read, with, write};
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage, files};

/// Large enough that nobody has all of it in a buffer.
const SIZE: usize = 8_000_000;

fn content() -> Vec<u8> {
    (0..SIZE / 4)
        .flat_map(|number| {
            u32::try_from(number)
                .expect("small")
                .wrapping_mul(2_654_435_761)
                .to_le_bytes()
        })
        .collect()
}

fn run_with(stage: &Stage, plan: Plan, steps: Vec<Value>) -> (Run, CutProxy) {
    let proxy = CutProxy::before(&stage.server, plan);
    let settings = with(proxy.settings(&stage.server), "timeout", 10);
    let run = stage.bench.run(&flow(&[(SHOP, settings)], steps));
    assert_eq!(proxy.left_to_do(), 0, "what was planned did not happen: {run}");
    (run, proxy)
}

const BREAKS: [(What, How); 4] = [
    (What::Data, How::Reset),
    (What::Data, How::Close),
    (What::Both, How::Reset),
    (What::Both, How::Close),
];

/// What an end of TLS that says it is one cannot be told from: the whole file.
pub const ENDS_OF_TLS: [(What, How); 2] = [(What::Data, How::CloseNotify), (What::Both, How::CloseNotify)];

pub fn a_get_in_the_middle(stage: &Stage) {
    get_in_the_middle(stage, &BREAKS);
}

pub fn get_in_the_middle(stage: &Stage, breaks: &[(What, How)]) {
    let content = content();
    stage.server.write("outbound/a.bin", &content);
    for &(what, how) in breaks {
        let plan = Plan::new().cut(SIZE as u64 / 2, what, how);
        let steps = vec![get(SHOP, json!({ "path": "outbound/a.bin" })), write("in")];
        let (run, _) = run_with(stage, plan, steps);
        run.assert_ok(1);
        assert!(
            stage.local("in").get("a.bin") == Some(&content),
            "{what:?} {how:?}: {run}"
        );
    }
}

pub fn a_put_in_the_middle(stage: &Stage) {
    put_in_the_middle(stage, &BREAKS);
}

pub fn put_in_the_middle(stage: &Stage, breaks: &[(What, How)]) {
    let content = content();
    stage.bench.write("out/a.bin", &content);
    for &(what, how) in breaks {
        let plan = Plan::new().cut(SIZE as u64 / 2, what, how);
        let steps = vec![read("out/*"), put("put", SHOP, json!({ "path": "inbound/" }))];
        let (run, _) = run_with(stage, plan, steps);
        run.assert_ok(1);
        let on_server = stage.on_server();
        assert_eq!(
            on_server.keys().collect::<Vec<_>>(),
            ["inbound/a.bin"],
            "{what:?} {how:?}: {run}"
        );
        assert!(on_server["inbound/a.bin"] == content, "{what:?} {how:?}: {run}");
    }
}

/// A firewall forgets the control connection in a long transfer; the data arrives.
pub fn the_control_connection_in_a_transfer(stage: &Stage) {
    let content = content();
    stage.server.write("outbound/a.bin", &content);
    let plan = Plan::new().cut(SIZE as u64 / 2, What::Control, How::Reset);
    let steps = vec![
        get(SHOP, json!({ "path": "outbound/a.bin" })),
        write("in"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ];
    let (run, _) = run_with(stage, plan, steps);
    run.assert_ok(1);
    assert!(stage.local("in").get("a.bin") == Some(&content), "{run}");
    assert!(stage.server.read("inbound/a.bin") == Some(content), "{run}");
}

pub fn the_reply_to_a_store(stage: &Stage) {
    stage.bench.write("out/a.txt", "hello");
    let steps = vec![read("out/*"), put("put", SHOP, json!({ "path": "inbound/" }))];
    let (run, _) = run_with(stage, Plan::new().lose_reply_to("STOR"), steps);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/a.txt", "hello")]));
}

/// The rename at the end of an upload: the file is there, so it is not sent again.
pub fn the_reply_to_the_rename_of_a_put(stage: &Stage) {
    stage.bench.write("out/a.txt", "hello");
    let steps = vec![read("out/*"), put("put", SHOP, json!({ "path": "inbound/" }))];
    let (run, proxy) = run_with(stage, Plan::new().lose_reply_to("RNTO"), steps);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/a.txt", "hello")]));
    assert_eq!(proxy.count("STOR"), 1, "{:?}", proxy.commands());
}

pub fn the_reply_to_a_rename(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    let steps = vec![
        get(SHOP, json!({ "path": "outbound/a.txt" })),
        put("archive", SHOP, json!({ "command": "rename done/" })),
    ];
    let (run, _) = run_with(stage, Plan::new().lose_reply_to("RNTO"), steps);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("done/a.txt", "hello")]));
}

pub fn the_reply_to_a_delete(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    stage.server.write("outbound/keep.txt", "k");
    let steps = vec![
        get(SHOP, json!({ "path": "outbound/a.txt" })),
        put("delete", SHOP, json!({ "command": "delete" })),
    ];
    let (run, _) = run_with(stage, Plan::new().lose_reply_to("DELE"), steps);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("outbound/keep.txt", "k")]));
}

/// The bytes are there once, not twice.
pub fn the_reply_to_an_append(stage: &Stage) {
    stage.server.write("inbound/log.txt", "one\n");
    stage.bench.write("out/two", "two\n");
    let steps = vec![
        read("out/*"),
        put("put", SHOP, json!({ "command": "append inbound/log.txt" })),
    ];
    let (run, _) = run_with(stage, Plan::new().lose_reply_to("APPE"), steps);
    run.assert_ok(1);
    assert_eq!(stage.on_server(), files([("inbound/log.txt", "one\ntwo\n")]));
}

/// The same after a get, where the flow has the file already.
pub fn the_reply_to_what_comes_after_a_get(stage: &Stage) {
    for (after, word) in [("delete", "DELE"), ("move to done/", "RNTO")] {
        stage.server.write("outbound/a.txt", "hello");
        let steps = vec![
            get(SHOP, json!({ "path": "outbound/a.txt", "after": after })),
            write("in"),
        ];
        let (run, _) = run_with(stage, Plan::new().lose_reply_to(word), steps);
        run.assert_ok(1);
        assert_eq!(stage.server.read("outbound/a.txt"), None, "{after}: {run}");
        assert_eq!(stage.local("in"), files([("a.txt", "hello")]));
    }
    assert_eq!(stage.on_server(), files([("done/a.txt", "hello")]));
}

pub fn a_listing(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    let word = if stage.server.kind.has_mlsd() {
        "MLSD"
    } else {
        "LIST"
    };
    let steps = vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        write("in"),
    ];
    let (run, _) = run_with(stage, Plan::new().lose_reply_to(word), steps);
    run.assert_ok(1);
    assert_eq!(stage.local("in"), files([("a.txt", "hello")]));
}
