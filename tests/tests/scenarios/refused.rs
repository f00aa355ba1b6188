//! What a server refuses: the kind of the error, what its message must say, and that nothing is left.

use flow_tests::run::{flow, get, put, read, write};
use flow_tests::servers::{Kind, LOCKED};
use serde_json::json;

use crate::arrange::{SHOP, Stage, files};

pub fn a_wrong_password(stage: &Stage) {
    let mut settings = stage.server.settings();
    settings["auth"]["password"] = json!("n0t-the-password");
    let run = stage.bench.run(&flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({ "path": "a.txt" }))],
    ));
    let failure = run.assert_failed("authentication");
    assert_eq!(failure["code"], "530", "{run}");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|message| message.contains("sign in")),
        "{run}"
    );
    // Not even a wrong one is repeated, and a wrong one is never tried twice.
    assert!(
        !run.stdout.contains("n0t-the-password") && !run.stderr.contains("n0t-the-password"),
        "{run}"
    );
    assert!(stage.server.sign_ins().is_none_or(|count| count == 0));
}

pub fn a_missing_file(stage: &Stage) {
    stage.server.write("outbound/other.txt", "x");
    let run = stage.run(vec![
        get(SHOP, json!({ "path": "outbound/missing.txt" })),
        write("in"),
    ]);
    let failure = run.assert_failed("not-found");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|message| message.contains("outbound/missing.txt")),
        "{run}"
    );
    assert!(stage.local("in").is_empty());
}

pub fn a_missing_folder(stage: &Stage) {
    let run = stage.run(vec![
        get(SHOP, json!({ "root": "no such folder", "path": ".*" })),
        write("in"),
    ]);
    let failure = run.assert_failed("not-found");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|message| message.contains("no such folder")),
        "{run}"
    );
}

pub fn a_folder_without_permission(stage: &Stage) {
    if !stage.server.kind.has_locked_folder() {
        return;
    }
    stage.bench.write("out/a.txt", "hello");
    let run = stage.run(vec![
        read("out/*"),
        put("put", SHOP, json!({ "path": format!("{LOCKED}/") })),
    ]);
    let failure = run.assert_failed("permission");
    let message = failure["message"].as_str().unwrap_or_default();
    assert!(message.contains(LOCKED), "{run}");
    let run = stage.run(vec![put(
        "delete",
        SHOP,
        json!({ "command": format!("delete {LOCKED}/present.txt") }),
    )]);
    // vsftpd's `deny_file` hides the file from every look as well, so that nothing tells it from a missing one.
    let kind = if stage.server.kind == Kind::Vsftpd {
        "not-found"
    } else {
        "permission"
    };
    let _ = run.assert_failed(kind);
    let left = flow_tests::tree::names(&stage.server.root.join(LOCKED));
    assert_eq!(left, ["present.txt"]);
}

pub fn a_rename_of_a_missing_file(stage: &Stage) {
    stage.server.write("outbound/a.txt", "a");
    let run = stage.run(vec![
        get(SHOP, json!({ "path": "outbound/a.txt" })),
        put("delete", SHOP, json!({ "command": "delete" })),
        put(
            "archive",
            SHOP,
            json!({ "command": "rename processed/{{ original_filename }}" }),
        ),
    ]);
    let failure = run.assert_failed("not-found");
    assert_eq!(failure["step"], "archive", "{run}");
    assert_eq!(stage.on_server(), files([]));
}

pub fn a_folder_that_is_not_empty(stage: &Stage) {
    stage.server.write("full/a.txt", "a");
    let run = stage.run(vec![put("rmdir", SHOP, json!({ "command": "rmdir full" }))]);
    let _ = run.assert_failed("conflict");
    assert_eq!(stage.on_server(), files([("full/a.txt", "a")]));
}
