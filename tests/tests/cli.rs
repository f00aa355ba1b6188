//! The built program: its output for people and for programs, its exit codes, and what it costs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flow_tests::run::{Bench, Run, SHOP, flow, flowhost, get, with, write};
use flow_tests::script::Script;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

fn run(bench: &Bench, arguments: &[&str]) -> Run {
    let mut command = bench.command();
    command.args(arguments);
    Run::of(command)
}

#[test]
fn help_tells_the_commands_and_the_exit_codes() {
    let bench = Bench::new();
    let help = run(&bench, &["--help"]);
    assert_eq!(help.code, Some(0), "{help}");
    for word in ["run", "serve", "check", "describe", "demo", "Exit codes"] {
        assert!(help.stdout.contains(word), "{word}: {help}");
    }
    let help = run(&bench, &["run", "--help"]);
    assert!(help.stdout.contains("--json") && help.code == Some(0), "{help}");
    assert!(run(&bench, &["--version"]).stdout.starts_with("flowhost "));
}

#[test]
fn a_wrong_command_line_is_2() {
    let bench = Bench::new();
    for arguments in [
        &["rnu"][..],
        &[],
        &["run"],
        &["run", "--jsno", "flow.yaml"],
        &["run", "nowhere.yaml"],
    ] {
        let run = run(&bench, arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {run}");
        assert!(!run.stderr.is_empty(), "{arguments:?}: {run}");
    }
    assert!(
        run(&bench, &["run", "nowhere.yaml"])
            .stderr
            .contains("nowhere.yaml")
    );
}

#[test]
fn a_flow_that_is_no_yaml_is_2_with_its_line() {
    let bench = Bench::new();
    bench.write("flow.yaml", "name: x\nsteps: [\n");
    let run = run(&bench, &["run", "flow.yaml"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("flow.yaml:3"), "{run}");
}

#[test]
fn every_event_is_a_line_of_json_from_run_started_to_run_finished() {
    let server = Script::new().file("a.txt", "hello").start();
    let bench = Bench::new();
    let run = bench.run(&flow(
        &[(SHOP, server.settings())],
        vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
    ));
    run.assert_ok(1);
    assert_eq!(run.events.len(), run.stdout.lines().count(), "{run}");
    assert_eq!(run.events[0]["event"], "run-started");
    assert_eq!(run.events[0]["run"], run.finished()["run"]);
    assert_eq!(run.events_of("payload-done", "get").len(), 1);
    assert_eq!(run.events_of("step-finished", "write").len(), 1);
    let last = run.finished();
    assert_eq!(
        (&last["payloads"], &last["bytes"], &last["skipped"]),
        (&json!(1), &json!(5), &json!(0))
    );
}

/// No body of what is done, after good runs and bad ones; and nobody else may read what stays.
#[test]
fn a_run_leaves_the_ledger_and_no_bodies() {
    let server = Script::new().file("outbound/a.txt", "hello").start();
    let bench = Bench::new();
    let steps = |path: &str| {
        vec![
            get(SHOP, json!({ "root": "outbound", "path": path })),
            write("in"),
        ]
    };
    for _ in 0..2 {
        bench
            .run(&flow(&[(SHOP, server.settings())], steps(".*")))
            .assert_ok(1);
    }
    let missing = vec![get(SHOP, json!({ "path": "outbound/missing.txt" }))];
    let _ = bench
        .run(&flow(&[(SHOP, server.settings())], missing))
        .assert_failed("not-found");
    let left = bench.files("state").into_keys();
    let left: Vec<String> = left.filter(|path| !path.starts_with("locks/")).collect();
    assert_eq!(left, ["ledger.db"]);
    let mode = fs::metadata(bench.path("state/ledger.db"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_failed_run_is_1_and_ends_with_the_same_event() {
    let server = Script::new().start();
    let bench = Bench::new();
    let run = bench.run(&flow(
        &[(SHOP, server.settings())],
        vec![get(SHOP, json!({ "path": "a.txt" }))],
    ));
    let _ = run.assert_failed("not-found");
    assert_eq!(run.finished()["failed"], 1);
}

#[test]
fn people_get_plain_lines_in_a_pipe() {
    let server = Script::new().file("a.txt", "hello").start();
    let bench = Bench::new();
    let file = bench.flow_file(&flow(
        &[(SHOP, server.settings())],
        vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
    ));
    let run = run(&bench, &["run", &file.display().to_string()]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("a.txt"), "{run}");
    assert!(
        !run.stdout.contains('\x1b') && !run.stdout.contains('\r'),
        "{run}"
    );
    assert!(
        !run.stdout.contains("s3cret-shop") && !run.stderr.contains("s3cret-shop"),
        "{run}"
    );
}

#[test]
fn describe_tells_endpoints_and_options() {
    let bench = Bench::new();
    let text = run(&bench, &["describe", "ftp"]);
    assert_eq!(text.code, Some(0), "{text}");
    for word in [
        "ftp-get",
        "ftp-put",
        "data_connection",
        "original_filename",
        "rename",
    ] {
        assert!(text.stdout.contains(word), "{word}: {text}");
    }
    let json = run(&bench, &["describe", "ftp", "--json"]);
    let description = &json.events[0];
    let endpoints: Vec<_> = description["endpoints"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(endpoints, ["ftp-get", "ftp-put"]);
    let imports = description["imports"].as_array().expect("a list");
    assert!(
        imports
            .iter()
            .filter_map(|import| import["interface"].as_str())
            .filter(|name| name.starts_with("flow:connector/") || name.starts_with("wasi:"))
            .count()
            == imports.len(),
        "{imports:?}"
    );
    assert_eq!(run(&bench, &["describe", "nowhere.wasm"]).code, Some(2));
}

/// The program needs nothing beside it.
#[test]
fn a_copy_anywhere_knows_the_ftp_connector() {
    let server = Script::new().file("a.txt", "hello").start();
    let bench = Bench::new();
    // Not by this process: while it writes, another test may start a program, which then has the file open for writing,
    // too, until it is that program; and a file that is open for writing cannot be run ("text file busy").
    let copied = Command::new("cp")
        .arg(flowhost())
        .arg(bench.path("a-copy"))
        .status();
    assert!(copied.expect("cp").success(), "no room for a copy");
    let file = bench.flow_file(&flow(
        &[(SHOP, server.settings())],
        vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
    ));
    let mut command = Command::new(bench.path("a-copy"));
    command
        .env_clear()
        .env("FLOWHOST_STATE", bench.path("state"))
        .env("FLOWHOST_POLICY", bench.path("policy.yaml"))
        .current_dir(bench.path(""));
    command.arg("run").arg(file);
    let run = Run::of(command);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(bench.files("in")["a.txt"], b"hello");
}

/// Secrets come from the environment; the one that is not set is named.
#[test]
fn secrets_come_from_the_environment() {
    let server = Script::new().file("a.txt", "hello").start();
    let bench = Bench::new();
    let mut settings = server.settings();
    settings["auth"]["password"] = json!("${env:FLOW_TEST_PASSWORD}");
    settings["port"] = json!("${env:FLOW_TEST_PORT}");
    let file = bench.flow_file(&flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({ "path": "a.txt" }))],
    ));
    let mut command = bench.command();
    command
        .env("FLOW_TEST_PASSWORD", "from-outside")
        .env("FLOW_TEST_PORT", server.port().to_string());
    command.args(["run", "--json"]).arg(&file);
    Run::of(command).assert_ok(1);
    assert!(server.commands().contains(&"PASS from-outside".to_owned()));

    let mut command = bench.command();
    command.env("FLOW_TEST_PORT", "1").arg("run").arg(&file);
    Run::of(command).assert_wrong(&["FLOW_TEST_PASSWORD", "instances.shop.settings.auth.password"]);
}

/// A password in the flow file would end up in a repository; it is refused, and not repeated.
#[test]
fn a_password_that_stands_in_the_flow_file_is_refused() {
    let bench = Bench::new();
    let flow = "\
name: careless
instances:
  shop:
    connector: ftp
    settings: { host: ftp.example.com, auth: { username: shop, password: hunter2-hunter2 } }
steps:
  - { use: shop, endpoint: ftp-get, options: { path: a.txt } }
";
    bench.write("flow.yaml", flow);
    let mut command = bench.command();
    command.args(["check", "--offline", "flow.yaml"]);
    let run = Run::of(command);
    run.assert_wrong(&[
        "flow.yaml:5:",
        "instances.shop.settings.auth.password",
        "${env:NAME}",
    ]);
    assert!(
        !run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"),
        "{run}"
    );
}

/// A run that is asked to end does so at once, although its server never answers.
#[test]
fn a_signal_ends_a_run_in_good_order() {
    let server = Script::new()
        .file("outbound/a.txt", "a")
        .on("LIST", |session, _| session.stay_silent())
        .start();
    let bench = Bench::new();
    let settings = with(server.settings(), "timeout", 60);
    let file = bench.flow_file(&flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({ "root": "outbound", "path": ".*" }))],
    ));
    let mut command = bench.command();
    command
        .args(["run", "--json"])
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let child = command.spawn().expect("it starts");
    let pid = Pid::from_child(&child);
    let waiting = Instant::now();
    while server.count("LIST") == 0 {
        assert!(waiting.elapsed() < Duration::from_mins(1), "it never lists");
        std::thread::yield_now();
    }
    let asked = Instant::now();
    kill_process(pid, Signal::TERM).expect("our own child");
    let output = child.wait_with_output().expect("our own child");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    let last: serde_json::Value =
        serde_json::from_str(text.lines().last().unwrap_or_default()).expect("JSON");
    assert_eq!(
        (&last["event"], &last["status"]),
        (&json!("run-finished"), &json!("interrupted")),
        "{text}"
    );
    assert!(text.contains("\"cancelled\""), "{text}");
    bench.assert_spool_empty();
}

/// From the start of the process to the first command at the server. Loaded machines are slow now and then,
/// so the best of several starts counts; the first of all fills the cache.
#[test]
fn a_warm_start_takes_less_than_50_ms() {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let server = Script::new().file("a.txt", "hello").start();
        let bench = Bench::new();
        let file = bench.flow_file(&flow(
            &[(SHOP, server.settings())],
            vec![get(SHOP, json!({ "path": "a.txt" }))],
        ));
        let mut command = bench.command();
        command.args(["run", "--json"]).arg(file);
        let started = Instant::now();
        let run = Run::of(command);
        run.assert_ok(1);
        best = best.min(server.first("USER").expect("it signed in") - started);
    }
    println!("warm start to the first FTP command: {best:?}");
    assert!(best < Duration::from_millis(50), "{best:?}");
}
