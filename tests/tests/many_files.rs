//! A folder of 100,000 files, in a connector that cannot have more than 32 MiB.

use std::time::{Duration, Instant};

use flow_tests::servers::{FtpServer, Kind};
use flowhost::contract::{Call, Summary};
use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::event::Events;
use flowhost::imports::exchange::{Exchange, Incoming};
use flowhost::instance::{Instance, RunContext};
use flowhost::payload::Payload;
use flowhost::policy::Policy;
use flowhost::state::spool::Spool;
use serde_json::{Value, json};

const FILES: usize = 100_000;

/// The connector's memory. Its code and one file take some 2 MiB, so that all entries together do not fit.
const MEMORY: &str = "memory=32MiB";

/// A busy machine with two cores takes a third of that.
const MOST: Duration = Duration::from_mins(1);

/// Files `n00000.csv` and so on, empty but for every ten-thousandth; names as long as they are in practice.
fn server(kind: Kind) -> Option<FtpServer> {
    let server = FtpServer::start(kind).expect("it starts")?;
    server.make_folder("outbound");
    for number in 0..FILES {
        let content = if number % 10_000 == 7 { "hello" } else { "" };
        let name = format!("orders of the branch in Köln {number:06}.csv");
        std::fs::write(server.root.join("outbound").join(name), content).expect("room for it");
    }
    Some(server)
}

/// Calls an endpoint of a connector with little memory: the names of what came of it, and what it did.
async fn call(server: &FtpServer, endpoint: &str, options: Value) -> (Vec<String>, Summary, Duration) {
    let runtime = Runtime::new(RuntimeOptions::default()).expect("a runtime");
    let connector = runtime
        .load(flowhost::FTP_COMPONENT)
        .await
        .expect("the built component");
    let policy = Policy::default()
        .allow("127.0.0.1")
        .and_then(|policy| policy.limit(MEMORY))
        .expect("a policy");
    let run = RunContext {
        policy: policy.of("shop"),
        ..RunContext::new("run-1", "shop", Events::none())
    };
    let mut instance = Instance::start(&connector, run).await.expect("it starts");
    let options = options.to_string();
    let call = Call {
        connection: server.settings().to_string(),
        options: options.clone(),
    };
    let state = tempfile::tempdir().expect("a temporary folder");
    let spool = Spool::create(state.path(), None).expect("a spool");
    let trigger = Incoming::new(Payload::trigger("run-1"), options);
    let exchange = Exchange::new(spool, [trigger]);
    let started = Instant::now();
    let (exchange, summary) = instance.call("step", endpoint, &call, 1, MOST, exchange).await;
    let took = started.elapsed();
    let names = exchange
        .accepted
        .iter()
        .map(|payload| payload.label().to_owned())
        .collect();
    (names, summary.expect("it works"), took)
}

async fn ten_of_them(server: &FtpServer) {
    let options = json!({ "root": "outbound", "path": r".* \d{6}\.csv", "min_size": 5 });
    let (mut names, summary, took) = call(server, "ftp-get", options).await;
    names.sort();
    let wanted: Vec<String> = (0..10)
        .map(|number| format!("orders of the branch in Köln {:06}.csv", number * 10_000 + 7))
        .collect();
    assert_eq!(names, wanted);
    assert_eq!((summary.payloads, summary.bytes, summary.failed), (10, 50, 0));
    println!("10 of 100,000 files at {}: {took:?}", server.kind);
    assert!(took < MOST, "{took:?}");
}

/// Every entry is wanted, and they do not fit into the memory: window after window, none twice, none left out.
async fn all_of_them(server: &FtpServer) {
    let (mut names, summary, took) = call(server, "ftp-get", json!({ "command": "list outbound/" })).await;
    assert_eq!((summary.payloads, summary.failed), (FILES as u64, 0));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), FILES);
    println!("100,000 entries listed: {took:?}");
    assert!(took < MOST, "{took:?}");
}

/// More than a window of them, and the folder changes under the walk: what is deleted is not in the next listing.
async fn delete_many(server: &FtpServer) {
    let options = json!({ "command": "delete", "root": "outbound", "path": r".*[1-3]\.csv" });
    let (_, _, took) = call(server, "ftp-put", options).await;
    let left = std::fs::read_dir(server.root.join("outbound"))
        .expect("own folder")
        .count();
    assert_eq!(left, FILES / 10 * 7);
    println!("30,000 of 100,000 files deleted: {took:?}");
    assert!(took < MOST, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_files_in_list() {
    let Some(server) = server(Kind::Vsftpd) else {
        return;
    };
    ten_of_them(&server).await;
    all_of_them(&server).await;
    delete_many(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_files_in_mlsd() {
    let Some(server) = server(Kind::Proftpd) else {
        return;
    };
    ten_of_them(&server).await;
}
