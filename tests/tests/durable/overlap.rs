//! One run of a flow at a time, in all processes.

use std::process::{Child, Stdio};
use std::time::Duration;

use flow_tests::run::{Bench, Run, read, with};
use flow_tests::shop::Shop;
use flowhost::demo::receiver::Manner;
use serde_json::{Value, json};

use super::{local, until};

/// A flow whose run takes a while: the shop answers late.
fn slow(bench: &Bench, overlap: &str) -> (Shop, Value) {
    let shop = Shop::start();
    shop.answer_by(|_| Manner::Late(Duration::from_millis(800)));
    bench.write("out/a", "a");
    let send = json!({ "id": "send", "http": { "url": shop.url("/") } });
    let flow = with(local(vec![read("out/*"), send]), "overlap", overlap);
    (shop, flow)
}

fn begin(bench: &Bench, flow: &Value) -> Child {
    let file = bench.flow_file(flow);
    let mut command = bench.command();
    command.args(["run", "--json"]).arg(file).stdout(Stdio::null());
    command.spawn().expect("it starts")
}

#[test]
fn a_second_run_is_skipped_and_says_so() {
    let bench = Bench::new();
    let (shop, flow) = slow(&bench, "skip");
    let mut first = begin(&bench, &flow);
    until("the first run is at it", || !shop.received().is_empty());
    let second = bench.run(&flow);
    assert_eq!(second.code, Some(3), "{second}");
    let [event] = second.events.as_slice() else {
        panic!("{second}")
    };
    assert_eq!(event["event"], "run-skipped", "{second}");
    assert!(first.wait().expect("our own child").success());
    assert_eq!(shop.received().len(), 1);
    bench.run(&flow).assert_ok(1);
}

#[test]
fn a_second_run_waits_its_turn() {
    let bench = Bench::new();
    let (shop, flow) = slow(&bench, "queue");
    let mut first = begin(&bench, &flow);
    until("the first run is at it", || !shop.received().is_empty());
    let second = bench.run(&flow);
    second.assert_ok(1);
    assert!(
        first
            .try_wait()
            .expect("our own child")
            .is_some_and(|status| status.success()),
        "the second has begun before the first ended"
    );
    assert_eq!(shop.received().len(), 2);
}

#[test]
fn a_second_run_goes_on_beside_the_first_and_leaves_it_alone() {
    let bench = Bench::new();
    let (shop, flow) = slow(&bench, "allow");
    let mut first = begin(&bench, &flow);
    until("the first run is at it", || !shop.received().is_empty());
    let second: Run = bench.run(&flow);
    second.assert_ok(1);
    assert!(
        second.events.iter().all(|event| event["event"] != "run-resumed"),
        "{second}"
    );
    assert!(first.wait().expect("our own child").success());
    let keys: std::collections::BTreeSet<_> = shop
        .received()
        .iter()
        .map(|one| one.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(keys.len(), 2, "two runs, two deliveries");
}
