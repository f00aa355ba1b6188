//! Many connectors that misbehave, all at once, and one honest transfer beside them in the same process.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flowhost::flow::{self, Flow, LoadOptions, RunOptions};
use flowhost::policy::Policy;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::guests::{Guest, INTERRUPTED, Outcome, STEP, host, resident_kib};
use crate::run::{Bench, SHOP, flow, get, write};
use crate::servers::FtpServer;
use crate::tree::sha256;

/// How many misbehave at once.
pub const CROWD: usize = 24;

/// The memory that each of them may have, MiB: what the guest's program itself needs is 2.
const MEMORY_MIB: u64 = 8;

/// The most resident memory that may come on top while the crowd is there, KiB: for each of it the limit of its memory and
/// 2 MiB of the host's own (its stack, handles, events), and 64 MiB for the transfer.
pub const MOST_GROWTH_KIB: u64 = (CROWD as u64 * (MEMORY_MIB + 2) + 64) * 1024;

/// Between two runs of a guest whose run ends by itself: loading and starting is the host's work, and not what its
/// share of the processor is about.
const PAUSE: Duration = Duration::from_millis(50);

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What a transfer came to.
#[derive(Debug)]
pub struct Transfer {
    /// From its start to its end.
    pub took: Duration,
    /// SHA-256 of what arrived.
    pub digest: Vec<u8>,
    /// How much more memory this process had at most than before, KiB.
    pub growth_kib: u64,
    /// Runs of the crowd that were over before the transfer was.
    pub runs: usize,
}

/// How a member of the crowd ends.
#[derive(Clone, Copy)]
enum End {
    /// Not before it is cancelled.
    Cancelled,
    /// By itself: its step fails in this way, with these words.
    Fails(&'static str, &'static str),
}

/// The member of a number. Each has its share of the processor, and no more.
fn member(number: usize, silent: SocketAddr) -> (Guest, End) {
    let never = u32::MAX;
    let told = |options: Value| Guest::misbehaving(&options);
    let (guest, limit, end) = match number % 8 {
        0 => (told(json!({ "behaviour": "loop" })), None, End::Cancelled),
        1 => (
            told(json!({ "behaviour": "loop-in-calls" })),
            None,
            End::Cancelled,
        ),
        2 => (Guest::that_waits_for(silent), None, End::Cancelled),
        3 => (
            told(json!({ "behaviour": "flood-log", "count": never, "size": 100 })),
            None,
            End::Cancelled,
        ),
        4 => (
            told(json!({ "behaviour": "allocate" })),
            None,
            End::Fails("limit", "`memory` (8MiB)"),
        ),
        5 => (
            told(json!({ "behaviour": "exhaust-handles", "count": never })),
            Some("handles=100"),
            End::Fails("limit", "`handles` (100)"),
        ),
        6 => (
            told(json!({ "behaviour": "open-sockets", "count": 10_000 })),
            Some("sockets=8"),
            End::Fails("internal", "8 sockets, then: "),
        ),
        _ => (
            told(json!({ "behaviour": "flood-payloads", "count": never })),
            Some("payloads=100"),
            End::Fails("denied-by-host", "`payloads` (100)"),
        ),
    };
    let guest = guest
        .allow("127.0.0.1")
        .timeout("5m")
        .limit("cpu_quota=2%")
        .limit(&format!("memory={MEMORY_MIB}MiB"));
    (limit.into_iter().fold(guest, Guest::limit), end)
}

/// Gets a file from a server, in this process, while `crowd` guests misbehave. Each of those ends exactly as it should;
/// those that end by themselves begin again until the transfer is over.
///
/// # Panics
/// When one of them ends otherwise, or the transfer fails.
#[must_use]
pub fn transfer(server: &FtpServer, path: &str, crowd: usize) -> Transfer {
    let bench = Bench::new();
    let steps = vec![get(SHOP, json!({ "path": path })), write("in")];
    let file = bench.flow_file(&flow(&[(SHOP, server.settings())], steps));
    let policy = Policy::default().allow("127.0.0.1").expect("a target");
    let options = RunOptions {
        policy,
        ..RunOptions::new(bench.path("state"))
    };
    let (took, growth_kib, runs) = host().block_on(async move {
        let honest = flow::load(&host().runtime, &file, &LoadOptions::default()).await;
        let honest = honest.unwrap_or_else(|problems| panic!("{problems}"));
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let silent_at = silent.local_addr().expect("bound");
        let mut members = Vec::new();
        for number in 0..crowd {
            let (guest, end) = member(number, silent_at);
            let flow = guest.load().await.unwrap_or_else(|problems| panic!("{problems}"));
            members.push((guest, flow, end));
        }
        let memory = Memory::watch();
        let over = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for (guest, flow, end) in members {
            let begun = CancellationToken::new();
            tasks.spawn(again_and_again(guest, flow, end, begun.clone(), over.clone()));
            begun.cancelled().await;
        }
        let started = Instant::now();
        let report = flow::run(&honest, &options).await.expect("it begins");
        let took = started.elapsed();
        assert!(report.is_ok() && report.payloads == 1, "{report:?}");
        over.cancel();
        let runs = tasks.join_all().await.into_iter().sum();
        (took, memory.growth_kib(), runs)
    });
    bench.assert_spool_empty();
    let name = path.rsplit('/').next().unwrap_or(path);
    Transfer {
        took,
        digest: sha256(&bench.path("in").join(name)),
        growth_kib,
        runs,
    }
}

/// Runs a member until the transfer is over; how often it came to its end before.
async fn again_and_again(
    guest: Guest,
    flow: Flow,
    end: End,
    begun: CancellationToken,
    over: CancellationToken,
) -> usize {
    let mut runs = 0;
    while !over.is_cancelled() {
        let outcome = guest.run_alone(&flow, &begun, &over).await;
        if over.is_cancelled() {
            // Whatever was under way then: it failed, or was cancelled.
            assert!(!outcome.report().is_ok(), "{outcome}");
            if matches!(end, End::Cancelled) {
                assert_cancelled(&outcome);
            }
            break;
        }
        match end {
            End::Cancelled => panic!("it ended by itself: {outcome}"),
            End::Fails(kind, words) => outcome.assert_step_failed(kind, &[words]),
        }
        runs += 1;
        tokio::time::sleep(PAUSE).await;
    }
    runs
}

fn assert_cancelled(outcome: &Outcome) {
    let failed = outcome.failures();
    assert_eq!(
        (&failed[0]["step"], &failed[0]["kind"], &failed[0]["message"]),
        (&json!(STEP), &json!("cancelled"), &json!(INTERRUPTED)),
        "{outcome}"
    );
}

/// Looks at this process's memory until it is asked.
struct Memory {
    before: u64,
    over: Arc<AtomicBool>,
    most: std::thread::JoinHandle<u64>,
}

impl Memory {
    fn watch() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let most = std::thread::spawn(move || {
            let mut most = 0;
            while !seen.load(Ordering::Relaxed) {
                most = most.max(resident_kib());
                std::thread::sleep(LOOK);
            }
            most
        });
        Self {
            before: resident_kib(),
            over,
            most,
        }
    }

    fn growth_kib(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.most.join().expect("no panic").saturating_sub(self.before)
    }
}
