//! What a flow keeps from run to run: documents that it was left with, what it has had before, and whose turn it is.
//! (What becomes of it when it is killed at any instant: `torture.rs` and `power.rs`.)

mod dedupe;
mod ledger;
mod overlap;
mod retries;
mod runs;
mod spool;
mod streaming;

use flow_tests::run::{Bench, Run};
use flow_tests::servers::{FtpServer, Kind};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A flow over local folders alone.
#[expect(
    clippy::needless_pass_by_value,
    reason = "steps are written where the flow is"
)]
fn local(steps: Vec<Value>) -> Value {
    json!({ "name": "test", "instances": {}, "steps": steps })
}

/// A step that posts each document, and lets the others go on when one is refused.
fn send(url: &str) -> Value {
    json!({ "id": "send", "http": { "url": url }, "on_error": "continue" })
}

/// `flowhost runs …`, as JSON lines.
fn told(bench: &Bench, arguments: &[&str]) -> Vec<Value> {
    let run = runs(bench, &[arguments, &["--json"]].concat());
    assert_eq!(run.code, Some(0), "{run}");
    run.events
}

/// `flowhost runs …`.
fn runs(bench: &Bench, arguments: &[&str]) -> Run {
    let mut command = bench.command();
    command.arg("runs").args(arguments);
    Run::of(command)
}

/// A server that is always there: one of Python's, or the embedded one.
fn server(kind: Kind) -> FtpServer {
    let server = FtpServer::start(kind).expect("it starts");
    server.unwrap_or_else(|| panic!("{kind} is not there: run `cargo xtask test`"))
}

/// Waits until something is so.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_mins(1), "never: {what}");
        std::thread::yield_now();
    }
}
