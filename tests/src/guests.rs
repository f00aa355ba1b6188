//! Connectors that misbehave (`tests/guests`), each run within this process and beside honest ones.
//!
//! A [`Guest`] is such a run in the making. [`Guest::run`] starts it; as soon as its step has begun, two honest runs go
//! on in the same [`Runtime`], and a third one when it is over. All of them have to come out exactly right, whatever the
//! guest does; what became of the guest itself is in the [`Outcome`].

mod outcome;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::event::{Event, Events};
use flowhost::flow::{self, Flow, LoadOptions, Problems, RunOptions};
use flowhost::policy::Policy;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use outcome::{INTERRUPTED, Outcome};

use crate::run::{Bench, cache};
use crate::steps::write;

/// How long a test waits for a run before it fails. No guest may take longer, whatever it tries.
const RUN_WITHIN: Duration = Duration::from_secs(30);

/// The instance's name in the flows of guests.
pub const INSTANCE: &str = "it";

/// The id of the step in which a guest misbehaves.
pub const STEP: &str = "misbehave";

/// The most resident memory that this process may have at the end of a test, KiB: 128 MiB of its own (the compiler, the
/// guests' machine code, what the allocator keeps of earlier tests), and for each test that may run at the same time a
/// guest of 64 MiB, the 8 MiB that it may pass at once, and three honest runs.
fn most_resident_kib() -> u64 {
    let tests = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    (128 + tests * (64 + 8 + 3 * 8)) * 1024
}

/// Payloads of an honest run.
const HONEST_PAYLOADS: u64 = 6;

/// Bytes of each: several pieces of a stream.
const HONEST_BYTES: u64 = 150_000;

/// The component of a guest, as `cargo xtask guests` built it.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn component(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let path = folder.join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "{} is not there: run `cargo xtask guests` (`cargo xtask test` does it by itself)",
        path.display()
    );
    path
}

/// What a process has once: the engine, with the threads that all runs of this process share.
pub struct Host {
    pub(crate) runtime: Arc<Runtime>,
    threads: tokio::runtime::Runtime,
}

/// The one of this process.
///
/// # Panics
/// When the machine cannot run wasm.
pub fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| {
        // Compiling is most of what a first run takes.
        let options = RuntimeOptions { cache: Some(cache()) };
        Host {
            runtime: Runtime::new(options).expect("an engine"),
            // As few as the smallest machine has: one guest that does not let go would be felt by all.
            threads: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("threads"),
        }
    })
}

impl Host {
    /// The engine of this process.
    #[must_use]
    pub fn runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime)
    }

    /// Runs something on the threads that the runs share, and waits for it.
    ///
    /// # Panics
    /// When it panics.
    pub fn block_on<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> T {
        let task = self.threads.spawn(what);
        self.threads
            .block_on(task)
            .unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("{error}"),
            })
    }
}

/// A run of a connector that misbehaves, in the making.
pub struct Guest {
    bench: Arc<Bench>,
    /// The connector's file.
    connector: PathBuf,
    endpoint: String,
    before: Vec<Value>,
    options: Value,
    repeated: bool,
    timeout: &'static str,
    policy: Policy,
    cancelled_when: Option<&'static str>,
}

impl Guest {
    /// The guest whose options say what it does.
    #[must_use]
    pub fn misbehaving(options: &Value) -> Self {
        Self {
            options: options.clone(),
            ..Self::of(component("misbehave"), STEP)
        }
    }

    /// The guest that does this, and needs to be told nothing else.
    #[must_use]
    pub fn that(behaviour: &str) -> Self {
        Self::misbehaving(&json!({ "behaviour": behaviour }))
    }

    /// The guest that waits for a word from an address on this machine, which it may reach.
    #[must_use]
    pub fn that_waits_for(address: SocketAddr) -> Self {
        let options = json!({ "behaviour": "wait-for-answer", "address": address.to_string(),
            "planned": [["127.0.0.1", address.port()]] });
        Self::misbehaving(&options).allow("127.0.0.1")
    }

    /// The endpoint of a connector that is in no file yet.
    #[must_use]
    pub fn of_bytes(component: &[u8], endpoint: &str) -> Self {
        let guest = Self::of(PathBuf::from("./guest.wasm"), endpoint);
        guest.bench.write("guest.wasm", component);
        guest
    }

    /// The endpoint of any connector.
    ///
    /// # Panics
    /// Never: the limits are sound.
    #[must_use]
    pub fn of(connector: PathBuf, endpoint: &str) -> Self {
        // Small, so that many of them find room beside each other: what is measured is the limit, not the machine.
        let mut guest = Self {
            bench: Arc::new(Bench::new()),
            connector,
            endpoint: endpoint.to_owned(),
            before: Vec::new(),
            options: json!({}),
            repeated: false,
            timeout: "20s",
            policy: Policy::default(),
            cancelled_when: None,
        };
        for limit in ["memory=16MiB", "grace=200ms"] {
            guest = guest.limit(limit);
        }
        guest
    }

    /// With another limit: `NAME=VALUE`.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn limit(mut self, limit: &str) -> Self {
        self.policy = self.policy.limit(limit).expect("a limit of the host");
        self
    }

    /// With another target that the operator allows.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn allow(mut self, target: &str) -> Self {
        self.policy = self.policy.allow(target).expect("a target");
        self
    }

    /// With another time limit for its step.
    #[must_use]
    pub fn timeout(mut self, timeout: &'static str) -> Self {
        self.timeout = timeout;
        self
    }

    /// With incoming payloads: local files of these names, each with `hello`.
    #[must_use]
    pub fn given(mut self, names: &[&str]) -> Self {
        for name in names {
            self.bench.write(&format!("in/{name}"), "hello");
        }
        self.before.push(crate::steps::read("in/*"));
        self
    }

    /// In a second step of the same run, with the same instance, it does this.
    #[must_use]
    pub fn and_then(mut self, behaviour: &str) -> Self {
        let step = self.step();
        self.before.push(step);
        self.options["behaviour"] = behaviour.into();
        self.repeated = true;
        self
    }

    /// The run is cancelled when an event of this name has come from the guest's step.
    #[must_use]
    pub fn cancelled_when(mut self, event: &'static str) -> Self {
        self.cancelled_when = Some(event);
        self
    }

    fn step(&self) -> Value {
        // Goes on, so that what was accepted is delivered in spite of what comes of the rest.
        json!({ "id": STEP, "use": INSTANCE, "endpoint": self.endpoint, "options": self.options,
            "timeout": self.timeout, "on_error": "continue" })
    }

    fn flow(&self) -> Value {
        let mut steps = self.before.clone();
        let mut last = self.step();
        if self.repeated {
            last["id"] = "again".into();
        }
        steps.push(last);
        steps.push(write("out"));
        flow_of(&self.connector, &steps)
    }

    /// Runs it beside honest ones, and checks those.
    ///
    /// # Panics
    /// When an honest run does not come out exactly right, anything takes too long, or this process has grown too much.
    #[must_use]
    pub fn run(self) -> Outcome {
        host().block_on(async move {
            let begun = CancellationToken::new();
            let guilty = self.alone(begun.clone());
            let beside = async {
                begun.cancelled().await;
                let makes = tokio::spawn(honest_makes());
                let passes = tokio::spawn(honest_passes());
                makes.await.expect("an honest run");
                passes.await.expect("an honest run");
            };
            let (outcome, ()) = tokio::join!(guilty, beside);
            honest_makes().await;
            outcome.assert_nothing_left();
            assert_small();
            outcome
        })
    }

    async fn alone(self, begun: CancellationToken) -> Outcome {
        let loaded = tokio::time::timeout(RUN_WITHIN, self.load()).await;
        let loaded = loaded.unwrap_or_else(|_| panic!("it was not loaded within {RUN_WITHIN:?}"));
        let outcome = match &loaded {
            Ok(flow) => self.run_alone(flow, &begun, &CancellationToken::new()).await,
            Err(problems) => Outcome {
                ended: Err(problems.clone()),
                events: Vec::new(),
                bench: Arc::clone(&self.bench),
            },
        };
        // What does not even load has no step that begins.
        begun.cancel();
        outcome
    }

    /// Loads it, as a flow that may be run several times.
    pub(crate) async fn load(&self) -> Result<Flow, Problems> {
        let file = self.bench.flow_file(&self.flow());
        flow::load(&host().runtime, &file, &LoadOptions::default()).await
    }

    /// Runs it alone, and cancels `begun` when its step begins.
    pub(crate) async fn run_alone(
        &self,
        flow: &Flow,
        begun: &CancellationToken,
        cancel: &CancellationToken,
    ) -> Outcome {
        let events: Arc<Mutex<Vec<Value>>> = Arc::default();
        let sink = Arc::clone(&events);
        let (started, cancelling) = (begun.clone(), cancel.clone());
        let cancelled_when = self.cancelled_when;
        let options = RunOptions {
            policy: self.policy.clone(),
            cancel: cancel.clone(),
            events: Events::new(move |event| {
                if matches!(event, Event::StepStarted { step, .. } if step == STEP) {
                    started.cancel();
                }
                let event = json!(event);
                if cancelled_when.is_some_and(|name| event["event"] == name && event["step"] == STEP) {
                    cancelling.cancel();
                }
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }),
            ..RunOptions::new(self.bench.path("state"))
        };
        let ran = tokio::time::timeout(RUN_WITHIN, flow::run(flow, &options)).await;
        let ran = ran.unwrap_or_else(|_| panic!("it did not end within {RUN_WITHIN:?}: {events:?}"));
        let events = std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner));
        Outcome {
            ended: Ok(ran.expect("it begins")),
            events,
            bench: Arc::clone(&self.bench),
        }
    }

    /// Runs it as a process of its own, which tells what memory it needed.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn run_as_process(self, arguments: &[&str]) -> crate::run::Run {
        crate::run::warm();
        self.bench.run_with(&self.flow(), arguments)
    }
}

fn flow_of(connector: &Path, steps: &[Value]) -> Value {
    json!({ "name": "guest", "instances": { INSTANCE: { "connector": connector } }, "steps": steps })
}

/// The resident memory of this process, KiB.
///
/// # Panics
/// When the system does not tell.
#[must_use]
pub fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("a number of kB")
}

fn assert_small() {
    let (resident, most) = (resident_kib(), most_resident_kib());
    assert!(resident < most, "{resident} KiB of memory, and {most} are enough");
}

/// A run that makes payloads and writes them down. Every byte has to be right.
async fn honest_makes() {
    let options = json!({ "count": HONEST_PAYLOADS, "size": HONEST_BYTES });
    let make = json!({ "id": "make", "use": INSTANCE, "endpoint": "make", "options": options });
    honest(Bench::new(), make).await;
}

/// A run that reads files, passes them through a connector and writes them down.
async fn honest_passes() {
    let bench = Bench::new();
    for (name, content) in honest_files() {
        bench.write(&format!("in/{name}"), content);
    }
    honest(
        bench,
        json!({ "id": "pass", "use": INSTANCE, "endpoint": "pass" }),
    )
    .await;
}

async fn honest(bench: Bench, step: Value) {
    let before = bench.path("in").is_dir().then(|| crate::steps::read("in/*"));
    let steps: Vec<Value> = before.into_iter().chain([step, write("out")]).collect();
    let file = bench.flow_file(&flow_of(&component("misbehave"), &steps));
    let events: Arc<Mutex<Vec<Value>>> = Arc::default();
    let sink = Arc::clone(&events);
    let options = RunOptions {
        events: Events::new(move |event| {
            sink.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(json!(event));
        }),
        ..RunOptions::new(bench.path("state"))
    };
    let flow = flow::load(&host().runtime, &file, &LoadOptions::default()).await;
    let flow = flow.unwrap_or_else(|problems| panic!("an honest flow: {problems}"));
    let ran = tokio::time::timeout(RUN_WITHIN, flow::run(&flow, &options)).await;
    let ran = ran.unwrap_or_else(|_| panic!("an honest run did not end within {RUN_WITHIN:?}: {events:?}"));
    let report = ran.expect("it begins");
    assert_eq!(
        (report.payloads, report.bytes, report.skipped, report.failed),
        (HONEST_PAYLOADS, HONEST_PAYLOADS * HONEST_BYTES, 0, 0),
        "an honest run: {events:?}"
    );
    assert!(
        bench.files("out") == honest_files(),
        "an honest run wrote other bytes"
    );
    bench.assert_spool_empty();
}

/// What an honest run leaves behind: the guest's `content` in `tests/guests/src/honest.rs` says the same.
fn honest_files() -> std::collections::BTreeMap<String, Vec<u8>> {
    #[expect(clippy::cast_possible_truncation, reason = "the low byte is what is meant")]
    let content = |number| {
        (0..HONEST_BYTES)
            .map(|at| (at.wrapping_mul(31) ^ number) as u8)
            .collect()
    };
    (0..HONEST_PAYLOADS)
        .map(|number| (format!("{number}.bin"), content(number)))
        .collect()
}
