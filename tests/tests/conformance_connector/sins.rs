//! One way to break the contract after the other: which checks fail, exactly.

use flow_tests::guests::{component, host};
use flowhost::conformance::report::{Report, Verdict};
use serde_json::{Value, json};

use crate::store::Store;
use crate::{conformance, failed, named};

fn make(sin: &str) -> Value {
    json!([{ "name": "make", "endpoint": "make", "options": { "sin": sin }, "payloads": 2 }])
}

fn pass(sin: &str) -> Value {
    json!([{ "name": "pass", "endpoint": "pass", "options": { "sin": sin }, "incoming": [
        { "name": "one", "content": "the first one" }, { "name": "two", "content": "the second" },
    ] }])
}

/// Checks the connector at a store of its own.
async fn at_a_store(connection_sin: &str, calls: &Value) -> Report {
    let store = Store::start().await;
    let settings = store.settings(connection_sin, calls);
    conformance(&component("sloppy").display().to_string(), Some(&settings)).await
}

/// Each sin alone, some of them at the same time: most of a run is waiting.
fn assert_fail(sins: &'static [(&str, &[&str])], calls: fn(&str) -> (String, Value)) {
    const TOGETHER: usize = 6;
    for some in sins.chunks(TOGETHER) {
        host().block_on(async move {
            let runs = some.iter().map(|(sin, expected)| {
                tokio::spawn(async move {
                    let (connection, calls) = calls(sin);
                    let report = at_a_store(&connection, &calls).await;
                    assert_eq!(failed(&report), *expected, "{sin}: {}", report.text());
                })
            });
            let runs: Vec<_> = runs.collect();
            for run in runs {
                run.await
                    .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            }
        });
    }
}

#[test]
fn without_sin_everything_is_checked_and_nothing_fails() {
    let report = host().block_on(async {
        let both = [make("").as_array(), pass("").as_array()]
            .into_iter()
            .flatten()
            .flatten()
            .cloned()
            .collect();
        at_a_store("", &both).await
    });
    assert!(report.is_clean(), "{}", report.text());
    assert_eq!(
        named(&report, |verdict| matches!(verdict, Verdict::NotRun(_))),
        [""; 0],
        "{}",
        report.text()
    );
    let idle = named(&report, |verdict| matches!(verdict, Verdict::NotApplicable(_)));
    assert_eq!(idle, ["describe.details"], "{}", report.text());
}

#[test]
fn sins_of_plans_and_checks_are_found() {
    assert_fail(
        &[
            ("plan-logs", &["plan.pure"]),
            ("plan-differs", &["plan.same"]),
            ("no-reason", &["plan.egress"]),
            ("settings-unchecked", &["plan.settings"]),
            ("no-field", &["plan.field"]),
            ("any-endpoint", &["plan.endpoint"]),
            ("judge-templates", &["plan.templates"]),
            ("check-believes", &["check.secret"]),
            ("check-goes-on", &["check.steps"]),
            // The second one finds what the first one has left.
            ("check-writes", &["check.read-only", "check.probe-write"]),
            ("check-leaves", &["check.probe-write"]),
        ],
        |sin| (sin.to_owned(), make("")),
    );
}

#[test]
fn sins_of_offers_are_found() {
    assert_fail(
        &[
            ("no-id", &["offer.id"]),
            ("folder-in-name", &["offer.name"]),
            ("attribute-twice", &["offer.attributes"]),
            ("wrong-size", &["call.works", "offer.size"]),
            ("new-ids", &["offer.stable"]),
            ("skip-is-done", &["offer.skipped"]),
            ("skip-is-stop", &["offer.skip"]),
            ("stop-is-skip", &["offer.stop"]),
            ("accepted-fails", &["accept.before"]),
            ("hide-refusal", &["accept.begin"]),
            ("finish-anyway", &["accept.finish", "accept.stream"]),
            // What it deletes is not there for the others, either.
            (
                "delete-refused",
                &["call.works", "offer.skip", "accept.original", "accept.before"],
            ),
        ],
        |sin| (String::new(), make(sin)),
    );
}

#[test]
fn sins_of_calls_are_found() {
    assert_fail(
        &[
            ("keep-stream", &["call.writer-streams"]),
            ("leave-open", &["call.closed"]),
            ("never-settle", &["call.closed", "incoming.options"]),
            ("miscount", &["call.summary"]),
            ("trap-on-options", &["incoming.options"]),
            ("end-on-options", &["incoming.options"]),
            ("ignore-next", &["incoming.next", "cancel.next"]),
            ("deaf", &["cancel.body", "cancel.connect", "cancel.deadline"]),
            (
                "other-error",
                &["cancel.offer", "cancel.body", "cancel.next", "cancel.connect"],
            ),
            ("details-list", &["error.form"]),
            ("secret-in-log", &["secret.log"]),
            ("secret-in-error", &["secret.errors"]),
            ("secret-in-metadata", &["secret.elsewhere"]),
        ],
        |sin| (String::new(), make(sin)),
    );
}

#[test]
fn sins_against_incoming_payloads_are_found() {
    assert_fail(
        &[
            (
                "other-id",
                &["call.works", "call.summary", "incoming.options", "incoming.id"],
            ),
            ("keep-stream", &["incoming.streams"]),
            ("truncate", &["incoming.broken"]),
            ("leave-part", &["incoming.broken", "cancel.remains"]),
            ("twice", &["incoming.earlier"]),
        ],
        |sin| (String::new(), pass(sin)),
    );
}
