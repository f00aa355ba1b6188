//! `flowhost check`: what it finds out about a connection, and that it leaves everything as it was.

use flow_tests::proxy::{CutProxy, Plan};
use flow_tests::run::{Run, flow, get, with};
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage};

/// The steps of a check, in their order.
const STEPS: [&str; 5] = ["connect", "sign in", "features", "root folder", "listing"];

/// Commands that change something.
const CHANGES: [&str; 9] = [
    "STOR", "APPE", "STOU", "DELE", "RNFR", "RNTO", "MKD", "RMD", "SITE",
];

pub fn check(stage: &Stage, settings: Value, arguments: &[&str]) -> Run {
    let steps = vec![get(SHOP, json!({ "path": "a.txt" }))];
    let file = stage.bench.flow_file(&flow(&[(SHOP, settings)], steps));
    let mut command = stage.bench.command();
    command.args(["check", "--json"]).args(arguments).arg(file);
    Run::of(command)
}

pub fn steps(run: &Run) -> Vec<(&str, &str)> {
    let steps = run.events.iter().filter(|event| event["event"] == "check-step");
    steps
        .filter_map(|step| Some((step["name"].as_str()?, step["status"].as_str()?)))
        .collect()
}

/// Everything below the root, folders as well.
fn everything(stage: &Stage) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![stage.server.root.clone()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder)
            .expect("own folder")
            .map_while(Result::ok)
        {
            if entry.path().is_dir() {
                waiting.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

pub fn what_there_is(stage: &Stage) {
    stage.server.write("a.txt", "hello");
    let before = everything(stage);
    let proxy = CutProxy::before(&stage.server, Plan::new());
    let run = check(stage, proxy.settings(&stage.server), &[]);
    assert_eq!(run.code, Some(0), "{run}");
    let steps = steps(&run);
    let names: Vec<_> = steps
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| STEPS.contains(name))
        .collect();
    assert_eq!(names, STEPS, "{run}");
    assert!(steps.iter().all(|(_, status)| *status != "failed"), "{run}");
    for name in ["connect", "sign in", "root folder", "listing"] {
        assert!(steps.contains(&(name, "passed")), "{name}: {run}");
    }
    for word in CHANGES {
        assert_eq!(proxy.count(word), 0, "{:?}", proxy.commands());
    }
    assert_eq!(everything(stage), before);
}

pub fn what_only_writing_can_tell(stage: &Stage) {
    stage.server.write("a.txt", "hello");
    let before = everything(stage);
    let proxy = CutProxy::before(&stage.server, Plan::new());
    let run = check(stage, proxy.settings(&stage.server), &["--probe-write"]);
    assert_eq!(run.code, Some(0), "{run}");
    let steps = steps(&run);
    assert!(
        steps.len() > STEPS.len(),
        "nothing beyond what reading tells: {run}"
    );
    assert!(steps.iter().all(|(_, status)| *status != "failed"), "{run}");
    for word in ["STOR", "RNTO", "DELE"] {
        assert!(
            proxy.count(word) > 0,
            "{word} was not tried: {:?}",
            proxy.commands()
        );
    }
    assert_eq!(everything(stage), before, "{:?}", proxy.commands());
    assert_eq!(stage.server.read("a.txt").as_deref(), Some(&b"hello"[..]));
}

pub fn of_a_wrong_password(stage: &Stage) {
    let mut settings = stage.server.settings();
    settings["auth"]["password"] = json!("n0t-the-password");
    let run = check(stage, settings, &["--probe-write"]);
    assert_eq!(run.code, Some(1), "{run}");
    // The failed step is the last.
    assert_eq!(steps(&run).last(), Some(&("sign in", "failed")), "{run}");
    assert!(
        !run.stdout.contains("n0t-the") && !run.stderr.contains("n0t-the"),
        "{run}"
    );
}

pub fn of_a_root_that_is_not_there(stage: &Stage) {
    let run = check(
        stage,
        with(stage.server.settings(), "root", "/no such folder"),
        &[],
    );
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(steps(&run).last(), Some(&("root folder", "failed")), "{run}");
    assert!(run.stdout.contains("no such folder"), "{run}");
}
