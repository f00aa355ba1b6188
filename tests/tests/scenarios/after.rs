//! What becomes of a file once the flow has it.

use flow_tests::run::{get, write};
use flow_tests::servers::LOCKED;
use flow_tests::tree;
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage, files};

fn get_and(stage: &Stage, after: &str) -> flow_tests::run::Run {
    let options = json!({ "root": "outbound", "path": ".*", "after": after });
    stage.run(vec![get(SHOP, options), write("in")])
}

pub fn it_is_kept_or_deleted(stage: &Stage) {
    stage.server.write("outbound/a.txt", "a");
    stage.server.write("outbound/b.txt", "b");
    stage.server.write("elsewhere/c.txt", "c");
    get_and(stage, "keep").assert_ok(2);
    assert_eq!(stage.on_server().len(), 3);
    get_and(stage, "delete").assert_ok(2);
    assert_eq!(stage.on_server(), files([("elsewhere/c.txt", "c")]));
    assert_eq!(stage.local("in"), files([("a.txt", "a"), ("b.txt", "b")]));
}

pub fn it_is_moved_into_a_folder(stage: &Stage) {
    for name in ["a.txt", "b c.txt"] {
        stage.server.write(&format!("outbound/{name}"), name);
    }
    get_and(stage, "move to processed/2026/").assert_ok(2);
    assert_eq!(
        stage.on_server(),
        files([
            ("processed/2026/a.txt", "a.txt"),
            ("processed/2026/b c.txt", "b c.txt")
        ])
    );
}

pub fn it_is_moved_to_a_name(stage: &Stage) {
    for name in ["a.csv", "b.csv"] {
        stage.server.write(&format!("outbound/{name}"), name);
    }
    let run = get_and(stage, "move to outbound/old/{stem}.{run}.old");
    run.assert_ok(2);
    let names = tree::names(&stage.server.root.join("outbound"));
    let parts: Vec<Vec<&str>> = names.iter().map(|name| name.split('.').collect()).collect();
    let [first, second] = parts.as_slice() else {
        panic!("{names:?}: {run}")
    };
    assert_eq!((first[0], second[0]), ("old/a", "old/b"), "{names:?}");
    assert_eq!(
        (first.last(), second.last()),
        (Some(&"old"), Some(&"old")),
        "{names:?}"
    );
    // The run's id stands between, and it is the same for both.
    assert!(
        first.len() == 3 && !first[1].is_empty() && first[1] == second[1],
        "{names:?}"
    );
}

pub fn it_is_moved_onto_a_file_as_it_is_told(stage: &Stage) {
    let moved = |if_exists: &str| {
        stage.server.write("outbound/a.txt", "new");
        stage.server.write("done/a.txt", "old");
        let options = json!({ "path": "outbound/a.txt", "after": "move to done/", "if_exists": if_exists });
        stage.run(vec![get(SHOP, options), write("in")])
    };
    moved("rename").assert_ok(1);
    assert_eq!(
        stage.on_server(),
        files([("done/a.txt", "old"), ("done/a-1.txt", "new")])
    );
    moved("overwrite").assert_ok(1);
    assert_eq!(
        stage.on_server(),
        files([("done/a.txt", "new"), ("done/a-1.txt", "new")])
    );
    let run = moved("fail");
    assert_problem(&run, "a.txt");
    assert_eq!(
        stage.on_server(),
        files([
            ("done/a.txt", "old"),
            ("done/a-1.txt", "new"),
            ("outbound/a.txt", "new")
        ])
    );
}

/// The bytes are safe in the flow, so the payload goes on; but the run must not call itself well.
pub fn a_move_that_fails_is_told_and_the_payload_goes_on(stage: &Stage) {
    stage.server.write("outbound/a.txt", "hello");
    // libunftp lets the account write everywhere; but no file is a folder.
    let target = if stage.server.kind.has_locked_folder() {
        LOCKED
    } else {
        stage.server.write("blocked", "a file");
        "blocked"
    };
    let run = get_and(stage, &format!("move to {target}/"));
    assert_problem(&run, "a.txt");
    assert_eq!(stage.local("in"), files([("a.txt", "hello")]));
    assert_eq!(
        stage.server.read("outbound/a.txt").as_deref(),
        Some(&b"hello"[..])
    );
    assert_eq!(stage.server.read(&format!("{target}/a.txt")), None);
}

fn assert_problem(run: &flow_tests::run::Run, name: &str) {
    assert_eq!((run.code, run.failures().len()), (Some(1), 0), "{run}");
    assert_eq!(run.finished()["status"], "failed", "{run}");
    assert_eq!(run.events_of("payload-done", "write").len(), 1, "{run}");
    let problems: Vec<&Value> = run.events_of("payload-problem", "get");
    let [problem] = problems.as_slice() else {
        panic!("not one problem but {}: {run}", problems.len())
    };
    assert!(
        problem["payload"]
            .as_str()
            .is_some_and(|payload| payload.contains(name)),
        "{run}"
    );
    assert!(
        problem["kind"].is_string() && problem["message"].is_string(),
        "{run}"
    );
    let message = problem["message"].as_str().unwrap_or_default();
    assert!(message.contains(name) && message.contains("delivered"), "{run}");
}
