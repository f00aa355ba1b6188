//! What becomes of CSV, natively.

use csv_to_jsonl::Csv;
use flow_connector::harness::{Answer, Harness, Outcome, Payload};
use flow_connector::{Kind, Metadata};
use serde_json::{Value, json};

fn call(options: Value, csv: impl Into<Vec<u8>>) -> Outcome {
    let orders = Payload::of("outbound/orders.csv", csv);
    Harness::new()
        .options(options)
        .payload(orders)
        .call::<Csv>("csv-to-json-lines")
}

/// The lines of the one payload that is made.
fn lines(options: Value, csv: &str) -> String {
    let outcome = call(options, csv);
    assert_eq!(outcome.summary().payloads, 1, "{outcome:?}");
    outcome.accepted[0].text().to_owned()
}

/// Why it is none.
fn wrong(options: Value, csv: impl Into<Vec<u8>>) -> String {
    let outcome = call(options, csv);
    assert!(outcome.accepted.is_empty(), "{outcome:?}");
    assert_eq!(outcome.summary().failed, 1, "{outcome:?}");
    let error = outcome.failed().remove(0);
    assert_eq!(error.kind, Kind::Data);
    error.message
}

#[test]
fn each_record_is_a_line() {
    assert_eq!(
        lines(json!({}), "sku,quantity\r\n007,3\r\n\"a, \"\"b\"\"\nc\",\r\n"),
        "{\"sku\":\"007\",\"quantity\":\"3\"}\n{\"sku\":\"a, \\\"b\\\"\\nc\",\"quantity\":\"\"}\n"
    );
    // The mark that spreadsheets put before UTF-8 is no part of the first name.
    assert_eq!(lines(json!({}), "\u{feff}a\n1\n"), "{\"a\":\"1\"}\n");
    assert_eq!(lines(json!({}), "a,b\n"), "");
}

#[test]
fn options_say_how_it_is_written() {
    let options = json!({ "delimiter": ";", "columns": ["sku", "quantity"], "numbers": ["quantity"] });
    assert_eq!(
        lines(options, "x;12345678901234567890.10\ny;\n"),
        "{\"sku\":\"x\",\"quantity\":12345678901234567890.10}\n{\"sku\":\"y\",\"quantity\":null}\n"
    );
    for (wrong, field) in [
        (json!({ "delimiter": "ß" }), "/options/delimiter"),
        (json!({ "delimiter": ";;" }), "/options/delimiter"),
        (json!({ "delimeter": ";" }), "/options/delimeter"),
    ] {
        let outcome = call(wrong, "a\n");
        let error = outcome.error();
        assert_eq!(
            (error.kind, error.field.as_deref()),
            (Kind::InvalidSettings, Some(field))
        );
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    assert_eq!(
        wrong(json!({}), "a,b\n1,2\n1,2,3\n"),
        "Line 3: 3 values for 2 columns."
    );
    assert_eq!(
        wrong(json!({ "numbers": ["b"] }), "a,b\n1,two\n"),
        "Line 2: the value of `b` is no number as JSON writes them."
    );
    assert!(wrong(json!({}), b"a\n\xff\n".to_vec()).ends_with("is not UTF-8."));
    let open = format!("a\n\"{}", "x\n".repeat(1 << 20));
    assert!(wrong(json!({}), open).contains("longer than 1 MiB"));
}

#[test]
fn the_original_can_still_be_moved() {
    let outcome = call(json!({}), "a\n1\n");
    let made = &outcome.accepted[0].metadata;
    assert_eq!(
        (made.id.as_str(), made.name.as_deref()),
        ("outbound/orders.csv#jsonl", Some("orders.jsonl"))
    );
    assert_eq!(
        made.attribute(Metadata::ORIGINAL_PATH),
        Some("outbound/orders.csv")
    );
    assert_eq!(made.attribute(Metadata::ORIGINAL_FILENAME), Some("orders.csv"));
    assert!(outcome.passed().is_empty(), "the CSV itself ends there");
}

#[test]
fn the_flow_decides_what_it_takes() {
    let answered = |answer: Answer| {
        let [one, two] = ["a.csv", "b.csv"].map(|name| Payload::of(name, "a\n1\n"));
        Harness::new()
            .payload(one)
            .payload(two)
            .answer(move |_| answer)
            .call::<Csv>("csv-to-json-lines")
    };
    assert_eq!(answered(Answer::Skip).summary().skipped, 2);
    let stopped = answered(Answer::Stop);
    assert_eq!((stopped.summary().payloads, stopped.left), (0, 1));
    // What the host says of a full disk is what the payload fails with.
    let full = answered(Answer::Full(3));
    assert_eq!(full.failed()[0].message, "The flow has no room for it.");
}

#[test]
fn it_stops_when_it_is_asked_to() {
    let outcome = Harness::new()
        .payload(Payload::of("a.csv", "a\n1\n2\n3\n"))
        .cancelled_after(2)
        .call::<Csv>("csv-to-json-lines");
    assert_eq!(outcome.error().kind, Kind::Cancelled);
    assert!(
        outcome.accepted.is_empty() && outcome.settled.is_empty(),
        "{outcome:?}"
    );
}

#[test]
fn a_trigger_has_nothing_to_convert() {
    let outcome = Harness::new()
        .payload(Payload::trigger())
        .call::<Csv>("csv-to-json-lines");
    assert!(outcome.failed()[0].message.contains("no body"));
}
