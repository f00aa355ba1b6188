//! The quota of the spool.

use flow_tests::run::{Bench, SHOP, flow, get, write};
use flow_tests::servers::Kind;
use serde_json::json;

use super::server;

/// Later steps make room, and the first one goes on: a flow of any size runs through a spool of any size.
#[test]
fn a_small_spool_makes_many_rounds() {
    let server = server(Kind::Embedded);
    let bench = Bench::new();
    for number in 0..30 {
        server.write(&format!("outbound/{number:02}.bin"), "x".repeat(100_000));
    }
    let options = json!({ "root": "outbound", "path": ".*" });
    let steps = flow(
        &[(SHOP, server.settings())],
        vec![get(SHOP, options), write("in")],
    );
    let run = bench.run_with(&steps, &["--spool-quota", "450000"]);
    run.assert_ok(30);
    let rounds = run.events_of("step-started", "write").len();
    assert!((7..=10).contains(&rounds), "{rounds} rounds: {run}");
    assert_eq!(bench.files("in").len(), 30);
    bench.assert_spool_empty();
}

#[test]
fn a_document_that_never_fits_names_the_quota() {
    let server = server(Kind::Embedded);
    let bench = Bench::new();
    server.write("outbound/a.bin", "x".repeat(100_000));
    let options = json!({ "path": "outbound/a.bin" });
    let steps = flow(
        &[(SHOP, server.settings())],
        vec![get(SHOP, options), write("in")],
    );
    let run = bench.run_with(&steps, &["--spool-quota", "99999"]);
    let failure = run.assert_failed("denied-by-host");
    let message = failure["message"].as_str().expect("text");
    for part in ["quota of 99999 bytes", "--spool-quota", "flowhost runs"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    bench.assert_spool_empty();
}
