//! `flowhost serve`: the built program, from its first line to its exit code.

mod ending;
mod handover;
mod http;
mod reload;
mod start;
mod systemd;
mod triggers;

use flow_tests::gate::Gate;
use flow_tests::run::{Bench, read, write};
use serde_json::{Value, json};

/// What starts runs over HTTP in these tests, from a file `token` beside the flows.
const TOKEN: &str = "a-token-that-nobody-guesses";

/// A flow of this name that copies local files, and is started by these triggers.
#[expect(
    clippy::needless_pass_by_value,
    reason = "`json!` in a call reads better without a borrow"
)]
fn copy(name: &str, triggers: Value) -> Value {
    json!({ "name": name, "triggers": triggers, "steps": [read("out/*"), write("in")] })
}

/// A flow that waits at a gate, with its run's id in the file that it writes. It is started over HTTP.
fn waiting(name: &str, gate: &Gate) -> Value {
    json!({
        "name": name,
        "variables": { "to": "in" },
        "triggers": [over_http()],
        "steps": [
            read("out/*"),
            { "id": "gate", "http": { "url": gate.url() } },
            { "id": "write", "folder": { "write": "{{ vars.to }}", "name": "{{ run.id }}" } },
        ],
    })
}

fn over_http() -> Value {
    json!({ "http": { "token": "${file:token}" } })
}

/// A bench with one file to copy, and the token.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("out/a.txt", "hello");
    bench.write("token", TOKEN);
    bench
}

/// Writes a flow to a file; JSON is YAML.
fn put(bench: &Bench, file: &str, flow: &Value) {
    bench.write(file, format!("{flow:#}\n"));
}

/// The run that an answer has promised.
fn run_of(answer: &flow_tests::serving::Answer) -> String {
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["run"].as_str().expect("an id").to_owned()
}
