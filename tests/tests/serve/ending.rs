//! The end: in good order, late, and at once.

use super::{TOKEN, bench, put, run_of, waiting};
use flow_tests::gate::Gate;
use flow_tests::run::Bench;
use flow_tests::serving::Serving;
use rustix::process::Signal;
use serde_json::json;

/// Serves a flow whose run waits at the gate.
fn in_the_middle(bench: &Bench, gate: &Gate, arguments: &[&str]) -> (Serving, String) {
    let mut flow = waiting("f", gate);
    flow["overlap"] = json!("queue");
    put(bench, "f.yaml", &flow);
    let serving = Serving::start(bench, &[&["f.yaml"], arguments].concat());
    serving.wait_event("f", "leading");
    let run = run_of(&serving.post("f", TOKEN, ""));
    gate.wait_for(1);
    (serving, run)
}

#[test]
fn a_run_that_is_going_finishes_and_no_other_begins() {
    let bench = bench();
    let gate = Gate::closed();
    let (mut serving, run) = in_the_middle(&bench, &gate, &[]);
    let queued = run_of(&serving.post("f", TOKEN, ""));
    serving.signal(Signal::TERM);
    let stopping = serving.wait("it stops", |line| line["event"] == "stopping");
    assert_eq!(
        (&stopping["running"], &stopping["grace-ms"]),
        (&json!(1), &json!(30_000))
    );
    assert_eq!(serving.get("/readyz").status, 503);
    assert_eq!(serving.get("/healthz").json()["status"], "stopping");
    let refused = serving.post("f", TOKEN, "");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("ending"), "{refused:?}");
    gate.open();
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(0));
    let ends: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "run-finished")
        .collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!((&ends[0]["run"], &ends[0]["status"]), (&json!(run), &json!("ok")));
    assert!(!bench.files("in").contains_key(&queued));
    assert_eq!(lines.last().expect("a line")["event"], "stopped");
}

#[test]
fn a_run_that_does_not_finish_in_time_is_cancelled() {
    let bench = bench();
    let gate = Gate::closed();
    let (mut serving, run) = in_the_middle(&bench, &gate, &["--grace", "1s"]);
    serving.signal(Signal::INT);
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    let cancelling = lines.iter().position(|line| line["event"] == "cancelling");
    let finished = lines
        .iter()
        .position(|line| line["event"] == "run-finished" && line["run"] == *run);
    assert!(cancelling.is_some() && cancelling < finished, "{lines:#?}");
    assert!(bench.files("in").is_empty());
    bench.assert_spool_empty();
}

#[test]
fn a_second_signal_ends_at_once() {
    let bench = bench();
    let gate = Gate::closed();
    let (mut serving, _) = in_the_middle(&bench, &gate, &[]);
    serving.signal(Signal::TERM);
    serving.wait("it stops", |line| line["event"] == "stopping");
    serving.signal(Signal::INT);
    let (status, lines) = serving.end();
    assert_eq!(status.code(), Some(130), "{lines:#?}");
}

#[test]
fn without_a_run_the_end_is_at_once() {
    let bench = bench();
    let gate = Gate::closed();
    put(&bench, "f.yaml", &waiting("f", &gate));
    let mut serving = Serving::start(&bench, &["f.yaml"]);
    serving.signal(Signal::TERM);
    let (status, _) = serving.end();
    assert_eq!((status.code(), gate.came()), (Some(0), 0));
}
