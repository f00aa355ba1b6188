//! The time starts runs.

use super::{bench, copy, put};
use flow_tests::run::{SHOP, flow, get, put as put_step, write};
use flow_tests::servers::{FtpServer, Kind};
use flow_tests::serving::Serving;
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn cron_runs_a_flow_again_and_again() {
    let bench = bench();
    put(
        &bench,
        "f.yaml",
        &copy("f", json!([{ "cron": "* * * * * *", "zone": "Europe/Zurich" }])),
    );
    let serving = Serving::start(&bench, &["f.yaml"]);
    let ends = serving.wait_for("runs", 3, |line| line["event"] == "run-finished");
    let runs: BTreeSet<_> = ends.iter().map(|end| end["run"].to_string()).collect();
    assert!(runs.len() >= 3, "each is a run of its own: {runs:?}");
    assert!(ends.iter().all(|end| end["status"] == "ok"), "{ends:?}");
    assert_eq!(bench.files("in")["a.txt"], b"hello");
}

#[test]
fn an_interval_begins_at_once_and_goes_on() {
    let bench = bench();
    put(&bench, "f.yaml", &copy("f", json!([{ "every": "1s" }])));
    let serving = Serving::start(&bench, &["f.yaml"]);
    serving.wait_for("runs", 3, |line| line["event"] == "run-finished");
}

#[test]
fn every_line_of_a_run_has_its_time_flow_and_id() {
    let bench = bench();
    put(&bench, "a.yaml", &copy("a", json!([{ "every": "1s" }])));
    let mut other = copy("b", json!([{ "every": "1s" }]));
    other["steps"][1]["folder"]["write"] = json!("in-b");
    put(&bench, "b.yaml", &other);
    let serving = Serving::start(&bench, &["a.yaml", "b.yaml"]);
    for flow in ["a", "b"] {
        serving.wait_event(flow, "run-finished");
    }
    let of_runs = [
        "run-started",
        "step-started",
        "payload-done",
        "step-finished",
        "run-finished",
    ];
    let lines = serving.lines();
    let mut seen = BTreeSet::new();
    for line in &lines {
        assert!(line["time"].is_string(), "{line}");
        let Some(event) = of_runs.iter().find(|event| line["event"] == **event) else {
            continue;
        };
        assert!(line["run"].is_string() && line["flow"].is_string(), "{line}");
        seen.insert(*event);
    }
    assert_eq!(seen.len(), of_runs.len(), "{lines:?}");
}

#[test]
fn a_poll_tells_nothing_until_there_is_a_file() {
    let server = FtpServer::start(Kind::Embedded)
        .expect("it starts")
        .expect("built in");
    server.make_folder("outbound");
    server.make_folder("done");
    let bench = bench();
    let mut flow = flow(
        &[(SHOP, server.settings())],
        vec![
            get(SHOP, json!({ "root": "outbound", "path": ".*" })),
            write("in"),
            put_step(
                "move",
                SHOP,
                json!({ "command": "rename done/{{ original_filename }}" }),
            ),
        ],
    );
    flow["triggers"] = json!([{ "poll": "1s" }]);
    let file = bench.flow_file(&flow);
    let serving = Serving::start(&bench, &[file.to_str().expect("UTF-8")]);
    serving.wait_metric("flowhost_runs_total{flow=\"test\",status=\"empty\"}", 2.0);
    assert_eq!(serving.count("run-started"), 0, "{:?}", serving.lines());

    server.write("outbound/late.txt", "here");
    let end = serving.wait_event("test", "run-finished");
    assert_eq!(
        (&end["status"], &end["failed"]),
        (&json!("ok"), &json!(0)),
        "{end}"
    );
    let began = serving.wait_event("test", "run-started");
    assert_eq!(began["run"], end["run"], "it is told from its start");
    assert_eq!(bench.files("in")["late.txt"], b"here");
    assert_eq!(server.read("done/late.txt").as_deref(), Some(&b"here"[..]));

    let empty = serving
        .metric("flowhost_runs_total{flow=\"test\",status=\"empty\"}")
        .expect("there");
    serving.wait_metric("flowhost_runs_total{flow=\"test\",status=\"empty\"}", empty + 1.0);
    assert_eq!(serving.count("run-started"), 1, "quiet again");
}

#[test]
fn a_run_that_fails_does_not_end_the_schedule() {
    let bench = bench();
    let mut flow = copy("f", json!([{ "poll": "1s" }]));
    flow["steps"][0] = json!({ "id": "read", "folder": { "read": "missing.txt" } });
    put(&bench, "f.yaml", &flow);
    let serving = Serving::start(&bench, &["f.yaml"]);
    serving.wait_for("failed runs", 2, |line| {
        line["event"] == "run-finished" && line["status"] == "failed"
    });
    bench.write("missing.txt", "x");
    serving.wait("a good run", |line| {
        line["event"] == "run-finished" && line["status"] == "ok"
    });
    let health = serving.wait_page("/healthz", |answer| {
        answer.json()["flows"][0]["last_run"]["status"] == "ok"
    });
    assert_eq!(health.status, 200, "{health:?}");
}
