//! Guests that do not end.

use flow_tests::guests::{Guest, INTERRUPTED, Outcome, STEP};
use std::net::TcpListener;

const PARTS: [&str; 2] = ["the connector did not end within 300ms", "`timeout`"];

#[test]
fn a_loop_ends_with_the_steps_time() {
    let outcome = Guest::that("loop").timeout("300ms").run();
    outcome.assert_step_failed("time-out", &PARTS);
    outcome.assert_arrived(&[]);
}

#[test]
fn a_loop_in_calls_of_the_host_ends_with_the_steps_time() {
    let outcome = Guest::that("loop-in-calls").timeout("300ms").run();
    outcome.assert_step_failed("time-out", &PARTS);
}

#[test]
fn a_loop_in_the_middle_of_a_payload_leaves_the_one_before_it() {
    let outcome = Guest::that("loop-in-payload").timeout("300ms").run();
    outcome.assert_step_failed("time-out", &PARTS);
    outcome.assert_arrived(&[("whole.txt", "whole")]);
    assert_eq!(outcome.report().payloads, 1);
}

#[test]
fn a_loop_ends_with_the_runs_cancellation() {
    // The line tells that half of the second payload is written.
    let outcome = Guest::that("loop-in-payload").cancelled_when("log").run();
    assert_cancelled(&outcome);
    assert_eq!(outcome.report().payloads, 1);
    // The run is over: also what was whole goes nowhere any more.
    outcome.assert_arrived(&[]);
}

#[test]
fn a_loop_ends_with_its_processor_time() {
    for behaviour in ["loop", "loop-in-calls", "loop-in-payload"] {
        let outcome = Guest::that(behaviour).limit("cpu_time=200ms").run();
        outcome.assert_step_failed(
            "limit",
            &["`cpu_time` (200ms)", "--limit it.cpu_time=", "policy file"],
        );
        let arrived: &[_] = if behaviour == "loop-in-payload" {
            &[("whole.txt", "whole")]
        } else {
            &[]
        };
        outcome.assert_arrived(arrived);
    }
}

#[test]
fn a_call_ends_with_the_operators_time() {
    let outcome = Guest::that("loop").limit("call_time=300ms").run();
    outcome.assert_step_failed("limit", &["`call_time` (300ms)", "--limit it.call_time="]);
}

#[test]
fn a_loop_at_a_small_share_of_a_processor_goes_on_until_its_time_is_over() {
    let outcome = Guest::that("loop").limit("cpu_quota=2%").timeout("1s").run();
    outcome.assert_step_failed("time-out", &["the connector did not end within 1s"]);
}

#[test]
fn a_wait_for_a_server_that_never_answers_ends_with_the_steps_time() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let outcome = Guest::that_waits_for(silent.local_addr().expect("bound"))
        .timeout("300ms")
        .run();
    outcome.assert_step_failed("time-out", &PARTS);
    // It did get through, so it was the silence that it waited for.
    silent.set_nonblocking(true).expect("our socket");
    assert!(silent.accept().is_ok());
}

#[test]
fn a_wait_ends_with_the_runs_cancellation() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let outcome = Guest::that_waits_for(silent.local_addr().expect("bound"))
        .cancelled_when("step-started")
        .run();
    assert_cancelled(&outcome);
}

/// The guest's step was ended; and the one behind it, if there was anything for it to do, not begun.
fn assert_cancelled(outcome: &Outcome) {
    let failed = outcome.failures();
    assert_eq!(failed[0]["step"], STEP, "{outcome}");
    assert_eq!(failed[0]["message"], INTERRUPTED, "{outcome}");
    assert!(
        failed.iter().all(|failure| failure["kind"] == "cancelled"),
        "{outcome}"
    );
}
