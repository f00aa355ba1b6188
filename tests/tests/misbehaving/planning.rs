//! Guests that misbehave while they plan: nothing of theirs is ever run.

use std::net::TcpListener;

use flow_tests::guests::Guest;
use serde_json::{Value, json};

fn planning(plan: &str, more: &Value) -> Guest {
    let mut options = json!({ "behaviour": "panic", "plan": plan });
    for (name, value) in more.as_object().into_iter().flatten() {
        options[name] = value.clone();
    }
    Guest::misbehaving(&options)
}

fn assert_refused(plan: &str, more: &Value, parts: &[&str]) {
    planning(plan, more).run().assert_refused(parts);
}

#[test]
fn a_plan_ends() {
    assert_refused(
        "loop",
        &json!({}),
        &["steps[0]", "the connector's `plan` did not end within 5s"],
    );
}

#[test]
fn a_plan_that_panics_is_quoted() {
    assert_refused("panic", &json!({}), &["steps[0]", "I have no plan"]);
}

#[test]
fn a_plan_does_not_ask_for_any_address() {
    assert_refused(
        "any-address",
        &json!({}),
        &["steps[0]", "the connector's plan is refused", "`*`"],
    );
}

#[test]
fn a_plan_has_a_size() {
    let entries = "it has 100000 entries, and a plan has at most 100";
    assert_refused("many", &json!({ "count": 100_000 }), &["steps[0]", entries]);
    let passed = "too much data is being copied between the host and the guest";
    assert_refused("huge", &json!({}), &["steps[0]", passed]);
}

#[test]
fn a_plan_is_text() {
    assert_refused("no-text", &json!({}), &["steps[0]", "invalid utf-8"]);
}

#[test]
fn a_plan_calls_no_import() {
    assert_refused(
        "call-import",
        &json!({}),
        &["steps[0]", "`plan` called `context.log`"],
    );
}

#[test]
fn a_plan_opens_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let more = json!({ "address": address.to_string(), "planned": [["127.0.0.1", address.port()]] });
    let outcome = planning("dial", &more).allow("127.0.0.1").run();
    outcome.assert_refused(&["steps[0]", "Permission denied"]);
    listener.set_nonblocking(true).expect("our socket");
    assert!(listener.accept().is_err(), "somebody connected");
}
