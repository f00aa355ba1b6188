//! Guests whose answers are not what they should be.

use flow_tests::guests::{Guest, Outcome};
use serde_json::json;

#[test]
fn details_that_are_not_json_change_nothing() {
    let outcome = Guest::that("details-without-json").run();
    outcome.assert_step_failed("internal", &["with details"]);
}

#[test]
fn a_summary_of_lies_changes_what_the_host_counts_itself_in_nothing() {
    let outcome = Guest::that("summary-of-lies")
        .given(&["a.txt"])
        .and_then("summary-of-lies")
        .run();
    let report = outcome.report();
    assert_eq!(
        (report.payloads, report.bytes, report.failed),
        (1, 5, 0),
        "{outcome}"
    );
    // Only the connector knows what it skipped; twice as much as the ledger can count is no less.
    assert!(report.skipped > u64::MAX / 3, "{outcome}");
}

fn assert_message_is_short(outcome: &Outcome) {
    let message = outcome.failures()[0]["message"]
        .as_str()
        .unwrap_or_default()
        .len();
    assert!(message < 10_000, "{message} bytes of message");
}

#[test]
fn an_error_of_a_mebibyte_is_cut() {
    let outcome = Guest::misbehaving(&json!({ "behaviour": "huge-error", "size": 1 << 20 })).run();
    outcome.assert_step_failed("internal", &["xxxx"]);
    assert_message_is_short(&outcome);
}

#[test]
fn an_error_of_ten_mebibytes_is_more_than_may_be_passed() {
    let outcome = Guest::misbehaving(&json!({ "behaviour": "huge-error", "size": 10 << 20 }))
        .limit("memory=64MiB")
        .run();
    outcome.assert_step_failed("trap", &["the connector trapped"]);
    assert_message_is_short(&outcome);
}

#[test]
fn a_write_of_ten_mebibytes_at_once_is_more_than_may_be_passed() {
    let outcome = Guest::misbehaving(&json!({ "behaviour": "huge-write", "size": 10 << 20 }))
        .limit("memory=64MiB")
        .run();
    outcome.assert_step_failed("trap", &["the connector trapped"]);
    outcome.assert_arrived(&[]);
}
