//! Whole runs of flows that need no connector: folders and a small web server.

use super::{RunOptions, RunReport, Status, run};
use crate::engine::{Runtime, RuntimeOptions};
use crate::event::{Event, Events};
use crate::flow::{LoadOptions, load};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A web server that answers with the given answers in turn, and with 200 after that.
struct Web {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Debug, Clone)]
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Web {
    async fn answering(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Mutex<VecDeque<String>>> = Arc::new(Mutex::new(
            answers.iter().map(|answer| (*answer).to_owned()).collect(),
        ));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&seen)));
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<String>>>,
    seen: Arc<Mutex<Vec<Request>>>,
) -> Option<()> {
    loop {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            stream.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut request = Request {
            head,
            body: bytes[end..].to_vec(),
        };
        let length = request
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a number"));
        while request.body.len() < length {
            stream
                .read_buf(&mut request.body)
                .await
                .ok()
                .filter(|read| *read > 0)?;
        }
        seen.lock().expect("no panic").push(request);
        let answer = answers
            .lock()
            .expect("no panic")
            .pop_front()
            .unwrap_or_else(|| "200 OK\r\n".to_owned());
        let answer = format!("HTTP/1.1 {answer}content-length: 2\r\n\r\nno");
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// A folder with a flow in it, and what its runs told.
struct Bench {
    folder: TempDir,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Bench {
    fn new(files: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("in")).expect("made");
        for name in files {
            fs::write(folder.path().join("in").join(name), format!("body of {name}")).expect("written");
        }
        Self {
            folder,
            events: Arc::default(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn run(&self, steps: Value) -> RunReport {
        self.run_cancelled(steps, CancellationToken::new()).await
    }

    async fn run_cancelled(&self, steps: Value, cancel: CancellationToken) -> RunReport {
        let file = self.path().join("flow.yaml");
        fs::write(
            &file,
            json!({"name": "test", "variables": {"v": "1"}, "steps": steps}).to_string(),
        )
        .expect("written");
        let runtime = Runtime::new(RuntimeOptions::default()).expect("a runtime");
        let flow = load(&runtime, &file, &LoadOptions::default())
            .await
            .unwrap_or_else(|problems| panic!("{problems}"));
        let events = Arc::clone(&self.events);
        let events = Events::new(move |event: &Event| {
            events
                .lock()
                .expect("no panic")
                .push(serde_json::to_value(event).expect("JSON"));
        });
        let options = RunOptions {
            events,
            cancel,
            ..RunOptions::new(self.path().join("state"))
        };
        let report = run(&flow, &options).await.expect("it begins");
        let left = fs::read_dir(self.path().join("state/spool"))
            .expect("the spool's folder")
            .count();
        drop(flow);
        assert_eq!(left, 0, "a run leaves nothing in the spool");
        report
    }

    fn events(&self, name: &str) -> Vec<Value> {
        let events = self.events.lock().expect("no panic");
        events
            .iter()
            .filter(|event| event["event"] == name)
            .cloned()
            .collect()
    }

    fn files(&self, below: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path().join(below)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

fn read() -> Value {
    json!({"id": "read", "folder": {"read": "in/*"}})
}

fn write() -> Value {
    json!({"id": "write", "folder": {"write": "out"}})
}

#[tokio::test]
async fn payloads_go_from_step_to_step_and_are_counted() {
    let web = Web::answering(&[]).await;
    let bench = Bench::new(&["a.csv", "b.csv"]);
    let url = format!("{}/{{{{ vars.v }}}}/{{{{ name }}}}", web.address);
    let http = json!({"id": "send", "http": {"url": url, "headers": {"X-Run": "{{ run.id }}"}}});
    let report = bench.run(json!([read(), http, write()])).await;
    assert_eq!(
        (report.payloads, report.bytes, report.skipped, report.failed),
        (2, 26, 0, 0)
    );
    assert_eq!(bench.files("out"), ["a.csv", "b.csv"]);
    assert_eq!(
        fs::read_to_string(bench.path().join("out/b.csv")).expect("there"),
        "body of b.csv"
    );
    let requests = web.requests();
    assert!(
        requests[0].head.starts_with("POST /1/a.csv HTTP/1.1\r\n"),
        "{requests:?}"
    );
    assert_eq!(requests[0].body, b"body of a.csv");
    assert_eq!(requests[0].header("content-length"), Some("13"));
    assert_eq!(
        requests[0].header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(requests[0].header("transfer-encoding"), None);
    assert_eq!(requests[0].header("x-run"), Some(report.run.as_str()));
    assert_ne!(
        requests[0].header("idempotency-key"),
        requests[1].header("idempotency-key")
    );
    let done = bench.events("payload-done");
    let status = json!(["http_status", "200"]);
    let sent: Vec<_> = done.iter().filter(|event| event["step"] == "send").collect();
    assert!(
        sent.len() == 2
            && sent.iter().all(|event| event["attributes"]
                .as_array()
                .is_some_and(|a| a.contains(&status)))
    );
    assert_eq!(bench.events("run-finished")[0]["status"], "ok");
}

#[tokio::test]
async fn without_payloads_no_later_step_is_called() {
    let bench = Bench::new(&[]);
    let report = bench.run(json!([read(), write()])).await;
    assert!(report.is_ok() && report.payloads == 0);
    assert_eq!(bench.events("step-started").len(), 1);
}

#[tokio::test]
async fn the_trigger_is_a_request_without_a_body_and_no_payload() {
    let web = Web::answering(&[]).await;
    let bench = Bench::new(&["a"]);
    let ping = json!({"http": {"method": "GET", "url": web.address}});
    let report = bench.run(json!([ping, read(), write()])).await;
    assert_eq!((report.payloads, report.failed), (1, 0));
    let request = &web.requests()[0];
    assert!(
        request.head.starts_with("GET / ")
            && request.body.is_empty()
            && request.header("content-type").is_none()
    );
    assert_eq!(bench.files("out"), ["a"]);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_key() {
    let web = Web::answering(&["503 Busy\r\n", "429 Slow\r\nretry-after: 0\r\n"]).await;
    let bench = Bench::new(&["a"]);
    let retry = json!({"attempts": 3, "backoff": "1ms"});
    let report = bench
        .run(json!([read(), {"id": "send", "http": {"url": web.address}, "retry": retry}, write()]))
        .await;
    assert!(report.is_ok());
    let requests = web.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.header("idempotency-key") == requests[0].header("idempotency-key"))
    );
    assert!(requests.iter().all(|request| request.body == b"body of a"));
    let retries = bench.events("retry");
    assert_eq!(retries.len(), 2);
    assert_eq!(
        (&retries[0]["attempt"], &retries[1]["after-ms"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(bench.files("out"), ["a"]);
}

#[tokio::test]
async fn a_failed_payload_stops_the_run_after_its_siblings() {
    let web = Web::answering(&["422 No\r\n"]).await;
    let bench = Bench::new(&["a", "b"]);
    let retry = json!({"attempts": 3, "backoff": "1ms"});
    let report = bench
        .run(json!([read(), {"id": "send", "http": {"url": web.address}, "retry": retry}, write()]))
        .await;
    assert_eq!((report.payloads, report.failed), (2, 1));
    assert_eq!(
        web.requests().len(),
        2,
        "the sibling is still sent, and a refusal is not tried again"
    );
    assert_eq!(bench.files("out"), [""; 0]);
    let failed = &bench.events("payload-failed")[0];
    assert_eq!(
        (&failed["payload"], &failed["kind"], &failed["code"]),
        (&json!("a"), &json!("data"), &json!("422"))
    );
    assert_eq!(bench.events("run-finished")[0]["status"], "failed");
}

#[tokio::test]
async fn under_continue_the_others_go_on_and_the_failed_one_does_not() {
    let web = Web::answering(&["302 Found\r\nlocation: /elsewhere\r\n"]).await;
    let bench = Bench::new(&["a", "b"]);
    let send = json!({"id": "send", "http": {"url": web.address}, "on_error": "continue"});
    let report = bench.run(json!([read(), send, write()])).await;
    assert_eq!(report.failed, 1);
    assert_eq!(bench.files("out"), ["b"]);
    let message = bench.events("payload-failed")[0]["message"].to_string();
    assert!(message.contains("redirects to /elsewhere"), "{message}");
}

#[tokio::test]
async fn a_template_that_fails_names_step_field_and_what_there_is() {
    let bench = Bench::new(&["a"]);
    let write = json!({"id": "store", "folder": {"write": "out", "name": "{{ customer }}"}});
    let report = bench.run(json!([read(), write])).await;
    assert_eq!(report.failed, 1);
    let message = bench.events("payload-failed")[0]["message"]
        .as_str()
        .expect("text")
        .to_owned();
    assert!(
        message.starts_with("step `store`, folder.name: there is no `customer` here"),
        "{message}"
    );
    assert!(message.contains("`original_filename`"), "{message}");
}

#[tokio::test]
async fn names_stay_in_their_folder_and_do_not_hide_each_other() {
    let bench = Bench::new(&["a", "b"]);
    let out = json!({"id": "out", "folder": {"write": "out", "name": "{{ '../' ~ name }}"}, "on_error": "continue"});
    let report = bench.run(json!([read(), out])).await;
    assert_eq!(report.failed, 2);
    assert_eq!(bench.files("."), ["flow.yaml", "in", "state"]);
    let same = json!({"id": "same", "folder": {"write": "out", "name": "one"}});
    assert_eq!(bench.run(json!([read(), same])).await.failed, 1);
    assert_eq!(
        fs::read_to_string(bench.path().join("out/one")).expect("there"),
        "body of a"
    );
}

#[tokio::test]
async fn a_step_ends_at_its_time_limit() {
    // Accepts connections, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let bench = Bench::new(&["a"]);
    let report = bench
        .run(json!([read(), {"id": "send", "http": {"url": url}, "timeout": "200ms"}]))
        .await;
    assert_eq!(report.failed, 1);
    let failed = &bench.events("step-failed")[0];
    assert_eq!(failed["kind"], "timeout");
    assert!(
        failed["message"]
            .as_str()
            .is_some_and(|message| message.contains("larger `timeout`")),
        "{failed}"
    );
}

#[tokio::test]
async fn a_cancelled_run_begins_no_step_and_is_interrupted() {
    let bench = Bench::new(&["a"]);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let report = bench.run_cancelled(json!([read()]), cancel).await;
    assert_eq!((report.status, report.is_ok()), (Status::Interrupted, false));
    assert_eq!(bench.events("step-started").len(), 0);
    assert_eq!(bench.events("step-failed")[0]["kind"], "cancelled");
}

#[tokio::test]
async fn a_server_that_repeats_a_secret_does_not_bring_it_into_an_event() {
    let secret = "a-secret-token";
    let bench = Bench::new(&["a"]);
    fs::write(bench.path().join("token"), secret).expect("written");
    let echo = format!("401 No\r\nx: {secret}\r\n");
    let web = Web::answering(&[&echo.replace("No", secret)]).await;
    let headers = json!({"Authorization": "Bearer ${file:token}"});
    let send =
        json!({"id": "send", "http": {"url": format!("{}/{secret}", web.address), "headers": headers}});
    let report = bench.run(json!([read(), send])).await;
    assert_eq!(report.failed, 1);
    assert_eq!(
        web.requests()[0].header("authorization"),
        Some("Bearer a-secret-token")
    );
    let told = json!(bench.events.lock().expect("no panic").clone()).to_string();
    assert!(told.contains("***") && !told.contains(secret), "{told}");
}

#[tokio::test]
async fn problems_of_a_flow_name_line_and_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let file: PathBuf = folder.path().join("f.yaml");
    let runtime = Runtime::new(RuntimeOptions::default()).expect("a runtime");
    let text = "name: a\nsteps:\n  - id: x\n    http: { url: 'ftp://h/' }\n    endpoint: e\n  - id: x\n    \
                folder: { write: '{{ vars.y }', name: a/b }\n    timeout: soon\n  - folder: { read: in }\n    \
                http: { url: '${env:NOT_SET_ANYWHERE}' }\n";
    fs::write(&file, text).expect("written");
    let problems = load(&runtime, &file, &LoadOptions::default())
        .await
        .expect_err("wrong");
    let found: Vec<(usize, String)> = problems
        .iter()
        .map(|problem| (problem.place.expect("a place").line, problem.field.clone()))
        .collect();
    let expected = [
        (4, "steps[0].http.url"),
        (5, "steps[0].endpoint"),
        (6, "steps[1].id"),
        (7, "steps[1].folder.name"),
        (7, "steps[1].folder.write"),
        (8, "steps[1].timeout"),
        (9, "steps[2]"),
    ];
    let found: Vec<(usize, &str)> = found
        .iter()
        .map(|(line, field)| (*line, field.as_str()))
        .collect();
    assert_eq!(found.len(), expected.len(), "{problems}");
    for expected in expected {
        assert!(found.contains(&expected), "{expected:?} is not in {problems}");
    }
}
