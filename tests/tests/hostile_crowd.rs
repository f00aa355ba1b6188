//! A thousand servers at one byte a second, all at once in one process, and one honest transfer beside them.
//!
//! A test program of its own, with this one test: it counts the process's sockets and threads.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flow_tests::run::{Bench, SHOP, cache, flow, get, warm, with, write};
use flow_tests::script::Script;
use flow_tests::tree::sha256;
use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::event::{Event, Events};
use flowhost::flow::{Flow, LoadOptions, RunOptions, load, run};
use flowhost::policy::Policy;
use flowhost::state::store::Store;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How many servers, each with its run.
const CROWD: usize = 1_000;

/// How many begin together.
const WAVE: usize = 25;

/// The setting `timeout` of the runs. Their replies have four times as much.
const TIMEOUT: u64 = 2;

/// When a run must be over that began last, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// The most resident memory of the process, half a MiB a run: runs, servers, everything.
const MOST_KIB: u64 = 512 * 1024;

/// What a server has said when it begins to drip, by the word that it does not come to the end of.
const FATES: [&str; 4] = ["CONNECT", "PASS", "PWD", "EPSV"];

/// The honest answers on the way there.
fn answer(word: &str) -> &'static str {
    match word {
        "CONNECT" => "220 ready\r\n",
        "USER" => "331 password, please\r\n",
        "PASS" => "230 welcome\r\n",
        "PWD" => "257 \"/\"\r\n",
        "SIZE" => "213 5\r\n",
        "TYPE" | "NOOP" => "200 fine\r\n",
        "EPSV" => "229 passive (|||1025|)\r\n",
        _ => "502 not here\r\n",
    }
}

/// Answers up to its fate, and from there on a byte a second.
async fn slow_loris(client: TcpStream, fate: &str) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut word = "CONNECT".to_owned();
    while word != fate {
        client.write_all(answer(&word).as_bytes()).await?;
        let mut line = String::new();
        if client.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        word = line.split_whitespace().next().unwrap_or_default().to_owned();
    }
    for byte in b"2-".iter().cycle() {
        client.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// The crowd's one thread; it ends with all its connections when `over` does.
fn crowd(listener: std::net::TcpListener, mut over: watch::Receiver<()>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            let mut served = 0;
            loop {
                tokio::select! {
                    client = listener.accept() => {
                        let fate = FATES[served % FATES.len()];
                        served += 1;
                        tokio::spawn(slow_loris(client.expect("room for a socket").0, fate));
                    }
                    _ = over.changed() => return served,
                }
            }
        })
    })
}

/// More open files than the thousand that is usual: both ends of each connection are in this process.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = 4 * CROWD as u64;
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted))),
            ..limit
        };
        setrlimit(Resource::Nofile, raised).expect("up to its maximum a process may");
    }
}

/// The names of what this process has open, without the folder that is being read.
fn open_files() -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for file in std::fs::read_dir("/proc/self/fd").expect("Linux").flatten() {
        let Ok(name) = std::fs::read_link(file.path()) else {
            continue;
        };
        // `socket:[12345]` counts as `socket:`.
        let name = name.to_string_lossy();
        let kind = name.split('[').next().unwrap_or_default().to_owned();
        *names.entry(kind).or_default() += 1;
    }
    names
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux").count()
}

/// A line of this process's status, in KiB.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let found = status.lines().find_map(|one| one.strip_prefix(line));
    let number = found.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a line of Linux")
}

/// What a run of a flow came to: its failures' kinds and messages, and how long it took.
#[derive(Debug)]
struct Ended {
    failures: Vec<(String, String)>,
    took: Duration,
}

async fn run_once(flow: Arc<Flow>, store: Arc<Store>) -> Ended {
    let failures = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&failures);
    let options = RunOptions {
        events: Events::new(move |event| {
            if let Event::StepFailed { kind, message, .. } | Event::PayloadFailed { kind, message, .. } =
                event
            {
                heard
                    .lock()
                    .expect("no panic")
                    .push((kind.clone(), message.clone()));
            }
        }),
        policy: Policy::default().allow("127.0.0.1").expect("an address"),
        store: Some(store),
        ..RunOptions::new("")
    };
    let began = Instant::now();
    run(&flow, &options).await.expect("it begins");
    let failures = std::mem::take(&mut *failures.lock().expect("no panic"));
    Ended {
        failures,
        took: began.elapsed(),
    }
}

async fn loaded(runtime: &Arc<Runtime>, bench: &Bench, flow: &Value) -> Arc<Flow> {
    let file = bench.flow_file(flow);
    let options = LoadOptions::default();
    Arc::new(
        load(runtime, &file, &options)
            .await
            .unwrap_or_else(|problems| panic!("{problems}")),
    )
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().expect("a runtime")
}

/// The runs against the crowd, and how the honest one went meanwhile.
async fn all_at_once(crowd: SocketAddr, honest: (&Bench, &Value), bench: &Bench) -> (Vec<Ended>, Ended) {
    let options = RuntimeOptions { cache: Some(cache()) };
    let runtime = Runtime::new(options).expect("this machine runs wasm");
    let settings = json!({
        "host": "127.0.0.1", "port": crowd.port(), "timeout": TIMEOUT, "max_tries": 1,
        "auth": { "username": "shop", "password": "s3cret-shop" },
    });
    let hostile = flow(&[(SHOP, settings)], vec![get(SHOP, json!({ "path": "a.txt" }))]);
    let hostile = with(hostile, "overlap", "allow");
    let hostile = loaded(&runtime, bench, &hostile).await;
    let (honest_bench, honest_flow) = honest;
    let honest_flow = loaded(&runtime, honest_bench, honest_flow).await;
    let store = Store::open(&bench.path("state"), None).expect("a state folder");
    let mut runs = Vec::new();
    for number in 0..CROWD {
        runs.push(tokio::spawn(run_once(Arc::clone(&hostile), Arc::clone(&store))));
        if number % WAVE == WAVE - 1 {
            // Signing in takes some milliseconds of work: all at the same instant would find the servers too slow.
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    // In the middle of it: none of them is over yet.
    let own = Store::open(&honest_bench.path("state"), None).expect("a state folder");
    let honest = run_once(honest_flow, own).await;
    let mut ended = Vec::new();
    for run in runs {
        ended.push(run.await.expect("no panic"));
    }
    (ended, honest)
}

#[test]
fn a_thousand_slow_servers_at_once_cost_their_time_and_little_else() {
    allow_many_files();
    warm();
    let content: Vec<u8> = (0..1_u32 << 20).flat_map(u32::to_le_bytes).collect();
    let honest = Script::new().file("a.bin", content.clone()).start();
    let (bench, honest_bench) = (Bench::new(), Bench::new());
    let honest_flow = flow(
        &[(SHOP, with(honest.settings(), "timeout", 10))],
        vec![get(SHOP, json!({ "path": "a.bin" })), write("in")],
    );
    // Tokio keeps two sockets for signals from its first runtime to the end of the process.
    drop(runtime());
    let before = (open_files(), threads());

    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("a bound socket");
    let (over, ends) = watch::channel(());
    let server = crowd(listener, ends);
    let runtime = runtime();
    let began = Instant::now();
    let (runs, honest_run) = runtime.block_on(all_at_once(address, (&honest_bench, &honest_flow), &bench));
    println!(
        "{CROWD} runs: {:.1} s, resident {} MiB, address space {} GiB; the honest one {:.2} s",
        began.elapsed().as_secs_f64(),
        memory("VmHWM:") / 1024,
        memory("VmPeak:") >> 20,
        honest_run.took.as_secs_f64(),
    );

    assert_eq!(runs.len(), CROWD);
    for run in &runs {
        let [(kind, message)] = run.failures.as_slice() else {
            panic!("not one failure: {run:?}")
        };
        assert_eq!(kind, "timeout", "{run:?}");
        assert!(
            message.contains("the server sent ") && message.contains("bytes in 8 s"),
            "{run:?}"
        );
        assert!(
            run.took >= Duration::from_secs(4 * TIMEOUT) && run.took < SOON,
            "{run:?}"
        );
    }
    assert_eq!(honest_run.failures, []);
    let arrived = &honest_bench.files("in")["a.bin"];
    assert!(
        *arrived == content,
        "{} bytes, {:?}",
        arrived.len(),
        sha256(&honest_bench.path("in/a.bin"))
    );
    assert!(
        honest_run.took < Duration::from_secs(4 * TIMEOUT),
        "{:?}",
        honest_run.took
    );
    assert!(memory("VmHWM:") < MOST_KIB, "{} KiB", memory("VmHWM:"));

    over.send(()).expect("it runs");
    assert_eq!(server.join().expect("no panic"), CROWD);
    runtime.shutdown_timeout(Duration::from_secs(5));
    let patience = Instant::now();
    // The epoch's thread, and the honest server's, end a moment later.
    while (open_files(), threads()) != before && patience.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((open_files(), threads()), before);
}
