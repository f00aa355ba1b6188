//! What there is over FTPS alone.

use flow_tests::pki;
use flow_tests::proxy::{CutProxy, Plan};
use flow_tests::run::{Run, flow, get, put, read, with, write};
use flow_tests::servers::tls::{Mode, Tls};
use flow_tests::servers::{FtpServer, Kind, Limits};
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage, files, warnings};
use crate::broken::{ENDS_OF_TLS, get_in_the_middle, put_in_the_middle};
use crate::check::{check, steps};

fn tls_of(stage: &Stage) -> Tls {
    stage.server.limits.tls.expect("run on lines with TLS alone")
}

/// The details of a step of a check.
fn details<'a>(run: &'a Run, name: &str) -> &'a Value {
    let step = run
        .events
        .iter()
        .find(|event| event["event"] == "check-step" && event["name"] == name);
    &step.unwrap_or_else(|| panic!("no step {name:?}: {run}"))["details"]
}

pub fn a_check_tells_what_it_is_encrypted_with(stage: &Stage) {
    let tls = tls_of(stage);
    let version = tls.version.expect("one version").name();
    let run = check(stage, stage.server.settings(), &[]);
    assert_eq!(run.code, Some(0), "{run}");
    for name in ["encryption", "encryption of data"] {
        assert!(steps(&run).contains(&(name, "passed")), "{name}: {run}");
    }

    let control = details(&run, "encryption");
    assert_eq!(control["version"], version, "{run}");
    assert!(
        control["cipher"]
            .as_str()
            .is_some_and(|name| name.starts_with("TLS_")),
        "{run}"
    );
    let certificate = &control["certificate"];
    assert_eq!(
        (&certificate["subject"], &certificate["issuer"]),
        (&json!("CN=Test Server"), &json!("CN=Test Authority")),
        "{run}"
    );
    assert_eq!(certificate["names"], json!(["localhost", "127.0.0.1"]), "{run}");
    assert_eq!(certificate["sha256"], format!("sha256:{}", tls.identity.sha256()));
    // 2049-12-31T00:00:00Z.
    assert_eq!(certificate["not_after_ms"], 2_524_521_600_000_i64, "{run}");

    let data = details(&run, "encryption of data");
    assert_eq!(data["version"], version, "{run}");
    assert_eq!(data["resumed"], stage.server.kind.resumes(&tls), "{run}");
    // People are told the same.
    let text = run.stdout.clone();
    for part in ["2049-12-31", &tls.identity.sha256(), "CN=Test Authority"] {
        assert!(text.contains(part), "{part}: {run}");
    }
}

/// What is pasted from there into the settings is enough.
pub fn a_fingerprint_is_shown_before_anybody_is_trusted(stage: &Stage) {
    let tls = tls_of(stage);
    let mut command = stage.bench.command();
    command
        .args(["fingerprint", "--json", "--tls", tls.mode.name()])
        .arg(format!("127.0.0.1:{}", stage.server.port));
    let run = Run::of(command);
    assert_eq!(run.code, Some(0), "{run}");
    let shown = &run.events[0];
    assert_eq!(shown["sha256"], format!("sha256:{}", tls.identity.sha256()));
    assert_eq!(
        shown["public_key_sha256"],
        format!("sha256:{}", tls.identity.public_key_sha256())
    );
    assert_eq!(shown["trusted"], false, "{run}");
    is_enough(stage, &shown["settings"]["tls_trust"]["pinned"]);
}

fn is_enough(stage: &Stage, pinned: &Value) {
    stage.server.write("outbound/a.txt", "hello");
    let settings = with(stage.server.settings(), "tls_trust", json!({ "pinned": pinned }));
    // A name that the certificate does not have: a pin is about the certificate alone.
    let settings = with(settings, "tls_server_name", "ftp.example.com");
    let steps = vec![get(SHOP, json!({ "path": "outbound/a.txt" })), write("in")];
    stage.bench.run(&flow(&[(SHOP, settings)], steps)).assert_ok(1);
    assert_eq!(stage.local("in"), files([("a.txt", "hello")]));
}

pub fn a_pinned_certificate_is_enough(stage: &Stage) {
    is_enough(
        stage,
        &json!(format!("sha256:{}", tls_of(stage).identity.sha256())),
    );
}

pub fn a_pinned_key_is_enough(stage: &Stage) {
    let key = tls_of(stage).identity.public_key_sha256();
    // The first is another certificate's, which is about to be replaced.
    let other = pki::another_good().sha256();
    is_enough(
        stage,
        &json!([
            format!("sha256:{other}"),
            format!("SHA256:{}", key.to_uppercase())
        ]),
    );
}

/// More data connections than a server gives tickets at once; and one session for all of them.
pub fn many_small_files_in_one_session(stage: &Stage) {
    for number in 0..30 {
        stage
            .server
            .write(&format!("outbound/{number:02}.txt"), number.to_string());
    }
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        write("in"),
    ]);
    run.assert_ok(30);
    assert_eq!(stage.local("in").len(), 30);
    assert_eq!(stage.local("in")["29.txt"], b"29");
    if let Some(sign_ins) = stage.server.sign_ins() {
        assert_eq!(sign_ins, 1, "{run}");
    }
}

/// Uploads bring no tickets at `ProFTPD`, and what they bring elsewhere comes while nobody needs to read. An empty one
/// is a handshake and an end.
pub fn many_uploads_in_one_session(stage: &Stage) {
    for number in 0..12 {
        stage
            .bench
            .write(&format!("out/{number:02}.txt"), number.to_string());
        stage.bench.write(&format!("out/{number:02}.empty"), "");
    }
    stage.server.make_folder("inbound");
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ]);
    run.assert_ok(24);
    let stored = stage.on_server();
    assert_eq!(stored.len(), 24, "{run}");
    assert_eq!(
        (&stored["inbound/11.txt"][..], &stored["inbound/11.empty"][..]),
        (&b"11"[..], &b""[..])
    );
    if let Some(sign_ins) = stage.server.sign_ins() {
        assert_eq!(sign_ins, 1, "{run}");
    }
}

/// Gets and puts with PROT C.
fn in_clear(stage: &Stage, server: &FtpServer) -> Run {
    server.write("outbound/a.txt", "hello");
    let settings = with(server.settings(), "data_protection", "clear");
    let settings = with(settings, "max_tries", 1);
    let steps = vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        write("in"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ];
    stage.bench.run(&flow(&[(SHOP, settings)], steps))
}

pub fn data_in_clear_where_the_server_allows_it(stage: &Stage) {
    let limits = Limits {
        tls: Some(Tls {
            clear_data: true,
            ..tls_of(stage)
        }),
        ..stage.server.limits
    };
    let server = FtpServer::start_with(stage.server.kind, limits).expect("the server starts");
    let server = server.expect("it has started before");
    in_clear(stage, &server).assert_ok(1);
    assert_eq!(stage.local("in"), files([("a.txt", "hello")]));
    assert_eq!(server.read("inbound/a.txt").as_deref(), Some(&b"hello"[..]));
    // Whoever asks is told that everybody on the way may read it.
    let run = check(stage, with(server.settings(), "data_protection", "clear"), &[]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(steps(&run).contains(&("encryption of data", "warning")), "{run}");
}

pub fn data_in_clear_where_the_server_refuses_it(stage: &Stage) {
    let run = in_clear(stage, &stage.server);
    if stage.server.kind == Kind::Embedded {
        // It looks at `PASV` alone, and we use `EPSV`.
        run.assert_ok(1);
        return;
    }
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(stage.local("in"), files([]));
    let failures = run.failures();
    let [failure] = failures.as_slice() else {
        panic!("not one failure but {}: {run}", failures.len())
    };
    let message = failure["message"].as_str().unwrap_or_default();
    if stage.server.kind == Kind::Pyftpdlib {
        // It says so with 550, which means much else; its words are all there is.
        assert!(message.contains("SSL/TLS required on the data channel"), "{run}");
        return;
    }
    assert_eq!(failure["kind"], "tls", "{run}");
    assert!(message.contains("data_protection"), "{run}");
}

/// What the proxy sees of the client: it resumes everywhere, in both modes of data connections.
pub fn every_data_connection_resumes_the_session(stage: &Stage) {
    for mode in ["epsv", "pasv", "active"] {
        stage.server.write("outbound/a.txt", "hello");
        stage.server.write("outbound/empty.txt", "");
        let proxy = CutProxy::before(&stage.server, Plan::new());
        let settings = with(proxy.settings(&stage.server), "data_connection", mode);
        let steps = vec![
            get(SHOP, json!({ "root": "outbound", "path": ".*" })),
            write("in"),
            put("put", SHOP, json!({ "path": "inbound/" })),
        ];
        let run = stage.bench.run(&flow(&[(SHOP, settings)], steps));
        run.assert_ok(2);
        let (new, resumed) = proxy.protected();
        assert_eq!(new, 0, "{mode}: {:?}\n{run}", proxy.commands());
        assert!(resumed >= 5, "{mode}: {resumed}, {:?}", proxy.commands());
        assert_eq!(proxy.count("USER"), 1, "{mode}: {:?}", proxy.commands());
    }
}

/// The end of a TLS session in the middle of a file is as good as the file's: only its length tells.
pub fn a_get_that_an_end_of_tls_cuts_short(stage: &Stage) {
    get_in_the_middle(stage, &ENDS_OF_TLS);
}

pub fn a_put_that_an_end_of_tls_cuts_short(stage: &Stage) {
    put_in_the_middle(stage, &ENDS_OF_TLS);
}

pub fn a_run_without_tls_is_told_what_to_set(stage: &Stage) {
    let mut settings = stage.server.settings();
    let all = settings.as_object_mut().expect("an object");
    all.remove("tls");
    all.remove("tls_trust");
    // A server that speaks TLS from the first byte waits for ours.
    let settings = with(with(settings, "timeout", 1), "max_tries", 1);
    let steps = vec![get(SHOP, json!({ "path": "outbound/a.txt" }))];
    let run = stage.bench.run(&flow(&[(SHOP, settings)], steps));
    assert_eq!(run.code, Some(1), "{run}");
    let failures = run.failures();
    let message = failures[0]["message"].as_str().unwrap_or_default();
    match tls_of(stage).mode {
        Mode::Explicit => assert!(message.contains("`tls: explicit`"), "{run}"),
        Mode::Implicit => assert!(message.contains("`tls: implicit`"), "{run}"),
    }
    assert!(stage.server.sign_ins().is_none_or(|count| count == 0), "{run}");
}

pub fn the_other_mode_is_told(stage: &Stage) {
    let (other, right) = match tls_of(stage).mode {
        Mode::Explicit => (Mode::Implicit, "`tls: explicit`"),
        Mode::Implicit => (Mode::Explicit, "`tls: implicit`"),
    };
    let settings = with(stage.server.settings(), "tls", other.name());
    let settings = with(with(settings, "timeout", 1), "max_tries", 1);
    let steps = vec![get(SHOP, json!({ "path": "outbound/a.txt" }))];
    let run = stage.bench.run(&flow(&[(SHOP, settings)], steps));
    assert_eq!(run.code, Some(1), "{run}");
    let failures = run.failures();
    let message = failures[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains(right), "{run}");
    assert_eq!(warnings(&run, "get"), [""; 0], "{run}");
}
