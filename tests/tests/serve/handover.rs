//! Two processes on one state folder.

use super::{TOKEN, bench, copy, put, run_of, waiting};
use flow_tests::gate::Gate;
use flow_tests::run::{SHOP, flow, get, write};
use flow_tests::servers::{FtpServer, Kind};
use flow_tests::serving::Serving;
use rustix::process::Signal;
use serde_json::json;

#[test]
fn one_leads_and_the_other_takes_over_when_it_is_killed_in_the_middle_of_a_run() {
    let server = FtpServer::start(Kind::Embedded)
        .expect("it starts")
        .expect("built in");
    server.write("outbound/order.csv", "1;2;3");
    let gate = Gate::closed();
    let bench = bench();
    let mut flow = flow(
        &[(SHOP, server.settings())],
        vec![
            get(SHOP, json!({ "root": "outbound", "path": ".*" })),
            json!({ "id": "gate", "http": { "url": gate.url() } }),
            write("in"),
        ],
    );
    flow["triggers"] = json!([{ "every": "1s" }, { "http": { "token": "${file:token}" } }]);
    let file = bench.flow_file(&flow);
    let file = [file.to_str().expect("UTF-8")];

    let mut first = Serving::start(&bench, &file);
    first.wait_event("test", "leading");
    gate.wait_for(1);
    let second = Serving::start(&bench, &file);
    second.wait_event("test", "standing-by");
    let refused = second.post("test", TOKEN, "");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    assert!(
        refused.body.contains("another process runs this flow"),
        "{refused:?}"
    );
    let health = second.get("/healthz");
    assert_eq!(
        (health.status, &health.json()["flows"][0]["state"]),
        (200, &json!("standby"))
    );
    assert_eq!(second.metric("flowhost_leader{flow=\"test\"}"), Some(0.0));
    assert_eq!(second.count("run-started"), 0, "the first one runs it");

    first.signal(Signal::KILL);
    let (status, lines) = first.end();
    assert_eq!(status.code(), None, "killed");
    assert!(
        !lines.iter().any(|line| line["event"] == "run-finished"),
        "in the middle"
    );
    second.wait_event("test", "leading");
    gate.wait_for(2);
    assert!(bench.files("in").is_empty());
    gate.open();
    let end = second.wait_event("test", "run-finished");
    assert_eq!(end["status"], "ok", "{end}");
    assert_eq!(bench.files("in")["order.csv"], b"1;2;3");
    assert_eq!(second.metric("flowhost_leader{flow=\"test\"}"), Some(1.0));
}

#[test]
fn who_ends_in_good_order_hands_over_without_waiting_for_its_other_runs() {
    let bench = bench();
    let gate = Gate::closed();
    put(&bench, "long.yaml", &waiting("long", &gate));
    put(&bench, "short.yaml", &copy("short", json!([{ "every": "1h" }])));
    let files = ["long.yaml", "short.yaml"];
    let mut first = Serving::start(&bench, &files);
    first.wait_event("short", "run-finished");
    first.wait_event("long", "leading");
    let _ = run_of(&first.post("long", TOKEN, ""));
    gate.wait_for(1);
    let second = Serving::start(&bench, &files);
    for flow in ["long", "short"] {
        second.wait_event(flow, "standing-by");
    }
    first.signal(Signal::TERM);
    second.wait_event("short", "leading");
    let leads = |flow: &str| second.metric(&format!("flowhost_leader{{flow=\"{flow}\"}}"));
    assert_eq!(
        (leads("short"), leads("long")),
        (Some(1.0), Some(0.0)),
        "its run is going"
    );
    gate.open();
    second.wait_event("long", "leading");
    assert_eq!(first.end().0.code(), Some(0));
}

#[test]
fn a_state_folder_without_locks_is_no_licence_to_run() {
    let bench = bench();
    put(
        &bench,
        "f.yaml",
        &copy("f", json!([{ "every": "1s" }, super::over_http()])),
    );
    bench.write("state/locks", "a file where a folder has to be");
    let serving = Serving::start(&bench, &["f.yaml"]);
    let failed = serving.wait_event("f", "lock-failed");
    assert!(
        failed["message"]
            .as_str()
            .is_some_and(|text| text.contains("locks")),
        "{failed}"
    );
    assert_eq!(serving.get("/healthz").status, 503);
    assert_eq!(serving.post("f", TOKEN, "").status, 503);
    assert_eq!(serving.count("run-started"), 0);
    std::fs::remove_file(bench.path("state/locks")).expect("there");
    serving.wait_event("f", "run-finished");
    assert_eq!(serving.count("lock-failed"), 1, "told once");
    assert_eq!(serving.get("/healthz").status, 200);
}
