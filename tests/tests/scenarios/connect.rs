//! Ways to connect.

use flow_tests::run::{Run, flow, get, put, with, write};
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage, files};

pub fn with_epsv(stage: &Stage) {
    there_and_back(stage, with(stage.server.settings(), "data_connection", "epsv"));
}

pub fn with_pasv(stage: &Stage) {
    there_and_back(stage, with(stage.server.settings(), "data_connection", "pasv"));
}

pub fn with_active_data_connections(stage: &Stage) {
    there_and_back(stage, with(stage.server.settings(), "data_connection", "active"));
}

/// A listing, two downloads and two uploads, one of them empty.
fn there_and_back(stage: &Stage, settings: Value) {
    stage.server.write("outbound/a.txt", "hello");
    stage.server.write("outbound/empty.txt", "");
    let steps = vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        write("in"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ];
    let run = stage.bench.run(&flow(&[(SHOP, settings)], steps));
    run.assert_ok(2);
    assert_eq!(stage.local("in"), files([("a.txt", "hello"), ("empty.txt", "")]));
    assert_eq!(stage.server.read("inbound/a.txt").as_deref(), Some(&b"hello"[..]));
    assert_eq!(stage.server.read("inbound/empty.txt").as_deref(), Some(&b""[..]));
}

pub fn and_check_the_connection(stage: &Stage) {
    let steps = vec![get(SHOP, json!({ "path": "a.txt" }))];
    let flow = stage
        .bench
        .flow_file(&flow(&[(SHOP, stage.server.settings())], steps));
    let mut command = stage.bench.command();
    command.args(["check", "--json"]).arg(flow);
    let run = Run::of(command);
    assert_eq!(run.code, Some(0), "{run}");
    let steps: Vec<_> = run
        .events
        .iter()
        .filter(|event| event["event"] == "check-step")
        .collect();
    assert!(steps.iter().all(|step| step["status"] != "failed"), "{run}");
    assert!(
        steps
            .iter()
            .any(|step| step["name"] == "sign in" && step["status"] == "passed"),
        "{run}"
    );
    // A check changes nothing.
    assert!(stage.on_server().is_empty());
}
