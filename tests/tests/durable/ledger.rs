//! A ledger that cannot be used.

use std::fs;

use flow_tests::run::Run;
use flow_tests::run::{Bench, full_disk, read, write};

use super::{local, runs};

#[test]
fn a_ledger_that_is_broken_or_something_else_stays_as_it_is() {
    for (content, part) in [
        (
            b"no ledger, but somebody's notes about the shop; long enough to be looked at".repeat(20),
            "is not a ledger of flowhost",
        ),
        (
            b"SQLite format 3\0".iter().copied().chain([0xff; 5000]).collect(),
            "ledger.db",
        ),
    ] {
        let bench = Bench::new();
        bench.write("out/a", "a");
        bench.write("state/ledger.db", &content);
        let refused = bench.run(&local(vec![read("out/*"), write("in")]));
        assert_eq!(refused.code, Some(1), "{refused}");
        assert!(
            refused.stderr.contains(part) && refused.stderr.contains("--state"),
            "{refused}"
        );
        assert!(bench.files("in").is_empty());
        assert_eq!(runs(&bench, &[]).code, Some(1));
        assert!(fs::read(bench.path("state/ledger.db")).expect("there") == content);
    }
}

/// What was accepted before the disk was full is not lost, and the run goes on when there is room.
#[test]
fn a_run_goes_on_when_the_disk_has_room_again() {
    let bench = Bench::new();
    for number in 0..40 {
        bench.write(&format!("out/{number:02}"), "x".repeat(30_000));
    }
    let flow = local(vec![read("out/*"), write("in")]);
    let file = bench.flow_file(&flow);
    let mut command = bench.command();
    command.args(["run", "--json"]).arg(file);
    // 500 KiB for the ledger and its log: some documents, and not all of them.
    let full = Run::of(full_disk(&command, 1000));
    assert_eq!(full.code, Some(1), "{full}");
    assert!(full.stderr.contains("look whether the disk is full"), "{full}");
    assert!(full.failures().is_empty(), "nothing has failed for good: {full}");
    let again = bench.run(&flow);
    assert!(
        again.events.iter().any(|event| event["event"] == "run-resumed"),
        "{again}"
    );
    assert_eq!(again.code, Some(0), "{again}");
    let arrived = bench.files("in");
    assert_eq!(arrived.len(), 40);
    assert!(arrived.values().all(|content| content.len() == 30_000));
    bench.assert_spool_empty();
}
