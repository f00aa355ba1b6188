//! Guests that do wrong with payloads: none is ever taken for whole that its connector did not finish.

use flow_tests::guests::{Guest, STEP};
use serde_json::json;

const UNSAID: &str = "did not say what became of it";

#[test]
fn names_that_lead_elsewhere_are_refused_one_by_one() {
    let outcome = Guest::that("forge-names").run();
    let failed = outcome.failures();
    let names: Vec<_> = failed
        .iter()
        .filter_map(|failure| failure["payload"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "../escaped.txt",
            "..",
            "/etc/escaped.txt",
            "below/escaped.txt",
            "nul\0.txt",
            "two\r\nlines.txt",
            ".",
            "",
            "harmless.txt",
        ],
        "{outcome}"
    );
    assert!(
        failed.iter().all(|failure| failure["step"] == "write"),
        "{outcome}"
    );
    // Here a backslash is a character like any other.
    outcome.assert_arrived(&[("back\\slash.txt", "hello"), ("sound.txt", "hello")]);
}

#[test]
fn a_payload_passed_on_as_another_fails() {
    let outcome = Guest::that("pass-under-another-id")
        .given(&["a.txt", "b.txt"])
        .run();
    let under_another = "passed the payload on under another id";
    outcome.assert_payloads_failed(&[
        ("a.txt", "internal", under_another),
        ("b.txt", "internal", under_another),
    ]);
    outcome.assert_arrived(&[]);
}

#[test]
fn a_body_of_another_length_is_not_taken() {
    let outcome = Guest::that("lie-about-size").run();
    let failures = outcome.failures();
    // Told twice: the payload is lost, and the guest gives the host's answer back.
    assert_eq!(failures.len(), 2, "{outcome}");
    for failure in failures {
        assert_eq!(failure["kind"], "data", "{outcome}");
        assert!(
            failure["message"]
                .as_str()
                .is_some_and(|text| text.contains("5 bytes") && text.contains("1000")),
            "{outcome}"
        );
    }
    outcome.assert_arrived(&[]);
}

#[test]
fn a_writer_has_one_body() {
    let outcome = Guest::that("body-twice").run();
    outcome.assert_step_failed("trap", &["asked twice for the body of one writer"]);
    outcome.assert_arrived(&[]);
}

#[test]
fn a_writer_that_is_dropped_is_a_payload_that_failed() {
    let outcome = Guest::that("drop-unfinished").run();
    outcome.assert_payloads_failed(&[("dropped.txt", "internal", UNSAID)]);
    outcome.assert_arrived(&[("whole.txt", "hello")]);
}

#[test]
fn a_writer_that_is_never_finished_is_a_payload_that_failed() {
    let outcome = Guest::that("forget-writer").run();
    outcome.assert_payloads_failed(&[("forgotten.txt", "internal", UNSAID)]);
    outcome.assert_arrived(&[("whole.txt", "hello")]);
}

#[test]
fn a_writer_does_not_outlive_its_call() {
    let outcome = Guest::that("keep-writer")
        .given(&["a.txt"])
        .and_then("finish-kept-writer")
        .run();
    let failed = outcome.failures();
    assert_eq!(failed.len(), 3, "{outcome}");
    assert_eq!(failed[0]["payload"], "kept.txt", "{outcome}");
    assert_eq!(failed[0]["step"], STEP, "{outcome}");
    // The second call fails, and with it the payload that it was given.
    for failure in &failed[1..] {
        assert_eq!(
            (&failure["step"], &failure["kind"]),
            (&json!("again"), &json!("trap")),
            "{outcome}"
        );
        let message = failure["message"].as_str().unwrap_or_default();
        assert!(message.contains("a writer outlived its call"), "{outcome}");
    }
    assert_eq!(outcome.report().payloads, 1, "only the local file: {outcome}");
    outcome.assert_arrived(&[]);
}

#[test]
fn payloads_that_are_never_settled_have_failed() {
    for behaviour in ["never-settle", "drop-unsettled"] {
        let outcome = Guest::that(behaviour).given(&["a.txt", "b.txt"]).run();
        let mut failed: Vec<_> = outcome.failures();
        failed.sort_by_key(|failure| failure["payload"].as_str());
        let names: Vec<_> = failed.iter().map(|failure| &failure["payload"]).collect();
        assert_eq!(names, ["a.txt", "b.txt"], "{outcome}");
        for failure in failed {
            assert_eq!(failure["event"], "payload-failed", "{outcome}");
            assert!(
                failure["message"]
                    .as_str()
                    .is_some_and(|text| text.contains(UNSAID)),
                "{outcome}"
            );
        }
        assert_eq!(outcome.report().failed, 2, "{outcome}");
        outcome.assert_arrived(&[]);
    }
}

#[test]
fn a_trap_in_the_middle_of_a_payload_leaves_the_one_before_it() {
    let outcome = Guest::that("trap-in-payload").run();
    outcome.assert_step_failed("trap", &["the connector trapped"]);
    outcome.assert_arrived(&[("whole.txt", "hello")]);
    assert_eq!(outcome.report().payloads, 1, "{outcome}");
}

#[test]
fn nothing_is_written_after_an_abort() {
    let outcome = Guest::that("write-after-abort").run();
    let failures = outcome.failures();
    assert_eq!(failures.len(), 2, "{outcome}");
    let given_up = failures
        .iter()
        .find(|failure| failure["payload"] == "aborted.txt");
    assert_eq!(
        given_up.expect("the payload failed")["message"],
        "given up",
        "{outcome}"
    );
    let seen = failures.iter().find(|failure| failure["event"] == "step-failed");
    assert_eq!(
        seen.expect("the guest told what it saw")["message"],
        "after abort: closed",
        "{outcome}"
    );
    outcome.assert_arrived(&[]);
}

#[test]
fn nothing_is_written_after_the_end() {
    let outcome = Guest::that("write-after-finish").run();
    outcome.assert_step_failed("internal", &["after finish: closed"]);
    outcome.assert_arrived(&[("finished.txt", "hello")]);
}

#[test]
fn a_body_ends_with_the_limit_of_its_size() {
    let options = json!({ "behaviour": "flood-body", "size": 1 << 30 });
    let outcome = Guest::misbehaving(&options).limit("payload_size=256KiB").run();
    let failures = outcome.failures();
    // The payload, and the guest that gives the host's answer back.
    assert_eq!(failures.len(), 2, "{outcome}");
    for failure in failures {
        assert_eq!(failure["kind"], "denied-by-host", "{outcome}");
        let message = failure["message"].as_str().unwrap_or_default();
        assert!(message.contains("`payload_size` (256KiB)"), "{outcome}");
    }
    outcome.assert_arrived(&[]);
}
