//! Guests that break the rules of components themselves: handles used twice, made up or of another type, texts that
//! are none, and what no program in Rust could do.

use flow_tests::guests::Guest;

/// A connector in WebAssembly's own words.
const RAW: &str = include_str!("../../guests/wat/raw.wat");

/// An endpoint of [`RAW`].
fn raw(endpoint: &str) -> Guest {
    of_text(RAW, endpoint)
}

fn of_text(text: &str, endpoint: &str) -> Guest {
    let component = wat::parse_str(text).expect("well formed");
    Guest::of_bytes(&component, endpoint)
}

/// [`RAW`] with more in its main module.
fn with_more(more: &str) -> Guest {
    of_text(&RAW.replace("(; more ;)", more), "log-beyond")
}

#[test]
fn a_payload_is_finished_once() {
    let outcome = Guest::that("finish-twice").run();
    outcome.assert_step_failed("trap", &["unknown handle index"]);
    outcome.assert_arrived(&[("a.txt", "hello")]);
    assert_eq!(outcome.report().payloads, 1, "{outcome}");
}

#[test]
fn a_payload_that_was_given_up_is_not_finished() {
    let outcome = Guest::that("abort-then-finish").run();
    let failures = outcome.failures();
    assert_eq!(failures.len(), 2, "{outcome}");
    let trap = failures.iter().find(|failure| failure["event"] == "step-failed");
    let trap = trap.expect("the guest trapped")["message"]
        .as_str()
        .unwrap_or_default();
    assert!(trap.contains("unknown handle index"), "{outcome}");
    outcome.assert_arrived(&[]);
}

#[test]
fn a_payload_is_settled_once() {
    let outcome = Guest::that("settle-twice").given(&["a.txt"]).run();
    // What it said first holds.
    outcome.assert_step_failed("trap", &["unknown handle index"]);
    outcome.assert_arrived(&[("a.txt", "hello")]);
}

#[test]
fn a_payload_that_was_never_begun_is_not_finished() {
    let outcome = Guest::that("forged-handle").run();
    outcome.assert_step_failed("trap", &["unknown handle index 12345"]);
    outcome.assert_arrived(&[]);
}

#[test]
fn an_incoming_payload_is_no_writer() {
    let outcome = Guest::that("handle-of-another-type").given(&["a.txt"]).run();
    let failures = outcome.failures();
    assert_eq!(failures[0]["kind"], "trap", "{outcome}");
    let message = failures[0]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("handle index 1 used with the wrong type"),
        "{outcome}"
    );
    outcome.assert_arrived(&[]);
}

#[test]
fn a_log_line_that_is_no_text_is_a_trap() {
    let outcome = Guest::that("log-no-text").run();
    outcome.assert_step_failed("trap", &["invalid utf-8"]);
    assert!(outcome.events("log").is_empty(), "{outcome}");
}

#[test]
fn an_error_that_is_no_text_is_a_trap() {
    let outcome = Guest::that("error-no-text").run();
    outcome.assert_step_failed("trap", &["invalid utf-8"]);
}

#[test]
fn a_table_ends_with_its_limit() {
    let outcome = raw("grow-table").limit("table_elements=50000").run();
    outcome.assert_step_failed(
        "limit",
        &["`table_elements` (50000)", "--limit it.table_elements="],
    );
}

#[test]
fn a_text_beyond_the_memory_is_a_trap() {
    let outcome = raw("log-beyond").run();
    outcome.assert_step_failed("trap", &["the connector trapped", "out of bounds"]);
    assert!(outcome.events("log").is_empty(), "{outcome}");
}

#[test]
fn an_answer_beyond_the_memory_is_a_trap() {
    let outcome = raw("answer-beyond").run();
    outcome.assert_step_failed("trap", &["the connector trapped"]);
}

#[test]
fn room_beyond_the_memory_is_a_trap() {
    let outcome = raw("wild-room").run();
    outcome.assert_step_failed(
        "trap",
        &["the connector trapped", "realloc return: beyond end of memory"],
    );
}

#[test]
fn a_start_function_ends() {
    with_more("(func $spin (loop $more (br $more))) (start $spin)")
        .run()
        .assert_refused_for_work();
}

#[test]
fn a_start_function_that_traps_is_told() {
    let outcome = with_more("(func $fall (unreachable)) (start $fall)").run();
    outcome.assert_refused(&["cannot describe itself", "unreachable"]);
}

#[test]
fn memory_is_limited_from_the_start() {
    // 1 GiB.
    let outcome = with_more("(memory $more 16384)").run();
    outcome.assert_refused(&["`memory` ("]);
}

#[test]
fn a_component_has_not_any_number_of_instances() {
    let one = "(core module $Empty) ";
    let many: String = std::iter::once(one.to_owned())
        .chain((0..200).map(|_| "(core instance (instantiate $Empty))".to_owned()))
        .collect();
    let outcome = of_text(&RAW.replace("(; more in the component ;)", &many), "log-beyond").run();
    outcome.assert_refused(&["`instances` (40)"]);
}
