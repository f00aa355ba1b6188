//! `--trace-ftp`: the dialogue with the server, without the password.

use std::path::PathBuf;

use flow_tests::run::{Run, flow, get, put};
use serde_json::json;

use crate::arrange::{SHOP, Stage};

fn flow_file(stage: &Stage) -> PathBuf {
    stage.server.write("outbound/a.txt", "hello");
    stage.bench.flow_file(&flow(
        &[(SHOP, stage.server.settings())],
        vec![
            get(SHOP, json!({ "root": "outbound", "path": ".*" })),
            put("archive", SHOP, json!({ "command": "rename done/" })),
        ],
    ))
}

fn run(stage: &Stage, arguments: &[&str]) -> Run {
    let file = flow_file(stage);
    let mut command = stage.bench.command();
    command.args(arguments).arg(file);
    let run = Run::of(command);
    assert_eq!(run.code, Some(0), "{run}");
    let password = stage.server.password;
    assert!(
        !run.stdout.contains(password) && !run.stderr.contains(password),
        "{run}"
    );
    run
}

/// What both sides said, in this order, among other lines; and what stands for the password.
fn assert_dialogue(lines: &[&str], more: &[&str], run: &Run) {
    let mut rest = lines.iter();
    for part in ["< 220", "> USER ", "< 331", "> PASS", "< 230"]
        .iter()
        .chain(more)
    {
        assert!(rest.any(|line| line.contains(part)), "{part:?} is missing: {run}");
    }
    let sent: Vec<_> = lines.iter().filter(|line| line.contains("> PASS")).collect();
    assert_eq!(sent.len(), 1, "{run}");
    assert!(sent[0].ends_with("PASS ***"), "{}", sent[0]);
}

/// `1`: 150, or 125 where the data connection is there before the command.
const OF_THE_RUN: [&str; 6] = ["> RETR", "< 1", "< 226", "> RNFR", "> RNTO", "< 250"];

/// On standard error with the time and the step; standard output stays what it is.
pub fn of_a_run_for_people(stage: &Stage) {
    let run = run(stage, &["run", "--trace-ftp"]);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_dialogue(&lines, &OF_THE_RUN, &run);
    let line = lines
        .iter()
        .find(|line| line.contains("> RETR"))
        .expect("looked for above");
    let words: Vec<&str> = line.split(' ').collect();
    let time = words[0].as_bytes();
    assert!(
        time.len() >= 8 && time[0].is_ascii_digit() && time[2] == b':' && time[5] == b':',
        "no time: {line}"
    );
    assert_eq!(words[1], "get", "no step: {line}");
    let renamed = lines
        .iter()
        .find(|line| line.contains("> RNFR"))
        .expect("looked for above");
    assert!(renamed.contains(" archive "), "{renamed}");
    assert!(!run.stdout.contains("> RETR"), "{run}");
}

pub fn of_a_run_for_programs(stage: &Stage) {
    let run = run(stage, &["run", "--json", "--trace-ftp"]);
    let trace = run
        .events
        .iter()
        .filter(|event| event["event"] == "log" && event["level"] == "trace");
    let lines: Vec<&str> = trace.filter_map(|event| event["message"].as_str()).collect();
    assert_dialogue(&lines, &OF_THE_RUN, &run);
    assert!(!run.stderr.contains("> RETR"), "{run}");
}

pub fn of_a_check(stage: &Stage) {
    let run = run(stage, &["check", "--trace-ftp"]);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_dialogue(&lines, &["> PWD", "< 257"], &run);
}

pub fn not_unless_it_is_asked_for(stage: &Stage) {
    let run = run(stage, &["run", "--json"]);
    assert!(!run.events.iter().any(|event| event["level"] == "trace"), "{run}");
    assert!(
        !run.stderr.contains("> RETR") && !run.stdout.contains("> RETR"),
        "{run}"
    );
}
