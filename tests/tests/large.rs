//! 1 GiB there and back: every byte, in little memory.

use std::sync::{Mutex, PoisonError};

use flow_tests::large::{GIB, server, write_large};
use flow_tests::run::{Bench, Run, SHOP, flow, get, put, read, write};
use flow_tests::servers::FtpServer;
use flow_tests::servers::tls::{Mode, Tls};
use flow_tests::tree::sha256;
use serde_json::json;

/// The most resident memory that `flowhost` may have, whatever the size of a file.
const MOST_KIB: u64 = 64 * 1024;

/// Side by side, the tests would only fight for the disk.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn assert_in_little_memory(run: &Run, what: &str) {
    let (seconds, peak) = (run.took.as_secs_f64(), run.peak_kib);
    println!("1 GiB {what}: {seconds:.2} s, peak {} MiB", peak / 1024);
    assert!(peak > 0 && peak < MOST_KIB, "{what}: {peak} KiB of memory");
    assert_eq!(run.finished()["bytes"], GIB, "{run}");
}

#[test]
fn a_gibibyte_there_and_back() {
    there_and_back(&server(None));
}

#[test]
fn a_gibibyte_there_and_back_encrypted() {
    there_and_back(&server(Some(Tls::new(Mode::Explicit))));
}

fn there_and_back(server: &FtpServer) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bench = Bench::new();
    // The first run of all compiles the connector, which takes memory that a warm start does not.
    server.write("small.txt", "hello");
    bench
        .run(&flow(
            &[(SHOP, server.settings())],
            vec![get(SHOP, json!({ "path": "small.txt" }))],
        ))
        .assert_ok(1);

    server.make_folder("outbound");
    let original = server.root.join("outbound/large.bin");
    write_large(&original);
    let digest = sha256(&original);
    let steps = vec![get(SHOP, json!({ "path": "outbound/large.bin" })), write("in")];
    let run = bench.run(&flow(&[(SHOP, server.settings())], steps));
    run.assert_ok(1);
    assert_in_little_memory(&run, "get");
    assert!(
        sha256(&bench.path("in/large.bin")) == digest,
        "other bytes arrived"
    );
    std::fs::remove_file(&original).expect("our own file");

    let steps = vec![
        read("in/large.bin"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ];
    let run = bench.run(&flow(&[(SHOP, server.settings())], steps));
    run.assert_ok(1);
    assert_in_little_memory(&run, "put");
    assert!(
        sha256(&server.root.join("inbound/large.bin")) == digest,
        "other bytes arrived"
    );
    bench.assert_spool_empty();
}
