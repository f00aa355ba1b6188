//! The connector, natively: `cargo test` needs neither wasm nor a host.

use flow_connector::Kind;
use flow_connector::harness::{Answer, Harness, Payload};
use my_connector::MyConnector;
use serde_json::json;

#[test]
fn a_line_is_put_in_front() {
    let outcome = Harness::new()
        .options(json!({ "line": "# orders" }))
        .payload(Payload::of("orders.csv", "a,b\n"))
        .call::<MyConnector>("add-line");
    assert_eq!(outcome.summary().payloads, 1);
    assert_eq!(outcome.accepted[0].text(), "# orders\na,b\n");
}

#[test]
fn more_than_one_line_is_refused_before_anything_is_done() {
    let outcome = Harness::new()
        .options(json!({ "line": "a\nb" }))
        .payload(Payload::of("orders.csv", "a,b\n"))
        .call::<MyConnector>("add-line");
    assert_eq!(outcome.error().kind, Kind::InvalidSettings);
    assert_eq!(outcome.error().field.as_deref(), Some("/options/line"));
}

#[test]
fn a_flow_that_wants_no_more_is_left_alone() {
    let outcome = Harness::new()
        .options(json!({ "line": "#" }))
        .payload(Payload::of("a.csv", ""))
        .payload(Payload::of("b.csv", ""))
        .answer(|_| Answer::Stop)
        .call::<MyConnector>("add-line");
    assert!(outcome.accepted.is_empty());
    assert_eq!(outcome.left, 1);
}
