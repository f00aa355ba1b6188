//! Servers, and whoever sits between, that do wrong with TLS itself: refuse it, break it, cut it, or put something in.
//! Nothing secret is ever sent outside it, nothing is taken for whole that need not be, and nobody is asked in a storm.

mod data;
mod handshake;
mod upgrade;

use std::io;
use std::time::Duration;

use flow_tests::pki;
use flow_tests::run::{Bench, Run, SHOP, flow, get, warm, with, write};
use flow_tests::script::{Script, ScriptServer, Session};
use flow_tests::steps::assert_nothing_arrived;
use serde_json::{Value, json};

/// What no run here may take, in memory: the program itself has most of it.
const MOST_KIB: u64 = 200_000;

fn script() -> Script {
    Script::new().file("a.txt", "hello").tls(pki::good().server(None))
}

/// With the usual number of tries, so that a storm of them would be seen.
fn pull_from(bench: &Bench, server: &ScriptServer) -> Run {
    pull_with(bench, with(server.settings(), "timeout", 2))
}

fn pull_with(bench: &Bench, settings: Value) -> Run {
    let steps = vec![get(SHOP, json!({ "path": "a.txt" })), write("in")];
    bench.run(&flow(&[(SHOP, settings)], steps))
}

fn once(server: &ScriptServer) -> Value {
    with(with(server.settings(), "timeout", 2), "max_tries", 1)
}

/// A single try at the file fails, and brings nothing.
fn fails_once(server: &ScriptServer) -> Run {
    let bench = Bench::new();
    let run = pull_with(&bench, once(server));
    assert_eq!(run.code, Some(1), "{run}");
    assert_nothing_arrived(&bench, server);
    run
}

fn message(run: &Run) -> &str {
    let failures = run.failures();
    let [failure] = failures.as_slice() else {
        panic!("not one failure but {}: {run}", failures.len())
    };
    failure["message"].as_str().unwrap_or_default()
}

/// It failed for good, in TLS, said this, and asked once; no user name or password was sent.
fn assert_over(run: &Run, bench: &Bench, server: &ScriptServer, parts: &[&str]) {
    let _ = run.assert_failed("tls");
    for part in parts {
        assert!(message(run).contains(part), "{part:?} is not in: {run}");
    }
    assert_eq!(server.connections(), 1, "{run}");
    assert_unsigned(run, server);
    assert_nothing_arrived(bench, server);
}

fn assert_unsigned(run: &Run, server: &ScriptServer) {
    let commands = server.commands();
    assert!(
        commands
            .iter()
            .all(|line| !line.starts_with("USER") && !line.starts_with("PASS")),
        "{commands:?}: {run}"
    );
}

/// Runs against a server whose answer to `AUTH TLS` is this reaction.
fn after_auth(
    reaction: impl Fn(&mut Session) -> io::Result<()> + Send + Sync + 'static,
) -> (Run, Bench, ScriptServer) {
    warm();
    let server = script().on("AUTH", move |session, _| reaction(session)).start();
    let bench = Bench::new();
    let run = pull_from(&bench, &server);
    assert!(
        run.took < Duration::from_secs(30) && run.peak_kib < MOST_KIB,
        "{:?}, {} KiB: {run}",
        run.took,
        run.peak_kib
    );
    (run, bench, server)
}
