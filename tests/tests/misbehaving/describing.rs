//! Guests that misbehave while they are loaded: none is ever called.

use flow_tests::guests::{Guest, STEP, component};

fn assert_refused(guest: &str, parts: &[&str]) {
    let outcome = Guest::of(component(guest), STEP).run();
    outcome.assert_refused(parts);
}

#[test]
fn a_description_calls_no_import() {
    assert_refused(
        "describe_calls_an_import",
        &["cannot describe itself", "`describe` called `context.log`"],
    );
}

#[test]
fn a_description_ends() {
    Guest::of(component("describe_loops"), STEP)
        .run()
        .assert_refused_for_work();
}

#[test]
fn a_description_does_not_wait() {
    assert_refused(
        "describe_waits",
        &["cannot describe itself: it did not end within 5s"],
    );
}

#[test]
fn a_description_that_panics_is_quoted() {
    assert_refused(
        "describe_panics",
        &["cannot describe itself", "I cannot say what I am"],
    );
}

#[test]
fn a_description_has_a_size() {
    assert_refused("describe_huge", &["cannot describe itself"]);
}

#[test]
fn a_description_is_text() {
    assert_refused("describe_no_text", &["cannot describe itself", "invalid utf-8"]);
}

#[test]
fn a_schema_is_json() {
    assert_refused(
        "describe_no_json",
        &["in the connector's description, the schema is not JSON"],
    );
}

#[test]
fn a_schema_is_a_schema() {
    assert_refused(
        "describe_no_schema",
        &["in the connector's description, the schema is not a JSON Schema"],
    );
}

#[test]
fn a_description_names_the_endpoints_that_there_are() {
    assert_refused(
        "describe_strange_endpoints",
        &[
            "describes the endpoints withdraw",
            "exports make, misbehave, pass",
        ],
    );
}
