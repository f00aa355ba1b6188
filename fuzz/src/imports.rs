//! The host's imports, called by a guest in any order: what a connector does must neither break the host nor its books.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use flowhost::component::Connector;
use flowhost::contract::{Call, Metadata, Outcome, Summary};
use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::event::Events;
use flowhost::failure::Failure;
use flowhost::imports::exchange::{Exchange, Incoming};
use flowhost::instance::{Instance, RunContext};
use flowhost::payload::Payload;
use flowhost::policy::{InstancePolicy, Limits, Policy};
use flowhost::state::body::Body;
use flowhost::state::spool::Spool;
use tempfile::TempDir;

use crate::current_thread;

/// Small, so that a few calls reach each of them.
const LIMITS: [&str; 11] = [
    "memory=16MiB",
    "handles=50",
    "payloads=20",
    // More than a spool keeps in memory: a part of them goes to files.
    "payload_size=96KiB",
    "metadata=1KiB",
    "cpu_time=200ms",
    "grace=50ms",
    "sockets=4",
    "tls_contexts=2",
    "tls_sessions=2",
    "log_lines=50",
];

/// What the spool of one input holds at most, in bytes: a few of the largest bodies.
const QUOTA: usize = 400 * 1024;

/// The time of a call. Who calls nothing but these imports is done in some milliseconds.
const WITHIN: Duration = Duration::from_secs(1);

/// Bytes of the payloads that are handed in: none, few, and several chunks.
const INBOX: [usize; 3] = [0, 5, 70_000];

/// Bytes of an input, three a call. Longer ones are time that shorter ones could use.
const LONGEST: usize = 4096;

/// The guest that makes the calls, `tests/guests/src/sequence.rs`. Compiled once a process, and kept nowhere.
static GUEST: LazyLock<Arc<Connector>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests/sequence.wasm");
    let component = fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run `cargo xtask guests` (`cargo xtask fuzz` and `cargo xtask test` do it by themselves)",
            path.display()
        )
    });
    let runtime = Runtime::new(RuntimeOptions { cache: None }).expect("this machine runs wasm");
    current_thread()
        .block_on(runtime.load(&component))
        .expect("the guest is a connector")
});

static POLICY: LazyLock<InstancePolicy> = LazyLock::new(|| {
    let policy = LIMITS
        .iter()
        .try_fold(Policy::default(), |policy, limit| policy.limit(limit));
    policy.expect("limits").of("it")
});

/// Lets a guest make the calls that the input writes.
///
/// # Panics
/// Unless the call ends as calls may end, each payload is where the books say, and nothing is left of the rest.
pub fn imports(data: &[u8]) {
    let data = &data[..data.len().min(LONGEST)];
    let store = Store::new();
    let (exchange, answer, instance) = current_thread().block_on(call(&GUEST, data, store.inbox()));
    assert_answer(&answer, instance.is_alive());
    if let Ok(summary) = &answer {
        // The guest hears of each that was accepted, and of none that was not.
        assert_eq!(summary.payloads, exchange.accepted.len() as u64);
    }
    assert_accepted(&exchange);
    assert_handed_in(&exchange);
    drop(exchange);
    store.assert_empty();
}

async fn call(
    guest: &Arc<Connector>,
    data: &[u8],
    exchange: Exchange,
) -> (Exchange, Result<Summary, Failure>, Instance) {
    let digits = data.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let calls: String = digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    let call = Call {
        connection: "{}".to_owned(),
        options: format!(r#"{{"calls":"{calls}"}}"#),
    };
    let mut run = RunContext::new("run", "it", Events::none());
    run.policy = POLICY.clone();
    let mut instance = Instance::start(guest, run).await.expect("the guest starts");
    let (exchange, answer) = instance
        .call("fuzz", "misbehave", &call, 1, WITHIN, exchange)
        .await;
    (exchange, answer, instance)
}

/// Where the payloads of one input are.
struct Store {
    folder: TempDir,
    spool: Arc<Spool>,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let quota = Some(QUOTA as u64);
        let spool = Spool::create(folder.path(), quota).expect("a spool");
        Self { folder, spool }
    }

    fn inbox(&self) -> Exchange {
        let inbox = INBOX.map(|size| {
            let payload = Payload {
                metadata: Metadata {
                    size: Some(size as u64),
                    ..Payload::trigger(&size.to_string()).metadata
                },
                body: Some(self.spool.store(&vec![7; size]).expect("room")),
            };
            Incoming::new(payload, "{}".to_owned())
        });
        Exchange::new(Arc::clone(&self.spool), inbox)
    }

    /// Panics unless the spool has neither files nor takes any body for a stored one.
    fn assert_empty(&self) {
        let files: Vec<PathBuf> = list(self.folder.path())
            .iter()
            .flat_map(|spool| list(spool))
            .filter(|file| file.extension().is_none_or(|extension| extension != "lock"))
            .collect();
        assert!(files.is_empty(), "left behind: {files:?}");
        let all = self.spool.store(&vec![7; QUOTA]);
        all.expect("all bytes of the spool are free again");
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// Nothing that a guest does is the host's own failure; and a guest that broke is gone.
fn assert_answer(answer: &Result<Summary, Failure>, alive: bool) {
    match answer {
        Ok(_) | Err(Failure::Connector(_)) => assert!(alive, "gone after {answer:?}"),
        Err(Failure::Trap(_) | Failure::Limit(_) | Failure::TimeOut(_)) => {
            assert!(!alive, "alive after {answer:?}");
        }
        Err(failure) => panic!("the call ended with {}: {failure}", failure.kind()),
    }
}

fn assert_accepted(exchange: &Exchange) {
    let limits: &Limits = &POLICY.limits;
    let accepted = &exchange.accepted;
    assert!(accepted.len() as u64 <= limits.payloads, "{}", accepted.len());
    let mut ids = HashSet::new();
    for Payload { metadata, body } in accepted {
        assert!(
            ids.insert((&metadata.id, &metadata.version)),
            "twice: {metadata:?}"
        );
        assert!(!metadata.id.is_empty());
        assert_metadata(metadata);
        let body = body.as_ref().expect("what was accepted has a body");
        assert_eq!(metadata.size, Some(body.len()));
        assert!(body.len() <= limits.payload_size.0, "{}", body.len());
        assert_eq!(read(body), body.len());
    }
    let aborted = exchange.aborted.iter().map(|(metadata, _)| metadata);
    for metadata in aborted.chain(&exchange.unfinished) {
        assert!(!ids.contains(&(&metadata.id, &metadata.version)), "{metadata:?}");
        assert_metadata(metadata);
    }
    assert!(exchange.reported.len() as u64 <= limits.payloads);
}

/// Each payload that was handed in is where one can find it, and there once.
fn assert_handed_in(exchange: &Exchange) {
    for (incoming, outcome) in &exchange.settled {
        if let Outcome::Pass(metadata) = outcome {
            assert_eq!(metadata.id, incoming.payload.metadata.id);
            assert_metadata(metadata);
        }
    }
    let settled = exchange.settled.iter().map(|(incoming, _)| incoming);
    let mut sizes: Vec<u64> = settled
        .chain(&exchange.inbox)
        .chain(&exchange.unsettled)
        .map(|incoming| incoming.payload.body.as_ref().map_or(0, read))
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, INBOX.map(|size| size as u64));
}

/// The bytes of a body, counted one by one.
fn read(body: &Body) -> u64 {
    let mut reader = body.open().expect("a body");
    std::iter::from_fn(|| Some(reader.next_chunk(1000).expect("a body").len()))
        .take_while(|length| *length > 0)
        .sum::<usize>() as u64
}

fn assert_metadata(metadata: &Metadata) {
    let Metadata {
        id,
        version,
        name,
        content_type,
        attributes,
        ..
    } = metadata;
    let texts = [version, name, content_type];
    let attributes = attributes.iter().map(|(name, value)| name.len() + value.len());
    let texts = texts.into_iter().flatten().map(String::len);
    let bytes = id.len() + texts.chain(attributes).sum::<usize>();
    assert!(
        bytes as u64 <= POLICY.limits.metadata.0,
        "{bytes} bytes of metadata"
    );
}
