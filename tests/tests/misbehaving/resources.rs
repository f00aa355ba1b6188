//! Guests that take whatever there is.

use flow_tests::guests::Guest;
use serde_json::json;

/// The most memory that the program may need with such a guest, KiB: some 70 MiB of its own with the guest's machine
/// code, the guest's limit of 16 MiB, and as much again for what is on its way between the two.
const MOST_KIB: u64 = 128 * 1024;

#[test]
fn memory_ends_with_its_limit() {
    let outcome = Guest::that("allocate").run();
    outcome.assert_step_failed(
        "limit",
        &["`memory` (16MiB)", "--limit it.memory=", "policy file"],
    );
    outcome.assert_arrived(&[]);
}

#[test]
fn the_program_needs_little_more_memory_than_the_limit() {
    let run = Guest::that("allocate").run_as_process(&["--limit", "memory=16MiB"]);
    let failure = run.assert_failed("limit");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|text| text.contains("`memory` (16MiB)")),
        "{run}"
    );
    assert!(run.peak_kib < MOST_KIB, "{} KiB: {run}", run.peak_kib);
}

#[test]
fn handles_end_with_their_limit() {
    let options = json!({ "behaviour": "exhaust-handles", "count": 100_000 });
    let outcome = Guest::misbehaving(&options).limit("handles=100").run();
    outcome.assert_step_failed("limit", &["`handles` (100)", "--limit it.handles="]);
    outcome.assert_arrived(&[]);
}

#[test]
fn sockets_end_with_their_limit() {
    let options = json!({ "behaviour": "open-sockets", "count": 10_000 });
    let outcome = Guest::misbehaving(&options).limit("sockets=8").run();
    // The guest lives on and tells what it saw; the operator is told which limit it was, once.
    outcome.assert_step_failed("internal", &["8 sockets, then: "]);
    let lines = outcome.policy_lines();
    assert_eq!(lines.len(), 1, "{outcome}");
    assert!(lines[0].contains("`sockets` (8)"), "{outcome}");
}

#[test]
fn ten_thousand_sockets_are_too_many_by_default() {
    let options = json!({ "behaviour": "open-sockets", "count": 10_000 });
    let outcome = Guest::misbehaving(&options).run();
    outcome.assert_step_failed("internal", &["64 sockets, then: "]);
}

#[test]
fn tls_contexts_end_with_their_limit() {
    let options = json!({ "behaviour": "flood-tls-contexts", "count": 500 });
    let outcome = Guest::misbehaving(&options).limit("tls_contexts=4").run();
    outcome.assert_step_failed("internal", &["4 contexts, then: ", "`tls_contexts` (4)"]);
}

#[test]
fn tls_sessions_end_with_their_limit() {
    let options = json!({ "behaviour": "flood-tls-sessions", "count": 500 });
    let outcome = Guest::misbehaving(&options).limit("tls_sessions=4").run();
    outcome.assert_step_failed("internal", &["4 sessions, then: ", "`tls_sessions` (4)"]);
}

#[test]
fn endless_recursion_is_a_trap() {
    let outcome = Guest::that("recurse").run();
    outcome.assert_step_failed("trap", &["the connector trapped"]);
}

#[test]
fn a_panic_is_a_trap_with_its_words() {
    let outcome = Guest::that("panic").run();
    outcome.assert_step_failed("trap", &["the connector trapped", "I have had enough"]);
}

#[test]
fn a_guest_that_ends_the_program_ends_nothing_but_its_call() {
    let outcome = Guest::that("exit").run();
    outcome.assert_step_failed("trap", &["the connector trapped", "exit"]);
}
