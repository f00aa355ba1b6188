//! A few power cuts: `cargo xtask torture --power-cuts 500` has more, with the same code.
#![cfg(target_os = "linux")]

use flow_tests::power::{Plan, run};
use flow_tests::servers::Kind;
use flow_tests::torture::stage::Delivery;

fn loses_nothing(delivery: Delivery) {
    let plan = Plan {
        cuts: 20,
        files: 15,
        seed: 6,
        delivery,
        server: Kind::Embedded,
    };
    let counts = run(&plan, &mut |_| ()).unwrap_or_else(|error| panic!("{error:#}"));
    let counts = counts.expect("the embedded server is part of the tests");
    println!("{counts}");
    assert_eq!(counts.cuts, plan.cuts);
    assert!(
        counts.accepted > 0,
        "nothing was accepted before any cut: {counts}"
    );
}

#[test]
fn no_accepted_payload_is_lost_with_the_power() {
    loses_nothing(Delivery::Spooled);
}

#[test]
fn no_streamed_payload_is_lost_with_the_power() {
    loses_nothing(Delivery::Streaming);
}
