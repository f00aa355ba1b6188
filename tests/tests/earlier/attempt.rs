//! One try of a step, in a process of its own as far as the connector can tell: a new instance, an exchange, and what
//! is known of the try before.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flow_tests::run::cache;
use flowhost::component::Connector;
use flowhost::contract::{Call, Earlier, Error, Metadata, Outcome, Summary};
use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::event::Events;
use flowhost::failure::Failure;
use flowhost::imports::exchange::{Exchange, Incoming};
use flowhost::instance::{Instance, RunContext};
use flowhost::payload::Payload;
use flowhost::policy::Policy;
use flowhost::state::spool::Spool;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// No try takes longer.
const WITHIN: Duration = Duration::from_secs(30);

/// The run's id: temporary names have its end.
pub const RUN: &str = "run-1234abcd";

/// What an upload to a name is called until it is complete.
pub fn temporary(name: &str) -> String {
    format!(".{name}.1234abcd.part")
}

/// A step that tries a payload.
pub struct Step {
    /// The connection settings.
    pub settings: Value,
    /// `ftp-get` or `ftp-put`.
    pub endpoint: &'static str,
    /// Its options, without templates.
    pub options: Value,
    /// Ends the try without a word when it is cancelled.
    pub killed: CancellationToken,
}

impl Step {
    /// A step of `ftp-put` that nobody kills.
    pub fn put(settings: Value, options: Value) -> Self {
        Self {
            settings,
            endpoint: "ftp-put",
            options,
            killed: CancellationToken::new(),
        }
    }
}

/// What is known of an earlier try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// There was none.
    Never,
    /// There may have been one, which noted nothing.
    Unnoted,
    /// The same, which noted this.
    Noted(String),
}

/// A payload for a step.
pub struct Given {
    /// What is known of the payload.
    pub metadata: Metadata,
    /// Its bytes; none for a trigger.
    pub body: Option<Vec<u8>>,
    /// What is known of an earlier try.
    pub earlier: Past,
}

/// What became of it.
#[derive(Debug)]
pub struct Tried {
    /// What the call said.
    pub answer: Result<Summary, Failure>,
    /// What became of the payload; none when it was not settled.
    pub outcome: Option<Outcome>,
    /// What the next try is to know of this one, which may have ended here.
    pub past: Past,
    /// Payloads that were made: their names.
    pub made: Vec<String>,
    /// Problems with payloads that were made.
    pub problems: Vec<String>,
    /// How many payloads were given up.
    pub aborted: usize,
}

impl Tried {
    /// The metadata that goes on.
    pub fn passed(&self) -> &Metadata {
        match &self.outcome {
            Some(Outcome::Pass(metadata)) => metadata,
            _ => panic!("it does not go on: {self:?}"),
        }
    }

    /// An attribute of what goes on.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.passed().attribute(name)
    }

    /// Why it failed.
    pub fn failed(&self) -> &Error {
        match &self.outcome {
            Some(Outcome::Fail(error)) => error,
            _ => panic!("it has not failed: {self:?}"),
        }
    }
}

/// What the host remembers over the tries of a step that makes payloads.
#[derive(Default)]
pub struct Memory {
    exchange: Option<Exchange>,
    quota: Option<u64>,
}

impl Memory {
    /// One that stores at most so many bytes.
    pub fn with_quota(bytes: u64) -> Self {
        Self {
            exchange: None,
            quota: Some(bytes),
        }
    }
}

/// Tries a step with one payload, on threads that all tests share.
pub fn attempt(step: &Step, given: Given, memory: &mut Memory) -> Tried {
    static THREADS: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let threads = THREADS.get_or_init(|| tokio::runtime::Runtime::new().expect("threads"));
    threads.block_on(one_call(step, given, memory))
}

/// This alone knows how an exchange is made.
async fn one_call(step: &Step, given: Given, memory: &mut Memory) -> Tried {
    let policy = Policy::default()
        .allow("127.0.0.1")
        // Long enough to be a limit, and too short for a last word.
        .and_then(|policy| policy.limit("grace=1ms"))
        .expect("a policy");
    let run = RunContext {
        policy: policy.of("shop"),
        cancel: step.killed.clone(),
        ..RunContext::new(RUN, "shop", Events::none())
    };
    let mut instance = Instance::start(&connector().await, run).await.expect("it starts");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut exchange = match memory.exchange.take() {
        Some(exchange) => exchange,
        None => Exchange::new(Spool::create(folder.path(), memory.quota).expect("a spool"), []),
    };
    let body = given
        .body
        .map(|body| exchange.spool.store(&body).expect("room for it"));
    let options = step.options.to_string();
    exchange.inbox.push_back(Incoming {
        payload: Payload {
            metadata: given.metadata,
            body,
        },
        options: options.clone(),
        earlier: match given.earlier {
            Past::Never => None,
            Past::Unnoted => Some(Earlier { note: None }),
            Past::Noted(note) => Some(Earlier { note: Some(note) }),
        },
        ticket: 0,
    });
    let call = Call {
        connection: step.settings.to_string(),
        options,
    };
    let (mut exchange, answer) = instance
        .call("step", step.endpoint, &call, 1, WITHIN, exchange)
        .await;
    let unsettled = exchange.unsettled.pop();
    let settled = exchange.settled.pop();
    exchange.inbox.clear();
    let (incoming, outcome) = match (unsettled, settled) {
        (Some(incoming), _) => (Some(incoming), None),
        (None, Some((incoming, outcome))) => (Some(incoming), Some(outcome)),
        (None, None) => (None, None),
    };
    let tried = Tried {
        answer,
        outcome,
        past: match incoming.map(|incoming| incoming.earlier.and_then(|earlier| earlier.note)) {
            None => Past::Never,
            Some(None) => Past::Unnoted,
            Some(Some(note)) => Past::Noted(note),
        },
        made: exchange
            .accepted
            .drain(..)
            .map(|payload| payload.label().to_owned())
            .collect(),
        problems: exchange
            .reported
            .drain(..)
            .map(|(_, error)| error.message)
            .collect(),
        aborted: exchange.aborted.len(),
    };
    memory.exchange = Some(exchange);
    tried
}

/// The connector, loaded once.
async fn connector() -> Arc<Connector> {
    static CONNECTOR: OnceCell<Arc<Connector>> = OnceCell::const_new();
    let load = async || {
        let options = RuntimeOptions { cache: Some(cache()) };
        let runtime = Runtime::new(options).expect("a runtime");
        runtime
            .load(flowhost::FTP_COMPONENT)
            .await
            .expect("the built component")
    };
    Arc::clone(CONNECTOR.get_or_init(load).await)
}

/// What is known of a payload that was made of a file, of which the server told nothing but the size.
pub fn made_of(path: &str, body: &str) -> Metadata {
    let name = path.rsplit('/').next().unwrap_or(path);
    Metadata {
        id: path.to_owned(),
        version: Some(format!("{}-", body.len())),
        name: Some(name.to_owned()),
        content_type: None,
        size: Some(body.len() as u64),
        modified_ms: None,
        attributes: vec![
            ("original_filename".to_owned(), name.to_owned()),
            ("original_path".to_owned(), path.to_owned()),
        ],
    }
}

/// The payload that stands for a run.
pub fn trigger() -> Given {
    Given {
        metadata: Payload::trigger(RUN).metadata,
        body: None,
        earlier: Past::Never,
    }
}
