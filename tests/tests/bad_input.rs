//! Flows and surroundings that are wrong: each has its own error, told before anything is done where that
//! can be known, and leaves no partial file under a final name.

use std::net::{Ipv4Addr, TcpListener};

use flow_tests::run::{Bench, Run, SHOP, flow, full_disk, get, put, read, with, write};
use flow_tests::script::{Script, ScriptServer};
use flow_tests::servers::{FtpServer, Kind, Limits};
use serde_json::{Value, json};

fn server() -> ScriptServer {
    Script::new().file("outbound/a.txt", "hello").start()
}

/// Runs the steps against a scripted server and checks that they are refused before anything connects.
fn refused(steps: Vec<Value>, parts: &[&str]) {
    let (server, bench) = (server(), Bench::new());
    let run = bench.run(&flow(&[(SHOP, server.settings())], steps));
    run.assert_wrong(parts);
    assert_eq!(server.commands(), [""; 0], "it connected: {run}");
    // Programs get the same as an event, with the place in the file.
    let problem = run.events.iter().find(|event| event["event"] == "problem");
    assert!(
        problem.is_some_and(|problem| problem["line"].is_u64() || problem["place"].is_object()),
        "{run}"
    );
}

#[test]
fn an_expression_that_does_not_parse() {
    refused(
        vec![get(
            SHOP,
            json!({ "root": "outbound", "path": "orders_(\\d+.csv" }),
        )],
        &["steps[0].options.path", "regular expression"],
    );
}

#[test]
fn a_glob_that_does_not_parse() {
    refused(
        vec![get(
            SHOP,
            json!({ "root": "outbound", "match": "glob", "path": "orders_[0-9.csv" }),
        )],
        &["steps[0].options.path", "glob"],
    );
}

#[test]
fn an_option_that_does_not_exist() {
    refused(
        vec![get(SHOP, json!({ "pth": "outbound/a.txt" }))],
        &["steps[0].options.pth", "`path`"],
    );
}

/// A session that was meant to be encrypted must not send a password in the clear because of a slip.
#[test]
fn a_kind_of_encryption_that_does_not_exist() {
    for (name, value, right) in [
        ("tls", "explcit", "`explicit`"),
        ("tls", "starttls", "`explicit`"),
        ("tls", "required", "`explicit`"),
        ("data_protection", "privat", "`private`"),
    ] {
        let (server, bench) = (server(), Bench::new());
        let settings = with(server.settings(), name, value);
        let steps = vec![get(SHOP, json!({ "path": "outbound/a.txt" }))];
        let run = bench.run(&flow(&[(SHOP, settings)], steps));
        run.assert_wrong(&[&format!("instances.shop.settings.{name}"), right]);
        assert_eq!(server.commands(), [""; 0], "it connected: {run}");
    }
}

#[test]
fn a_command_that_does_not_exist() {
    refused(
        vec![put("x", SHOP, json!({ "command": "renmae processed/" }))],
        &["steps[0].options.command", "`rename`"],
    );
}

#[test]
fn an_instance_that_does_not_exist() {
    refused(
        vec![get("shpo", json!({ "path": "a.txt" }))],
        &["steps[0].use", "`shpo`", "`shop`"],
    );
}

#[test]
fn an_endpoint_that_does_not_exist() {
    let step = json!({ "use": SHOP, "endpoint": "ftp-gte", "options": {} });
    refused(vec![step], &["steps[0].endpoint", "`ftp-gte`", "`ftp-get`"]);
}

#[test]
fn a_path_that_leaves_the_root() {
    for path in ["../secret.txt", "outbound/../../secret.txt", "outbound/.."] {
        refused(
            vec![get(SHOP, json!({ "path": path }))],
            &["steps[0].options.path", ".."],
        );
        refused(
            vec![put("x", SHOP, json!({ "command": format!("rename {path}") }))],
            &["steps[0].options.command"],
        );
    }
    refused(
        vec![get(SHOP, json!({ "root": "../", "path": ".*" }))],
        &["steps[0].options.root"],
    );
}

#[test]
fn a_path_with_a_line_break() {
    refused(
        vec![get(SHOP, json!({ "path": "a.txt\r\nDELE b.txt" }))],
        &["steps[0].options.path"],
    );
    refused(
        vec![put("x", SHOP, json!({ "command": "delete a.txt\nDELE b.txt" }))],
        &["steps[0].options.command"],
    );
}

#[test]
fn a_setting_that_is_not_one() {
    let bench = Bench::new();
    let settings = json!({ "hots": "127.0.0.1" });
    let run = bench.run(&flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({ "path": "a.txt" }))],
    ));
    run.assert_wrong(&["instances.shop.settings.hots", "`host`"]);
}

/// A line break that a template brings in cannot be known before the run.
#[test]
fn a_line_break_out_of_a_template_never_reaches_the_server() {
    let (server, bench) = (server(), Bench::new());
    let run = bench.run(&flow(
        &[(SHOP, server.settings())],
        vec![
            get(SHOP, json!({ "path": "outbound/a.txt" })),
            put(
                "archive",
                SHOP,
                json!({ "command": "rename processed/{{ 'x\\r\\nDELE outbound/a.txt' }}" }),
            ),
        ],
    ));
    let failure = run.assert_failed("invalid-settings");
    assert_eq!(failure["step"], "archive", "{run}");
    assert_eq!(
        (server.count("DELE"), server.count("RNFR")),
        (0, 0),
        "{:?}",
        server.commands()
    );
}

#[test]
fn dots_out_of_a_template_never_leave_the_root() {
    let (server, bench) = (server(), Bench::new());
    let run = bench.run(&flow(
        &[(SHOP, server.settings())],
        vec![
            get(SHOP, json!({ "path": "outbound/a.txt" })),
            put(
                "archive",
                SHOP,
                json!({ "command": "rename processed/{{ '../../evil' }}" }),
            ),
        ],
    ));
    let _ = run.assert_failed("invalid-settings");
    assert!(
        !server.commands().iter().any(|line| line.contains("..")),
        "{:?}",
        server.commands()
    );
}

#[test]
fn a_host_that_does_not_resolve() {
    let bench = Bench::new();
    let settings = json!({ "host": "ftp.invalid", "max_tries": 1 });
    let run = bench.run(&flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
    ));
    let failure = run.assert_failed("unreachable");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|message| message.contains("ftp.invalid")),
        "{run}"
    );
}

#[test]
fn a_port_that_refuses() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let bench = Bench::new();
    let settings = json!({ "host": "127.0.0.1", "port": port, "max_tries": 1 });
    let run = bench.run(&flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
    ));
    let failure = run.assert_failed("unreachable");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|message| message.contains(&port.to_string())),
        "{run}"
    );
}

fn with_connector(bench: &Bench, connector: &str) -> Run {
    let flow = json!({
        "name": "test",
        "instances": { "shop": { "connector": connector, "settings": { "host": "127.0.0.1" } } },
        "steps": [get(SHOP, json!({ "path": "a.txt" }))],
    });
    bench.run(&flow)
}

#[test]
fn a_connector_that_is_not_there_or_no_component() {
    let bench = Bench::new();
    with_connector(&bench, "./nowhere.wasm").assert_wrong(&["instances.shop.connector", "nowhere.wasm"]);
    with_connector(&bench, "ftpp").assert_wrong(&["instances.shop.connector", "`ftp`"]);
    bench.write("text.wasm", "this is not wasm");
    with_connector(&bench, "./text.wasm").assert_wrong(&["instances.shop.connector", "component"]);
    // A core module: wasm, but not a component.
    bench.write("module.wasm", b"\0asm\x01\0\0\0");
    with_connector(&bench, "./module.wasm").assert_wrong(&["instances.shop.connector", "component"]);
    bench.write("cut.wasm", b"\0asm\x0d\0\x01\0\x07\xff");
    with_connector(&bench, "./cut.wasm").assert_wrong(&["instances.shop.connector"]);
}

#[test]
fn a_component_that_lacks_the_contract() {
    let bench = Bench::new();
    // The smallest component: it exports nothing.
    bench.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    with_connector(&bench, "./empty.wasm")
        .assert_wrong(&["instances.shop.connector", "flow:connector/connector"]);
}

/// A body larger than the spool may hold.
#[test]
fn a_spool_that_is_full() {
    let bench = Bench::new();
    let server = Script::new()
        .file("big.bin", vec![7; 300_000])
        .file("small.bin", vec![7; 30_000])
        .start();
    let steps = vec![get(SHOP, json!({ "path": "big.bin" })), write("in")];
    let run = bench.run_with(
        &flow(&[(SHOP, server.settings())], steps),
        &["--spool-quota", "100000"],
    );
    let failure = run.assert_failed("denied-by-host");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|message| message.contains("100000")),
        "{run}"
    );
    assert!(bench.files("in").is_empty());
    bench.assert_spool_empty();
    // There is room for the small one.
    let steps = vec![get(SHOP, json!({ "path": "small.bin" })), write("in")];
    bench
        .run_with(
            &flow(&[(SHOP, server.settings())], steps),
            &["--spool-quota", "100000"],
        )
        .assert_ok(1);
}

/// The system itself refuses to store more, on this side.
#[test]
fn a_disk_that_is_full_here() {
    let bench = Bench::new();
    let server = Script::new().file("big.bin", vec![7; 20_000_000]).start();
    let flow = flow(
        &[(SHOP, server.settings())],
        vec![get(SHOP, json!({ "path": "big.bin" })), write("in")],
    );
    // The compiled component must be in its cache before files become small. It is mapped from a file of 8 MB without a
    // name, which has to fit as well.
    bench.run(&flow).assert_ok(1);
    let file = bench.flow_file(&flow);
    let fresh = Bench::new();
    let mut command = fresh.command();
    command.args(["run", "--json"]).arg(&file);
    let run = Run::of(full_disk(&command, 32_000));
    let failure = run.assert_failed("data");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|message| message.contains("spool")),
        "{run}"
    );
    fresh.assert_spool_empty();
}

/// The disk is full at the other end.
fn full_at(kind: Kind) {
    let limits = Limits {
        file_blocks: Some(256),
        ..Limits::default()
    };
    let Some(server) = FtpServer::start_with(kind, limits).expect("it starts") else {
        return;
    };
    server.make_folder("inbound");
    let bench = Bench::new();
    bench.write("out/big.bin", vec![7; 1_000_000]);
    let settings = with(server.settings(), "max_tries", 1);
    let run = bench.run(&flow(
        &[(SHOP, settings)],
        vec![read("out/*"), put("put", SHOP, json!({ "path": "inbound/" }))],
    ));
    assert_eq!(run.code, Some(1), "{run}");
    let failures = run.failures();
    assert_eq!(failures.len(), 1, "{run}");
    // Servers find different words for it: 552, 451, 426, or a connection that breaks.
    let kind = failures[0]["kind"].as_str().unwrap_or_default();
    assert!(
        ["data", "busy", "unreachable", "permission"].contains(&kind),
        "{run}"
    );
    assert_eq!(
        flow_tests::tree::names(&server.root.join("inbound")),
        [""; 0],
        "something is left: {run}"
    );
}

#[test]
fn a_disk_that_is_full_at_vsftpd() {
    full_at(Kind::Vsftpd);
}

#[test]
fn a_disk_that_is_full_at_pure_ftpd() {
    full_at(Kind::PureFtpd);
}

#[test]
fn a_disk_that_is_full_at_proftpd() {
    full_at(Kind::Proftpd);
}

#[test]
fn a_disk_that_is_full_at_pyftpdlib() {
    full_at(Kind::Pyftpdlib);
}
