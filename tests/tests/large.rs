//! 1 GiB there and back: every byte, in little memory.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use flow_tests::run::{Bench, Run, SHOP, flow, get, put, read, write};
use flow_tests::servers::tls::{Mode, Tls};
use flow_tests::servers::{FtpServer, Kind, Limits};
use flow_tests::tree::sha256;
use serde_json::json;

const GIB: u64 = 1 << 30;

/// The most resident memory that `flowhost` may have, whatever the size of a file.
const MOST_KIB: u64 = 64 * 1024;

/// Side by side, the tests would only fight for the disk.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A server to move much through: vsftpd where it is, for it is the fastest, and the embedded one else.
fn server(tls: Option<Tls>) -> FtpServer {
    let limits = Limits {
        tls,
        ..Limits::default()
    };
    let server = FtpServer::start_with(Kind::Vsftpd, limits).expect("it starts");
    server.unwrap_or_else(|| {
        FtpServer::start_with(Kind::Embedded, limits)
            .expect("it starts")
            .expect("it is part of the tests")
    })
}

/// 1 GiB in which no two blocks are the same.
fn write_large(path: &Path) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("room for 1 GiB"));
    let mut block: Vec<u8> = (0..1_u32 << 16)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes())
        .collect();
    for number in 0..GIB / block.len() as u64 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).expect("room for 1 GiB");
    }
    file.flush().expect("room for 1 GiB");
}

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
