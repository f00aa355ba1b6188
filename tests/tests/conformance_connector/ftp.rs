//! Our own connector.

use flow_tests::servers::{FtpServer, Kind};
use flowhost::conformance::report::Verdict;
use serde_json::{Value, json};

use crate::{conformance, named};

/// Settings for a server with files.
fn settings(server: &FtpServer) -> Value {
    json!({
        "connection": server.settings(),
        "silent": { "host": "/host", "port": "/port" },
        "remains": { "endpoint": "ftp-get", "options": { "root": "work", "path": ".*", "recursive": true } },
        "calls": [
            { "name": "get", "endpoint": "ftp-get", "options": { "root": "work/in", "path": r".*\.csv" }, "payloads": 2 },
            { "name": "list", "endpoint": "ftp-get", "options": { "command": "list work/in/" }, "payloads": 2 },
            { "name": "put", "endpoint": "ftp-put", "options": { "path": "work/out/{{ name }}" }, "incoming": [
                { "name": "a.txt", "content": "x".repeat(100_000) }, { "name": "b.txt", "content": "hello" },
            ] },
            { "name": "append", "endpoint": "ftp-put", "options": { "command": "append work/log.txt" }, "incoming": [
                { "name": "line", "content": "one more line\n" },
            ] },
            { "name": "collect", "endpoint": "ftp-get", "options": { "path": "work/once/", "after": "delete" },
                "payloads": 1, "repeatable": false },
            { "name": "rename", "endpoint": "ftp-put", "options": { "command": "rename work/done/{{ name }}", "path": "work/old.txt" },
                "incoming": [{ "name": "old.txt", "content": "" }], "repeatable": false },
        ],
    })
}

fn passes_on(kind: Kind) {
    let Some(server) = FtpServer::start(kind).expect("it starts") else {
        return; // That it is skipped is told.
    };
    for folder in ["work/in", "work/out", "work/once"] {
        server.make_folder(folder);
    }
    server.write("work/in/a.csv", "a;b\n");
    server.write("work/in/b.csv", "x".repeat(200_000));
    server.write("work/once/c.csv", "c\n");
    server.write("work/old.txt", "old\n");
    let settings = settings(&server);
    let report =
        flow_tests::guests::host().block_on(async move { conformance("ftp", Some(&settings)).await });
    assert!(report.is_clean(), "{}", report.text());
    // Nothing is passed over in silence.
    let not_run = named(&report, |verdict| matches!(verdict, Verdict::NotRun(_)));
    assert!(not_run.is_empty(), "{}", report.text());
    assert_eq!(server.read("work/in/a.csv").as_deref(), Some(&b"a;b\n"[..]));
    assert_eq!(server.read("work/once/c.csv"), None);
}

#[test]
fn ftp_passes_on_the_embedded_server() {
    passes_on(Kind::Embedded);
}

#[test]
fn ftp_passes_on_vsftpd() {
    passes_on(Kind::Vsftpd);
}

#[test]
fn ftp_passes_on_pyftpdlib() {
    passes_on(Kind::Pyftpdlib);
}
