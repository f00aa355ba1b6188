//! Connections that break in the middle of a large file: whatever breaks, wherever, however often, the file
//! arrives byte for byte, what was moved is not moved again, and nobody ever sees part of it under its name.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use flow_tests::proxy::{CutProxy, How, Plan, What};
use flow_tests::run::{Bench, Run, SHOP, flow, get, put, read, with, write};
use flow_tests::servers::{FtpServer, Kind};
use flow_tests::tree;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const SIZE: u64 = 100_000_000;
const TENTH: u64 = SIZE / 10;

/// Above this, somebody has started over. What sockets and buffers hold is lost with each break.
const MOST_MOVED: u64 = SIZE / 10 * 12;

/// 100 MB in which no two blocks are the same, and their SHA-256.
fn content() -> &'static (Vec<u8>, Vec<u8>) {
    static CONTENT: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let numbers = 0..u32::try_from(SIZE / 4).expect("fewer than 2^32");
        let content: Vec<u8> = numbers
            .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        let digest = Sha256::digest(&content).to_vec();
        (content, digest)
    })
}

/// One break at each tenth, each in a plan of its own, and one plan with all nine. Resets and closes take turns.
fn plans(what: What) -> Vec<Plan> {
    let how = |tenth| if tenth % 2 == 0 { How::Close } else { How::Reset };
    let mut plans: Vec<Plan> = (1..=9)
        .map(|tenth| Plan::new().cut(tenth * TENTH, what, how(tenth)))
        .collect();
    let all = (1..=9).fold(Plan::new(), |plan, tenth| {
        plan.cut(tenth * TENTH, what, how(tenth))
    });
    plans.push(all);
    plans
}

/// The settings of a server behind a proxy. The number of tries is the default: nine breaks are more than that, so
/// a try that got somewhere must not count.
fn settings(proxy: &CutProxy, server: &FtpServer) -> Value {
    with(proxy.settings(server), "timeout", 10)
}

/// `moved` bytes went one way and `back` bytes the other.
fn assert_went_on(run: &Run, proxy: &CutProxy, plan: &Plan, moved: u64, back: u64) {
    run.assert_ok(1);
    assert_eq!(proxy.left_to_do(), 0, "it never broke: {plan:?}");
    assert_eq!(back, 0, "{plan:?}");
    assert!(
        (SIZE..MOST_MOVED).contains(&moved),
        "{moved} bytes for a file of {SIZE}: {plan:?}\n{run}"
    );
}

fn gets(kind: Kind, what: What) {
    let Some(server) = FtpServer::start(kind).expect("it starts") else {
        return;
    };
    let (content, digest) = content();
    server.write("outbound/large.bin", content);
    for plan in plans(what) {
        let (proxy, bench) = (CutProxy::before(&server, plan.clone()), Bench::new());
        let steps = vec![get(SHOP, json!({ "path": "outbound/large.bin" })), write("in")];
        let run = bench.run(&flow(&[(SHOP, settings(&proxy, &server))], steps));
        assert_went_on(&run, &proxy, &plan, proxy.fetched(), proxy.sent());
        assert_eq!(tree::names(&bench.path("in")), ["large.bin"], "{plan:?}");
        assert!(
            tree::sha256(&bench.path("in/large.bin")) == *digest,
            "other bytes arrived: {plan:?}"
        );
        bench.assert_spool_empty();
    }
}

fn puts(kind: Kind, what: What) {
    let Some(server) = FtpServer::start(kind).expect("it starts") else {
        return;
    };
    server.make_folder("inbound");
    let (content, digest) = content();
    let bench = Bench::new();
    bench.write("out/large.bin", content);
    let target = server.root.join("inbound/large.bin");
    for plan in plans(what) {
        let proxy = CutProxy::before(&server, plan.clone());
        let watch = Watch::over(&target);
        let steps = vec![
            read("out/large.bin"),
            put("put", SHOP, json!({ "path": "inbound/" })),
        ];
        let run = bench.run(&flow(&[(SHOP, settings(&proxy, &server))], steps));
        let seen = watch.end();
        assert_went_on(&run, &proxy, &plan, proxy.sent(), proxy.fetched());
        assert_eq!(
            seen, [SIZE; 0],
            "partly there under its final name: {plan:?}\n{run}"
        );
        assert_eq!(
            tree::names(&server.root.join("inbound")),
            ["large.bin"],
            "{plan:?}\n{run}"
        );
        assert!(tree::sha256(&target) == *digest, "other bytes arrived: {plan:?}");
        bench.assert_spool_empty();
        std::fs::remove_file(&target).expect("the server's folder is ours");
    }
}

/// Looks at a file again and again.
struct Watch {
    over: std::sync::Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

impl Watch {
    fn over(file: &Path) -> Self {
        let over = std::sync::Arc::new(AtomicBool::new(false));
        let (file, ended) = (file.to_owned(), std::sync::Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut wrong = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                if let Ok(metadata) = std::fs::metadata(&file)
                    && metadata.len() != SIZE
                {
                    wrong.push(metadata.len());
                }
                // The interval between two looks: a tenth of the file takes far longer.
                std::thread::sleep(Duration::from_millis(1));
            }
            wrong
        });
        Self { over, thread }
    }

    /// The lengths that were seen and are not the whole.
    fn end(self) -> Vec<u64> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

#[test]
fn a_get_goes_on_after_its_data_connection_broke_at_vsftpd() {
    gets(Kind::Vsftpd, What::Data);
}

#[test]
fn a_get_goes_on_after_both_connections_broke_at_vsftpd() {
    gets(Kind::Vsftpd, What::Both);
}

#[test]
fn a_get_goes_on_after_its_data_connection_broke_at_proftpd() {
    gets(Kind::Proftpd, What::Data);
}

#[test]
fn a_get_goes_on_after_both_connections_broke_at_proftpd() {
    gets(Kind::Proftpd, What::Both);
}

#[test]
fn a_put_goes_on_after_its_data_connection_broke_at_vsftpd() {
    puts(Kind::Vsftpd, What::Data);
}

#[test]
fn a_put_goes_on_after_both_connections_broke_at_vsftpd() {
    puts(Kind::Vsftpd, What::Both);
}

#[test]
fn a_put_goes_on_after_its_data_connection_broke_at_proftpd() {
    puts(Kind::Proftpd, What::Data);
}

#[test]
fn a_put_goes_on_after_both_connections_broke_at_proftpd() {
    puts(Kind::Proftpd, What::Both);
}
