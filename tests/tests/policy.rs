//! The operator's say at the command line: what a flow may reach and use, and what it is told when it may not.

use flow_tests::guests::component;
use flow_tests::run::{Bench, Run, SHOP, flow, get, with, write};
use flow_tests::script::{Script, ScriptServer};
use flow_tests::servers::{FtpServer, Kind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn server() -> ScriptServer {
    Script::new().file("a.txt", "hello").start()
}

/// Pulls `a.txt` under the policy of these arguments alone.
fn pull(bench: &Bench, settings: Value, arguments: &[&str]) -> Run {
    let file = bench.flow_file(&flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
    ));
    let mut command = bench.command();
    command.env_remove("FLOWHOST_POLICY");
    command.args(["run", "--json"]).args(arguments).arg(file);
    Run::of(command)
}

/// The message of the step that failed in this way.
fn failed<'a>(run: &'a Run, kind: &str) -> &'a str {
    let event = run.events.iter().find(|event| event["event"] == "step-failed");
    let event = event.unwrap_or_else(|| panic!("no step failed: {run}"));
    assert_eq!((run.code, &event["kind"]), (Some(1), &json!(kind)), "{run}");
    event["message"].as_str().expect("a message")
}

#[test]
fn a_private_address_has_to_be_allowed() {
    let (server, bench) = (server(), Bench::new());
    let port = server.settings()["port"].to_string();
    let refused = pull(&bench, server.settings(), &[]);
    let message = failed(&refused, "policy");
    let advice = format!("`--allow 127.0.0.1:{port}`, or `egress.allow` in the policy file");
    assert!(
        message.contains("`127.0.0.1` (FTP control connection)"),
        "{message}"
    );
    assert!(
        message.contains("loopback") && message.contains(&advice),
        "{message}"
    );
    assert_eq!(server.count("CONNECT"), 0);

    let allowed = pull(
        &bench,
        server.settings(),
        &["--allow", &format!("127.0.0.1:{port}")],
    );
    allowed.assert_ok(1);
}

#[test]
fn a_name_is_resolved_by_the_host_and_its_addresses_judged() {
    let (server, bench) = (server(), Bench::new());
    let named = with(server.settings(), "host", "localhost");
    let message = failed(&pull(&bench, named.clone(), &[]), "policy").to_owned();
    assert!(
        message.contains("`localhost`") && message.contains("loopback"),
        "{message}"
    );
    pull(&bench, named, &["--allow", "localhost"]).assert_ok(1);
}

#[test]
fn only_what_is_listed_is_reached_where_the_policy_says_so() {
    let (server, bench) = (server(), Bench::new());
    let port = server.settings()["port"].to_string();
    bench.write(
        "strict.yaml",
        format!("egress: {{ public: false, allow: ['127.0.0.1:{port}'] }}\n"),
    );
    let arguments = ["--policy", "strict.yaml"];
    pull(&bench, server.settings(), &arguments).assert_ok(1);
    let elsewhere = with(server.settings(), "host", "192.0.2.1");
    let message = failed(&pull(&bench, elsewhere, &arguments), "policy").to_owned();
    assert!(
        message.contains("not among what the operator allows"),
        "{message}"
    );
    bench.write(
        "strict.yaml",
        "egress: { allow: [127.0.0.0/8], deny: [127.0.0.1] }\n",
    );
    let message = failed(&pull(&bench, server.settings(), &arguments), "policy").to_owned();
    assert!(message.contains("the operator denies `127.0.0.1`"), "{message}");
}

#[test]
fn waiting_for_data_connections_has_to_be_allowed() {
    let server = FtpServer::start(Kind::Pyftpdlib)
        .expect("it starts")
        .expect("it is there");
    server.write("a.txt", "hello");
    let bench = Bench::new();
    let active = with(server.settings(), "data_connection", "active");
    let active = with(active, "active_ports", "42000-42010");
    let allow = ["--allow", "127.0.0.1"];
    let message = failed(&pull(&bench, active.clone(), &allow), "policy").to_owned();
    assert!(
        message.contains("42000-42010") && message.contains("`--listen PORTS`"),
        "{message}"
    );
    let listening = [&allow[..], &["--listen", "42000-42100"]].concat();
    pull(&bench, active.clone(), &listening).assert_ok(1);
    let elsewhere = [&allow[..], &["--listen", "43000-43100"]].concat();
    let message = failed(&pull(&bench, active, &elsewhere), "policy").to_owned();
    assert!(message.contains("the operator allows 43000-43100"), "{message}");
}

#[test]
fn data_connections_stay_within_the_operators_ports() {
    let (server, bench) = (server(), Bench::new());
    bench.write(
        "narrow.yaml",
        "egress: { allow: [127.0.0.1], data_ports: '1-1023' }\n",
    );
    let run = pull(
        &bench,
        with(server.settings(), "max_tries", 1),
        &["--policy", "narrow.yaml"],
    );
    assert_eq!(
        (run.code, &run.failures()[0]["kind"]),
        (Some(1), &json!("denied-by-host")),
        "{run}"
    );
    let told = run
        .events
        .iter()
        .filter(|event| event["step"] == "policy")
        .count();
    assert!(told >= 1, "{run}");
}

#[test]
fn bytes_beyond_the_limit_fail_the_step_and_nothing_is_delivered() {
    let server = Script::new().file("a.txt", vec![b'x'; 1 << 20]).start();
    let bench = Bench::new();
    let arguments = ["--allow", "127.0.0.1", "--limit", "shop.bytes_in=100KiB"];
    let run = pull(&bench, server.settings(), &arguments);
    let message = failed(&run, "limit").to_owned();
    assert!(
        message.contains("`bytes_in` (100KiB)") && message.contains("--limit shop.bytes_in="),
        "{message}"
    );
    assert!(bench.files("in").is_empty());
    bench.assert_spool_empty();
    let arguments = ["--allow", "127.0.0.1", "--limit", "payload_size=100KiB"];
    let run = pull(&bench, server.settings(), &arguments);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stdout.contains("`payload_size` (100KiB)") && run.stdout.contains("denied-by-host"),
        "{run}"
    );
    assert!(bench.files("in").is_empty());
    // For another instance the limit says nothing.
    let arguments = ["--allow", "127.0.0.1", "--limit", "other.bytes_in=100KiB"];
    pull(&bench, server.settings(), &arguments).assert_ok(1);
}

#[test]
fn little_memory_and_no_sockets_are_told_with_their_names() {
    let (server, bench) = (server(), Bench::new());
    let run = pull(
        &bench,
        server.settings(),
        &["--allow", "127.0.0.1", "--limit", "memory=64KiB"],
    );
    assert!(failed(&run, "limit").contains("`memory` (64KiB)"), "{run}");
    let arguments = ["--allow", "127.0.0.1", "--limit", "sockets=1"];
    let run = pull(&bench, with(server.settings(), "max_tries", 1), &arguments);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stdout.contains("the limit `sockets` (1)"), "{run}");
}

#[test]
fn what_the_operator_says_wrongly_is_refused_before_anything_is_done() {
    let (server, bench) = (server(), Bench::new());
    bench.write("p.yaml", "limits: { memroy: 1MiB }\n");
    for (arguments, words) in [
        (
            ["--policy", "p.yaml"],
            "p.yaml:1:11: limits.memroy: is not known here; did you mean `memory`?",
        ),
        (
            ["--policy", "missing.yaml"],
            "missing.yaml: the policy cannot be read",
        ),
        (
            ["--allow", "ftp://x"],
            "--allow ftp://x: `ftp://x` is no target: write a name",
        ),
        (["--listen", "0"], "--listen 0: `0` are no ports"),
        (
            ["--limit", "memory=lots"],
            "--limit memory=lots: the limit `memory` cannot be `lots`",
        ),
        (["--limit", "shop.cpus=3"], "there is no limit `cpus`"),
    ] {
        let run = pull(&bench, server.settings(), &arguments);
        assert_eq!(run.code, Some(2), "{run}");
        assert!(run.stderr.contains(words), "{run}");
    }
    assert_eq!(server.count("CONNECT"), 0);
}

/// A connector that is denied everything can still be described, and its settings are checked.
#[test]
fn without_any_permission_a_connector_is_described_and_its_settings_checked() {
    let (server, bench) = (server(), Bench::new());
    bench.write(
        "nothing.yaml",
        "egress: { public: false }\nlimits: { sockets: 1, bytes_in: 1, bytes_out: 1, payloads: 1, handles: 100 }\n",
    );
    let mut describe = bench.command();
    describe.args(["describe", "ftp"]);
    let run = Run::of(describe);
    assert!(run.code == Some(0) && run.stdout.contains("ftp-get"), "{run}");
    let check = |settings: Value, arguments: &[&str]| {
        let file = bench.flow_file(&flow(
            &[(SHOP, settings)],
            vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
        ));
        let mut command = bench.command();
        command
            .args(["check", "--policy", "nothing.yaml"])
            .args(arguments)
            .arg(file);
        Run::of(command)
    };
    let run = check(server.settings(), &["--offline"]);
    assert!(run.code == Some(0) && run.stdout.contains("valid"), "{run}");
    let run = check(with(server.settings(), "port", "many"), &["--offline"]);
    assert!(
        run.code == Some(2) && run.stderr.contains("instances.shop.settings.port"),
        "{run}"
    );
    let run = check(server.settings(), &[]);
    assert!(
        run.code == Some(1) && run.stdout.contains("shop: policy: failed:"),
        "{run}"
    );
    assert_eq!(server.count("CONNECT"), 0);
}

/// Starts a run, waits for it with `begun`, sends the signals, and gives what it came to and its output.
fn interrupted(
    bench: &Bench,
    flow: &Value,
    arguments: &[&str],
    begun: impl FnOnce(),
    signals: &[Signal],
) -> (Option<i32>, String) {
    let file = bench.flow_file(flow);
    let mut command = bench.command();
    command.args(["run", "--json"]).args(arguments).arg(file);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().expect("it starts");
    begun();
    let started = Instant::now();
    for signal in signals {
        kill_process(Pid::from_child(&child), *signal).expect("our own child");
    }
    let output = child.wait_with_output().expect("it ends");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// A server that never greets, and a connector that waits for it.
#[test]
fn an_interrupt_reaches_the_connector() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let settings =
        json!({ "host": "127.0.0.1", "port": port, "auth": "anonymous", "timeout": 300, "max_tries": 1 });
    let steps = vec![get(SHOP, json!({ "path": "a.txt" })), write("in")];
    let bench = Bench::new();
    let mut peer = None;
    let begun = || peer = silent.accept().ok();
    let (code, output) = interrupted(
        &bench,
        &flow(&[(SHOP, settings)], steps),
        &[],
        begun,
        &[Signal::INT],
    );
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("\"cancelled\""), "{output}");
    bench.assert_spool_empty();
}

/// The guest does not let go, and may take a minute for it. An interrupt and a termination are two signals that do not
/// become one on their way.
#[test]
fn a_second_interrupt_is_immediate() {
    let bench = Bench::new();
    let flow = json!({
        "name": "test",
        "instances": { "it": { "connector": component("misbehave") } },
        "steps": [{ "use": "it", "endpoint": "misbehave", "options": { "behaviour": "loop" } }],
    });
    // Once before, so that it is compiled and loops for sure when the signals come.
    let limits = ["--limit", "cpu_time=50ms", "--limit", "grace=50ms"];
    let run = bench.run_with(&flow, &limits);
    assert!(run.stdout.contains("`cpu_time` (50ms)"), "{run}");
    let begun = || std::thread::sleep(Duration::from_secs(1));
    let (code, output) = interrupted(
        &bench,
        &flow,
        &["--limit", "grace=1m"],
        begun,
        &[Signal::INT, Signal::TERM],
    );
    assert_eq!(code, Some(130), "{output}");
    assert!(!output.contains("run-finished"), "{output}");
}
