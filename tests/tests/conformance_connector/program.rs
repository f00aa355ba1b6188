//! The program: its arguments, its exit codes, its reports.

use flow_tests::guests::component;
use flow_tests::run::{Bench, Run};
use serde_json::Value;

fn run(bench: &Bench, arguments: &[&str]) -> Run {
    let mut command = bench.command();
    command.args(["conformance", "connector"]).args(arguments);
    Run::of(command)
}

#[test]
fn without_settings_it_says_what_was_not_checked() {
    let bench = Bench::new();
    let ran = run(&bench, &["ftp"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    for words in [
        "describe.pure",
        "not-run: no settings file was given (`--settings`)",
        " 0 failed, ",
    ] {
        assert!(ran.stdout.contains(words), "{words:?} is not in: {ran}");
    }
}

#[test]
fn a_failure_is_an_exit_code_and_a_failure_for_build_servers() {
    let bench = Bench::new();
    let guest = component("describe_careless").display().to_string();
    let ran = run(&bench, &[&guest, "--json", "--junit", "report.xml"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    let id = report["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|check| check["id"] == "describe.id");
    let id = id.expect("there is such a check");
    assert_eq!(id["verdict"], "failed");
    assert_eq!(id["sentence"], "Stable, lower case, for example `ftp`.");
    let files = bench.files("");
    let xml = String::from_utf8_lossy(&files["report.xml"]).into_owned();
    for words in [
        "name=\"describe.id\"",
        "<failure",
        "<skipped",
        "Stable, lower case",
    ] {
        assert!(xml.contains(words), "{words:?} is not in: {xml}");
    }
}

#[test]
fn wrong_settings_are_told_with_their_places() {
    let bench = Bench::new();
    bench.write(
        "settings.yaml",
        "connection:\n  hots: h\ncalls:\n  - endpoint: ftp-gte\n  - { endpoint: ftp-put, incoming: [{ name: a }] }\n",
    );
    let ran = run(&bench, &["ftp", "--settings", "settings.yaml"]);
    assert_eq!(ran.code, Some(2), "{ran}");
    for words in [
        "settings.yaml:2:3: connection.hots: is not known here; did you mean `host`?",
        "calls[0].endpoint: the connector has no endpoint `ftp-gte`; did you mean `ftp-get`?",
        "calls[1].incoming[0]: give `content` or `file`, one of them",
    ] {
        assert!(ran.stderr.contains(words), "{words:?} is not in: {ran}");
    }
}

#[test]
fn all_checks_are_listed_with_their_sentences() {
    let bench = Bench::new();
    let ran = run(&bench, &["--list"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(
        ran.stdout
            .contains("context.wit: The message MUST NOT contain a secret."),
        "{ran}"
    );
}
