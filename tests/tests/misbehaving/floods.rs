//! Guests that say too much.

use flow_tests::guests::{Guest, STEP};
use serde_json::json;

/// As many as the limit allows in each of the two seconds that a flood of this size can touch, and the line about
/// those that were dropped.
const FEW: usize = 2 * 20 + 2;

#[test]
fn log_lines_beyond_their_rate_are_dropped_and_counted() {
    let options = json!({ "behaviour": "flood-log", "count": 50_000, "size": 10 });
    let outcome = Guest::misbehaving(&options).limit("log_lines=20").run();
    assert!(outcome.report().is_ok(), "{outcome}");
    let lines = outcome.events("log").len();
    assert!((20..FEW).contains(&lines), "{lines} lines");
}

#[test]
fn progress_beyond_its_rate_is_dropped() {
    let options = json!({ "behaviour": "flood-progress", "count": 50_000, "size": 10 });
    let outcome = Guest::misbehaving(&options).limit("log_lines=20").run();
    assert!(outcome.report().is_ok(), "{outcome}");
    let told = outcome.events("progress").len();
    assert!((20..FEW).contains(&told), "{told} times");
}

#[test]
fn long_log_lines_are_cut() {
    let options = json!({ "behaviour": "flood-log", "count": 10, "size": 1 << 20 });
    let outcome = Guest::misbehaving(&options).run();
    assert!(outcome.report().is_ok(), "{outcome}");
    let lines = outcome.events("log");
    assert_eq!(lines.len(), 10);
    for line in lines {
        assert_eq!(line["step"], STEP);
        let length = line["message"].as_str().unwrap_or_default().len();
        assert!(length < 5_000, "{length} bytes");
    }
}

#[test]
fn of_the_output_only_the_end_is_kept() {
    let options = json!({ "behaviour": "flood-output", "count": 2_000, "size": 10_000 });
    let outcome = Guest::misbehaving(&options).run();
    outcome.assert_step_failed("trap", &["all written"]);
    let length = outcome.failures()[0]["message"]
        .as_str()
        .unwrap_or_default()
        .len();
    assert!(length < 20_000, "{length} bytes of last words");
}

#[test]
fn metadata_ends_with_its_limit() {
    let options = json!({ "behaviour": "flood-metadata", "size": 1 << 20 });
    let outcome = Guest::misbehaving(&options).run();
    outcome.assert_step_failed("invalid-settings", &["`metadata` (10KiB)"]);
    outcome.assert_arrived(&[]);
}

#[test]
fn metadata_that_is_passed_on_has_the_same_limit() {
    let options = json!({ "behaviour": "flood-passed-metadata", "size": 1 << 20 });
    let outcome = Guest::misbehaving(&options).given(&["a.txt", "b.txt"]).run();
    let words = "`metadata` (10KiB)";
    outcome.assert_payloads_failed(&[
        ("a.txt", "denied-by-host", words),
        ("b.txt", "denied-by-host", words),
    ]);
    outcome.assert_arrived(&[]);
}

#[test]
fn payloads_end_with_their_limit() {
    let options = json!({ "behaviour": "flood-payloads", "count": 1_000_000 });
    let outcome = Guest::misbehaving(&options).limit("payloads=25").run();
    outcome.assert_step_failed("denied-by-host", &["after 25: ", "`payloads` (25)"]);
    assert_eq!(outcome.report().payloads, 25);
    let names: Vec<String> = (0..25).map(|number| number.to_string()).collect();
    let mut files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    files.sort_unstable();
    outcome.assert_arrived(&files);
}

#[test]
fn reports_end_with_the_limit_of_payloads() {
    let options = json!({ "behaviour": "flood-reports", "count": 1_000_000 });
    let outcome = Guest::misbehaving(&options).limit("payloads=25").run();
    let failed = outcome.failures();
    assert_eq!(failed.len(), 1, "{outcome}");
    assert_eq!(failed[0]["kind"], "limit", "{outcome}");
    let message = failed[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("`payloads` (25)"), "{outcome}");
    assert_eq!(outcome.events("payload-problem").len(), 25, "{outcome}");
}
