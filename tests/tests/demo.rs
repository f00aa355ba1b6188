//! The demo, as a library and as a command.

use flow_tests::run::{Bench, Run};
use flowhost::demo;
use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::event::Events;

#[tokio::test(flavor = "multi_thread")]
async fn the_three_flows_move_every_file() {
    let runtime = Runtime::new(RuntimeOptions::default()).expect("a runtime");
    let report = demo::run(&runtime, &Events::none()).await.expect("it is set up");
    assert!(report.is_ok(), "{report}");
    let rows: Vec<_> = report
        .flows
        .iter()
        .map(|flow| (flow.name, flow.rows.len()))
        .collect();
    assert_eq!(
        rows,
        [
            ("collect-orders", 4),
            ("sync-stock", 3),
            ("distribute-invoices", 9)
        ]
    );
    let table = report.to_string();
    assert!(
        table.contains("archive/invoices/2026/05/INV-202605-0001.xml"),
        "{table}"
    );
    assert!(
        table.contains("processed/stock Łódź [2026-07-04].json"),
        "{table}"
    );
}

#[test]
fn the_command_shows_where_every_file_went() {
    let bench = Bench::new();
    let mut command = bench.command();
    command.arg("demo");
    let run = Run::of(command);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("All 16 files arrived whole"), "{run}");
    assert!(
        run.stdout.contains("processed/stock Köln [2026-07-04].json"),
        "{run}"
    );
    assert!(
        !run.stdout.contains(demo::server::PASSWORD) && !run.stderr.contains(demo::server::PASSWORD),
        "{run}"
    );
}
