//! A short torture: `cargo xtask torture` is the long one, with the same code.

use flow_tests::torture::stage::Delivery;
use flow_tests::torture::{Plan, run};

/// Ends some processes; nothing is lost, and nothing is done twice.
fn survives(delivery: Delivery) {
    let plan = Plan {
        kills: 10,
        files: 20,
        seed: 6,
        delivery,
        server: None,
    };
    let counts = run(&plan, &mut |line| println!("{line}")).unwrap_or_else(|error| panic!("{error:#}"));
    println!("{counts}");
    assert!(counts.kills() >= plan.kills, "{counts}");
}

#[test]
fn a_spooled_flow_survives_kills() {
    survives(Delivery::Spooled);
}

#[test]
fn a_streaming_flow_survives_kills() {
    survives(Delivery::Streaming);
}
