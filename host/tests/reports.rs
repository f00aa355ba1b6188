//! What the host makes of a connector that reports a problem, asks for any address, or tells a dialogue. The
//! connector is `guests/reports.wat`.

use flowhost::contract::LogLevel;
use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::event::Events;
use flowhost::flow::{self, Flow, LoadOptions, Problems, RunOptions, RunReport};
use flowhost::instance::{Instance, RunContext};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A folder with the connector and a flow that uses it.
struct Bench {
    folder: TempDir,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Bench {
    fn new(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let guest = wat::parse_str(include_str!("guests/reports.wat")).expect("well formed");
        fs::write(folder.path().join("reports.wasm"), guest).expect("written");
        let retry = json!({"attempts": 2, "backoff": "1ms"});
        let flow = json!({
            "name": "test",
            "instances": {"it": {"connector": "./reports.wasm"}},
            "steps": [
                {"id": "pull", "use": "it", "endpoint": endpoint, "retry": retry},
                {"id": "store", "folder": {"write": "out"}},
            ],
        });
        fs::write(folder.path().join("flow.yaml"), flow.to_string()).expect("written");
        Self {
            folder,
            events: Arc::default(),
        }
    }

    async fn load(&self) -> Result<Flow, Problems> {
        let runtime = Runtime::new(RuntimeOptions::default()).expect("an engine");
        let file = self.folder.path().join("flow.yaml");
        flow::load(&runtime, &file, &LoadOptions::default()).await
    }

    async fn run(&self, log_threshold: LogLevel) -> RunReport {
        let flow = self.load().await.unwrap_or_else(|problems| panic!("{problems}"));
        let events = Arc::clone(&self.events);
        let options = RunOptions {
            log_threshold,
            events: Events::new(move |event| events.lock().expect("not poisoned").push(json!(event))),
            ..RunOptions::new(self.folder.path().join("state"))
        };
        // A host may move a run between threads.
        let run = tokio::spawn(async move { flow::run(&flow, &options).await });
        run.await.expect("no panic").expect("it begins")
    }

    fn events(&self, name: &str) -> Vec<Value> {
        let events = self.events.lock().expect("not poisoned");
        events
            .iter()
            .filter(|event| event["event"] == name)
            .cloned()
            .collect()
    }

    fn flowhost(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_flowhost"))
            .current_dir(self.folder.path())
            .env("FLOWHOST_CACHE", self.folder.path().join("cache"))
            .env("FLOWHOST_STATE", self.folder.path().join("state"))
            .args(arguments)
            .output()
            .expect("flowhost runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

#[tokio::test]
async fn a_reported_problem_fails_the_run_and_not_the_payload() {
    let bench = Bench::new("deliver");
    let report = bench.run(LogLevel::Debug).await;
    // Told in both tries, counted once; and `on_error: stop` lets the delivered payload go on.
    assert_eq!((report.payloads, report.failed), (1, 1));
    assert!(bench.folder.path().join("out/a.csv").exists());
    assert_eq!(
        bench.events("payload-problem"),
        [
            json!({"event": "payload-problem", "step": "pull", "payload": "a.csv", "kind": "permission",
            "message": "delivered, not moved", "code": "553"})
        ]
    );
    assert!(bench.events("payload-failed").is_empty());
    let finished = bench.events("step-finished");
    assert_eq!(
        (
            &finished[0]["payloads"],
            &finished[0]["failed"],
            &finished[1]["failed"]
        ),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(bench.events("run-finished")[0]["status"], "failed");
}

#[tokio::test]
async fn the_plan_is_asked_once_for_all_tries_of_a_call() {
    let bench = Bench::new("deliver");
    bench.run(LogLevel::Debug).await;
    // Asked again, the connector's plan traps, and the second try would not be made.
    assert_eq!(bench.events("retry").len(), 1);
    assert!(
        bench.events("step-failed").is_empty(),
        "{:?}",
        bench.events("step-failed")
    );
}

#[tokio::test]
async fn a_dialogue_is_told_only_where_it_is_asked_for() {
    let lines = |bench: &Bench| {
        let lines = bench.events("log");
        lines.iter().filter(|line| line["level"] == "trace").count()
    };
    let bench = Bench::new("deliver");
    bench.run(LogLevel::Debug).await;
    assert_eq!(lines(&bench), 0);
    let bench = Bench::new("deliver");
    bench.run(LogLevel::Trace).await;
    assert_eq!(lines(&bench), 2, "one a try");
}

#[tokio::test]
async fn a_plan_for_any_address_is_a_problem_of_the_flow() {
    let problems = Bench::new("anywhere").load().await.expect_err("refused");
    let message = problems.to_string();
    assert!(message.contains("the connector's plan is refused"), "{message}");
}

#[tokio::test]
async fn a_check_writes_only_when_it_is_told_to() {
    let guest = wat::parse_str(include_str!("guests/reports.wat")).expect("well formed");
    let runtime = Runtime::new(RuntimeOptions::default()).expect("an engine");
    let connector = runtime.load(&guest).await.expect("it fits");
    let mut instance = Instance::start(&connector, RunContext::new("run", "shop", Events::none()))
        .await
        .expect("started");
    for (probe_write, name) in [(false, "looked"), (true, "probed")] {
        let steps = instance
            .check("{}", probe_write, Duration::from_secs(10))
            .await
            .expect("checked");
        assert_eq!(steps[0].name, name);
    }
}

#[test]
fn the_program_tells_problem_and_dialogue() {
    let bench = Bench::new("deliver");
    let (code, stdout, stderr) = bench.flowhost(&["run", "flow.yaml", "--trace-ftp"]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(
        stdout.contains("pull: a.csv: warning: delivered, not moved [permission, 553]\n"),
        "{stdout}"
    );
    assert!(!stdout.contains("RETR"), "{stdout}");
    assert_eq!(stderr.matches(" pull > RETR a.csv\n").count(), 2, "{stderr}");

    let (_, stdout, stderr) = bench.flowhost(&["run", "flow.yaml", "--trace-ftp", "--json"]);
    let trace =
        json!({"event": "log", "step": "pull", "level": "trace", "message": "> RETR a.csv"}).to_string();
    assert!(stdout.lines().any(|line| line == trace), "{stdout}");
    assert_eq!(stderr, "");
    let (_, stdout, stderr) = bench.flowhost(&["run", "flow.yaml"]);
    assert!(!stdout.contains("RETR") && stderr.is_empty(), "{stdout}{stderr}");
}

#[test]
fn a_checks_details_are_for_programs() {
    let bench = Bench::new("deliver");
    let (code, stdout, stderr) = bench.flowhost(&["check", "flow.yaml", "--json", "--probe-write"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let step: Value = serde_json::from_str(stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        (&step["name"], &step["details"]),
        (&json!("probed"), &json!({"code": "230"}))
    );
}
