//! What keeps flows from being served at all.

use super::{bench, copy, put};
use flow_tests::run::{Bench, Run};
use flow_tests::serving::{Serving, command};
use serde_json::json;
use std::net::TcpListener;

fn refused(bench: &Bench, arguments: &[&str]) -> Run {
    Run::of(command(bench, arguments))
}

#[test]
fn a_flow_without_triggers_is_told_what_to_write() {
    let bench = bench();
    put(&bench, "f.yaml", &copy("f", json!([])));
    refused(&bench, &["f.yaml"]).assert_wrong(&["triggers", "triggers: [{ every: 30s }]"]);
}

#[test]
fn two_flows_of_one_name_are_refused() {
    let bench = bench();
    put(&bench, "flows/a.yaml", &copy("same", json!([{ "every": "1h" }])));
    put(&bench, "flows/b.yaml", &copy("same", json!([{ "every": "1h" }])));
    refused(&bench, &["flows"]).assert_wrong(&["flows/b.yaml", "flows/a.yaml is named `same` too"]);
}

#[test]
fn every_problem_of_every_flow_is_told_with_its_line() {
    let bench = bench();
    bench.write("token-short", "short");
    bench.write(
        "a.yaml",
        "name: a\nsteps: [{ http: { url: 'http://127.0.0.1:1' } }]\ntriggers:\n- { cron: '61 * * * *', zone: Europe/Zuric }\n\
         - { poll: 1s }\n- { every: 10ms }\n- { every: 1s, poll: 2s }\n- { every: 2s, zone: UTC }\n",
    );
    bench.write(
        "b.yaml",
        "name: b\nsteps: [{ folder: { read: out } }]\ntriggers:\n- http: { token: plain }\n\
         - http: { token: '${file:token-short}' }\n- { cron: '0 0 30 2 *' }\n",
    );
    let run = refused(&bench, &["a.yaml", "b.yaml"]);
    assert_eq!(run.code, Some(2), "{run}");
    let found: Vec<_> = run
        .events
        .iter()
        .map(|event| {
            (
                event["file"].as_str(),
                event["line"].as_u64(),
                event["field"].as_str(),
            )
        })
        .collect();
    let a = |line, field| (Some("a.yaml"), Some(line), Some(field));
    let b = |line, field| (Some("b.yaml"), Some(line), Some(field));
    let expected = [
        a(4, "triggers[0].cron"),
        a(4, "triggers[0].zone"),
        a(5, "triggers[1].poll"),
        a(6, "triggers[2].every"),
        a(7, "triggers[3]"),
        a(8, "triggers[4].zone"),
        b(4, "triggers[0].http.token"),
        b(5, "triggers[1].http.token"),
        b(6, "triggers[2].cron"),
    ];
    assert_eq!(found, expected, "{run}");
}

#[test]
fn a_variable_has_to_be_one_of_some_flow() {
    let bench = bench();
    put(&bench, "a.yaml", &copy("a", json!([{ "every": "1h" }])));
    let mut other = copy("b", json!([{ "every": "1h" }]));
    other["variables"] = json!({ "shop": "x" });
    put(&bench, "b.yaml", &other);
    refused(&bench, &["a.yaml", "b.yaml", "--var", "shpo=y"]).assert_wrong(&["did you mean `shop`"]);
    // `a` has no such variable, and is served nevertheless.
    let serving = Serving::start(&bench, &["a.yaml", "b.yaml", "--var", "shop=y"]);
    serving.wait_event("a", "run-finished");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let bench = bench();
    put(&bench, "f.yaml", &copy("f", json!([{ "every": "1h" }])));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it listens").to_string();
    let mut command = bench.command();
    command.args(["serve", "f.yaml", "--http", &address]);
    let run = Run::of(command);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr.contains(&address) && run.stderr.contains("`--http`"),
        "{run}"
    );
}
