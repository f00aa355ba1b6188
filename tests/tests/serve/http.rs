//! The HTTP endpoints.

use super::{TOKEN, bench, copy, over_http, put, run_of, waiting};
use flow_tests::gate::Gate;
use flow_tests::serving::Serving;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn who_knows_the_token_starts_a_run() {
    let bench = bench();
    put(&bench, "f.yaml", &copy("f", json!([over_http()])));
    put(&bench, "closed.yaml", &copy("closed", json!([{ "every": "1h" }])));
    let serving = Serving::start(&bench, &["f.yaml", "closed.yaml"]);
    serving.wait_event("f", "leading");
    serving.wait_event("closed", "run-finished");
    let run = run_of(&serving.post("f", TOKEN, ""));
    let end = serving.wait("its end", |line| {
        line["event"] == "run-finished" && line["run"] == *run
    });
    assert_eq!((&end["flow"], &end["status"]), (&json!("f"), &json!("ok")));

    for token in ["", "wrong", &TOKEN[1..], &format!("{TOKEN}x")] {
        let answer = serving.post("f", token, "");
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
    }
    let basic = format!("Authorization: Basic {TOKEN}");
    for headers in [&[][..], &[basic.as_str()]] {
        assert_eq!(serving.request("POST", "/flows/f/runs", headers, "").status, 401);
    }
    for flow in ["closed", "nowhere"] {
        assert_eq!(serving.post(flow, TOKEN, "").status, 404, "{flow}");
    }
    assert_eq!(serving.get("/flows/f/runs").status, 405);
    assert_eq!(serving.get("/flows").status, 404);
    assert_eq!(
        serving.count("run-started"),
        2,
        "one asked for, one of `closed`: {:?}",
        serving.lines()
    );
}

#[test]
fn a_run_gets_the_variables_of_its_body() {
    let bench = bench();
    let gate = Gate::closed();
    gate.open();
    put(&bench, "f.yaml", &waiting("f", &gate));
    let serving = Serving::start(&bench, &["f.yaml"]);
    serving.wait_event("f", "leading");
    let well = "flowhost_runs_total{flow=\"f\",status=\"ok\"}";
    let other = run_of(&serving.post("f", TOKEN, r#"{"variables":{"to":"other"}}"#));
    // Its last event comes a moment before there is room for the next run.
    serving.wait_metric(well, 1.0);
    assert_eq!(bench.files("other").keys().collect::<Vec<_>>(), [&other]);
    let usual = run_of(&serving.post("f", TOKEN, "{}"));
    serving.wait_metric(well, 2.0);
    assert_eq!(bench.files("in").keys().collect::<Vec<_>>(), [&usual]);

    for (body, word) in [
        (r#"{"variables":{"too":"x"}}"#, "did you mean `to`"),
        (r#"{"variables":{"to":5}}"#, "expected a string"),
        (r#"{"vars":{}}"#, "unknown field `vars`"),
        ("to=x", "send none, or JSON"),
    ] {
        let answer = serving.post("f", TOKEN, body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.body.contains(word), "{body}: {answer:?}");
    }
    let large = format!(r#"{{"variables":{{"to":"{}"}}}}"#, "x".repeat(70_000));
    assert_eq!(serving.post("f", TOKEN, &large).status, 413);
    assert_eq!(
        serving.post("f", "wrong", &large).status,
        401,
        "a stranger's body is not read"
    );
    assert_eq!(serving.count("run-started"), 2);
}

#[test]
fn a_flow_that_runs_is_a_conflict_unless_it_may_overlap() {
    let bench = bench();
    let gate = Gate::closed();
    for overlap in ["skip", "queue", "allow"] {
        let mut flow = waiting(overlap, &gate);
        flow["overlap"] = json!(overlap);
        put(&bench, &format!("{overlap}.yaml"), &flow);
    }
    let serving = Serving::start(&bench, &["skip.yaml", "queue.yaml", "allow.yaml"]);
    for flow in ["skip", "queue", "allow"] {
        serving.wait_event(flow, "leading");
        let _ = run_of(&serving.post(flow, TOKEN, ""));
    }
    gate.wait_for(3);
    let refused = serving.post("skip", TOKEN, "");
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body.contains("overlap: queue"), "{refused:?}");
    let queued = serving.post("queue", TOKEN, r#"{"variables":{"to":"queued"}}"#);
    let queued_run = run_of(&queued);
    assert_eq!(queued.json()["status"], "queued");
    let beside = run_of(&serving.post("allow", TOKEN, ""));
    gate.wait_for(4);
    let began = |run: &str| {
        let lines = serving.lines();
        lines
            .iter()
            .any(|line| line["event"] == "run-started" && line["run"] == *run)
    };
    assert!(began(&beside) && !began(&queued_run), "{:?}", serving.lines());
    let metric = serving.metric("flowhost_runs_running{flow=\"allow\"}");
    assert_eq!(metric.map(|value| value > 1.5), Some(true));
    let health = serving.get("/healthz");
    assert_eq!(health.status, 200, "{health:?}");
    let flows = health.json()["flows"].clone();
    let states: Vec<_> = flows
        .as_array()
        .expect("a list")
        .iter()
        .map(|flow| &flow["state"])
        .collect();
    assert_eq!(states, ["running"; 3], "{health:?}");
    gate.open();
    serving.wait("the queued run", |line| {
        line["event"] == "run-finished" && line["run"] == *queued_run
    });
    assert_eq!(
        bench.files("queued").keys().collect::<Vec<_>>(),
        [&queued_run],
        "with its own variables"
    );
    serving.wait_for("all", 5, |line| line["event"] == "run-finished");
}

#[test]
fn numbers_are_there_for_prometheus() {
    let bench = bench();
    bench.write("out/b.txt", "hello again");
    put(&bench, "f.yaml", &copy("f", json!([over_http()])));
    let serving = Serving::start(&bench, &["f.yaml"]);
    serving.wait_event("f", "leading");
    let _ = run_of(&serving.post("f", TOKEN, ""));
    serving.wait_metric("flowhost_runs_total{flow=\"f\",status=\"ok\"}", 1.0);
    let page = serving.get("/metrics");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("application/openmetrics-text"), "{page:?}");
    assert!(page.body.ends_with("# EOF\n"), "{page:?}");
    for line in [
        "flowhost_runs_total{flow=\"f\",status=\"failed\"} 0",
        "flowhost_run_duration_seconds_count{flow=\"f\"} 1",
        "flowhost_payloads_total{flow=\"f\"} 2",
        "flowhost_payload_bytes_total{flow=\"f\"} 16",
        "flowhost_failed_payloads_total{flow=\"f\"} 0",
        "flowhost_runs_running{flow=\"f\"} 0",
        "flowhost_reload_failures_total{flow=\"f\"} 0",
        "flowhost_leader{flow=\"f\"} 1",
    ] {
        assert!(page.body.lines().any(|one| one == line), "{line}\n{}", page.body);
    }
    let success = serving.metric("flowhost_last_success_timestamp_seconds{flow=\"f\"}");
    assert!(success.is_some_and(|time| time > 1_700_000_000.0), "{success:?}");
}

#[test]
fn a_failed_run_is_counted_as_failed() {
    let bench = bench();
    let mut flow = copy("f", json!([over_http()]));
    flow["steps"][0] = json!({ "id": "read", "folder": { "read": "missing.txt" } });
    put(&bench, "f.yaml", &flow);
    let serving = Serving::start(&bench, &["f.yaml"]);
    serving.wait_event("f", "leading");
    let _ = run_of(&serving.post("f", TOKEN, ""));
    serving.wait_metric("flowhost_runs_total{flow=\"f\",status=\"failed\"}", 1.0);
    let number = |name: &str| serving.metric(&format!("flowhost_{name}{{flow=\"f\"}}"));
    assert!(number("failed_payloads_total").is_some_and(|failed| failed > 0.5));
    assert!(
        number("last_success_timestamp_seconds").is_some_and(|time| time < 0.5),
        "never"
    );
}

#[test]
fn secrets_are_in_no_answer_and_no_line() {
    let bench = bench();
    put(
        &bench,
        "f.yaml",
        &copy("f", json!([over_http(), { "every": "1s" }])),
    );
    let serving = Serving::start(&bench, &["f.yaml"]);
    serving.wait_event("f", "run-finished");
    let _ = serving.post("f", TOKEN, r#"{"variables":{"x":"y"}}"#);
    // Somebody has put it in the wrong place: the message about that repeats what stands there.
    put(
        &bench,
        "f.yaml",
        &copy("f", json!([over_http(), { "every": TOKEN }])),
    );
    let broken = serving.wait_event("f", "flow-broken");
    assert!(
        broken["message"]
            .as_str()
            .is_some_and(|text| text.contains("***")),
        "{broken}"
    );
    let mut all: Vec<String> = ["/healthz", "/readyz", "/metrics"]
        .iter()
        .map(|path| serving.get(path).body)
        .collect();
    all.push(serving.post("f", "wrong", "").body);
    all.extend(serving.lines().iter().map(ToString::to_string));
    assert!(
        all.iter().all(|text| !text.is_empty() && !text.contains(TOKEN)),
        "{all:?}"
    );
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let bench = bench();
    put(&bench, "f.yaml", &copy("f", json!([over_http()])));
    let serving = Serving::start(&bench, &["f.yaml"]);
    let mut slow = TcpStream::connect(serving.address()).expect("it listens");
    slow.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: t")
        .expect("taken");
    let mut large = TcpStream::connect(serving.address()).expect("it listens");
    large
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time");
    let _ = large.write_all(format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000)).as_bytes());
    let mut answer = String::new();
    let _ = large.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(serving.get("/readyz").status, 200, "others are not kept waiting");
    let mut rest = Vec::new();
    // Its end, or an error that is one; a time-out is neither.
    let closed = slow.read_to_end(&mut rest);
    let waits = closed.as_ref().is_err_and(|error| {
        matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        )
    });
    assert!(!waits, "{closed:?}");
}
