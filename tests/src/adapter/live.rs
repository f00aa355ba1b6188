//! A live connector: one instance within one run, as `start` made it. It makes one call at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use flowhost::component::Connector;
use flowhost::contract::{self, Earlier};
use flowhost::event::{Event, Events};
use flowhost::imports::exchange::Incoming;
use flowhost::instance::{Instance, RunContext};
use flowhost::payload::Payload;
use flowhost::state::body::Body;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use super::flow::{Accepted, Flow};
use super::outcome::{Outcome, called, failed, given, refused, reply};
use super::suite::Suite;
use super::{settings, start, words};
use crate::protocol::event::{self as told, Checked, Failed, Planned, Reply};
use crate::protocol::request::{self, Call, Start};

/// What a call's events name as their step; those of a check name `check`, and those of the host's own something else.
const STEP: &str = "call";

/// The id of no request whose events are told.
const NONE: u64 = u64::MAX;

/// A live connector.
pub(super) struct Live {
    suite: Suite,
    connector: Arc<Connector>,
    /// None when it is gone: after a trap, a time-out, or a cancellation by force.
    instance: Mutex<Option<Instance>>,
    /// Whether it is there.
    alive: AtomicBool,
    /// The request that is under way.
    now: Arc<AtomicU64>,
    accepted: Accepted,
}

impl Live {
    /// # Errors
    /// When it does not start.
    pub(super) async fn start(
        suite: &Suite,
        connector: &Arc<Connector>,
        start: Start,
    ) -> Result<Self, Failed> {
        let now = Arc::new(AtomicU64::new(NONE));
        let run = RunContext {
            log_threshold: words::to_level(start.log_threshold),
            policy: start::policy(&start.policy, start.limits)?,
            identities: Arc::new(start::identities(&start.policy)?),
            ..RunContext::new(start.run, start.instance, events(suite.clone(), Arc::clone(&now)))
        };
        let instance = Instance::start(connector, run).await.map_err(failed)?;
        Ok(Self {
            suite: suite.clone(),
            connector: Arc::clone(connector),
            instance: Mutex::new(Some(instance)),
            alive: AtomicBool::new(true),
            now,
            accepted: Accepted::default(),
        })
    }

    /// Whether it can still be called.
    pub(super) fn is_there(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    pub(super) async fn plan(&self, endpoint: Option<&str>, connection: String, options: String) -> Outcome {
        settings::connection(&self.connector, &connection)?;
        if let Some(endpoint) = endpoint {
            settings::options(&settings::options_schema(&self.connector, endpoint)?, &options)?;
        }
        let mut turn = self.turn(NONE, CancellationToken::new()).await?;
        let call = contract::Call { connection, options };
        let planned = turn.instance().plan(endpoint, &call).await;
        turn.end();
        let egress = planned.map_err(failed)?;
        given(&Planned {
            egress: egress.into_iter().map(words::egress).collect(),
        })
    }

    pub(super) async fn check(
        &self,
        id: u64,
        connection: &str,
        probe_write: bool,
        limit_ms: u64,
        cancel: CancellationToken,
    ) -> Outcome {
        settings::connection(&self.connector, connection)?;
        let mut turn = self.turn(id, cancel).await?;
        let limit = Duration::from_millis(limit_ms);
        let checked = turn.instance().check(connection, probe_write, limit).await;
        turn.end();
        let steps = checked.map_err(failed)?;
        given(&Checked {
            steps: steps.into_iter().map(words::check_step).collect(),
        })
    }

    pub(super) async fn call(&self, id: u64, call: Call, cancel: CancellationToken) -> Reply {
        match self.try_call(id, call, cancel).await {
            Ok(reply) => reply,
            Err(failed) => reply(id, Err(failed)),
        }
    }

    /// # Errors
    /// When it is not even begun.
    async fn try_call(&self, id: u64, call: Call, cancel: CancellationToken) -> Result<Reply, Failed> {
        settings::connection(&self.connector, &call.connection)?;
        let schema = settings::options_schema(&self.connector, &call.endpoint)?;
        settings::options(&schema, &call.options)?;
        let mut incoming = Vec::new();
        for given in call.incoming {
            settings::filled_options(&schema, &given.options)?;
            incoming.push(handed_in(given).await?);
        }
        let mut turn = self.turn(id, cancel.clone()).await?;
        let flow = Flow::new(id, self.suite.clone(), cancel, self.accepted.clone(), incoming);
        let limit = Duration::from_millis(call.limit_ms);
        let (endpoint, attempt) = (call.endpoint, call.attempt);
        let call = contract::Call {
            connection: call.connection,
            options: call.options,
        };
        let (flow, answer) = turn
            .instance()
            .call(STEP, &endpoint, &call, attempt, limit, flow)
            .await;
        turn.end();
        Ok(called(id, flow, answer))
    }

    /// Waits until no other request has the instance.
    ///
    /// # Errors
    /// When it is gone.
    async fn turn(&self, id: u64, cancel: CancellationToken) -> Result<Turn<'_>, Failed> {
        let mut slot = self.instance.lock().await;
        let mut instance = slot
            .take()
            .ok_or_else(|| refused("the instance has ended with an earlier call"))?;
        instance.cancelled_by(cancel);
        self.now.store(id, Ordering::Relaxed);
        Ok(Turn {
            live: self,
            slot,
            instance,
        })
    }
}

/// The instance, while one request has it.
struct Turn<'a> {
    live: &'a Live,
    slot: MutexGuard<'a, Option<Instance>>,
    instance: Instance,
}

impl Turn<'_> {
    fn instance(&mut self) -> &mut Instance {
        &mut self.instance
    }

    /// Gives it back, unless it did not survive.
    fn end(mut self) {
        self.live.now.store(NONE, Ordering::Relaxed);
        if self.instance.is_alive() {
            *self.slot = Some(self.instance);
        } else {
            self.live.alive.store(false, Ordering::Relaxed);
        }
    }
}

/// What flowhost tells of a call or check goes to the suite, as far as the connector itself has said it.
fn events(suite: Suite, now: Arc<AtomicU64>) -> Events {
    Events::new(move |event| {
        let call = now.load(Ordering::Relaxed);
        let (step, event) = match event {
            Event::Log { step, level, message } => {
                let Some(level) = words::level(level) else { return };
                let message = message.clone();
                (step, told::Event::Log { level, message })
            }
            Event::Progress {
                step,
                what,
                done,
                total,
            } => {
                let (what, done, total) = (what.clone(), *done, *total);
                (step, told::Event::Progress { what, done, total })
            }
            _ => return, // The flow's side of the call tells the rest.
        };
        if call != NONE && (step == STEP || step == "check") {
            suite.tell(call, event);
        }
    })
}

/// A payload as flowhost takes it.
///
/// # Errors
/// When its body cannot be read.
async fn handed_in(given: request::Incoming) -> Result<Incoming, Failed> {
    let body = match given.body {
        None => None,
        Some(request::Body::Text(text)) => Some(Body::in_memory(Bytes::from(text))),
        Some(request::Body::File(path)) => {
            let found = tokio::fs::metadata(&path).await;
            let found =
                found.map_err(|error| refused(format!("{} cannot be read: {error}", path.display())))?;
            Some(Body::in_file(path, found.len()))
        }
    };
    let payload = Payload {
        metadata: words::to_metadata(given.metadata),
        body,
    };
    Ok(Incoming {
        earlier: given.earlier.map(|earlier| Earlier { note: earlier.note }),
        ..Incoming::new(payload, given.options)
    })
}
