//! A live connector: one Store for one instance within one run.
//!
//! Its sessions are reused by all steps of the run that use the instance, and by no other run.

use crate::bindings::ConnectorBase;
use crate::component::{Connector, EndpointFunc};
use crate::contract::{Call, CheckStep, Egress, Error, LogLevel, Summary};
use crate::engine::plain;
use crate::event::Events;
use crate::failure::Failure;
use crate::imports::State;
use crate::imports::context::Context;
use crate::imports::exchange::{DeskLimits, Exchange};
use crate::imports::tls::Tls;
use crate::policy::{Limits, Reach};
use crate::tls::{Identities, TlsPolicy};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::Instance as Component;

/// How long a connector may take to end after it was asked to. It has to answer within a second by the contract;
/// the rest is for a slow server to say goodbye and to remove a temporary file.
const GRACE: Duration = Duration::from_secs(5);

/// What one call between guest and host may pass, in bytes or so. Bodies and records go in pieces of 64 KiB; the largest
/// other thing is a text with certificates.
const MOST_PASSED: usize = 8 * 1024 * 1024;

/// `plan` neither waits nor works much.
const PLAN_LIMIT: Duration = Duration::from_secs(10);

/// What a live connector knows of its run.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Identifies the run.
    pub run_id: String,
    /// Where its events go.
    pub events: Events,
    /// The quietest log lines that become events. At `trace` the FTP connector tells its dialogue with the server.
    pub log_threshold: LogLevel,
    /// Cancelled when the run shall end.
    pub cancel: CancellationToken,
    /// How much it may use.
    pub limits: Limits,
    /// What the operator says about TLS.
    pub tls: TlsPolicy,
    /// The client certificates that it may use.
    pub identities: Arc<Identities>,
}

impl RunContext {
    /// A run with the usual limits, safe TLS without client certificates, without the dialogue, that nobody cancels.
    #[must_use]
    pub fn new(run_id: impl Into<String>, events: Events) -> Self {
        Self {
            run_id: run_id.into(),
            events,
            log_threshold: LogLevel::Debug,
            cancel: CancellationToken::new(),
            limits: Limits::default(),
            tls: TlsPolicy::default(),
            identities: Arc::default(),
        }
    }
}

/// A live connector.
pub struct Instance {
    connector: Arc<Connector>,
    run: RunContext,
    reach: Reach,
    /// Calls whose plan is granted in full: their next tries need not ask again.
    granted: HashSet<Fingerprint>,
    /// Gone after a trap or a time-out: nothing of it may be used again.
    live: Option<Live>,
}

struct Live {
    store: Store<State>,
    component: Component,
    base: ConnectorBase,
}

/// One call of one of the connector's functions.
#[derive(Clone, Copy)]
struct Turn<'a> {
    /// What its events name as their step.
    step: &'a str,
    attempt: u32,
    limit: Duration,
}

impl Instance {
    /// Instantiates the connector. It can reach nothing yet.
    ///
    /// # Errors
    /// When its start traps.
    pub async fn start(connector: &Arc<Connector>, run: RunContext) -> Result<Self, Failure> {
        let reach = Reach::none(run.events.clone());
        let context = Context::new(
            run.run_id.clone(),
            run.events.clone(),
            run.log_threshold,
            run.cancel.child_token(),
        );
        let tls = Tls::new(
            run.tls.clone(),
            Arc::clone(&run.identities),
            Arc::clone(&connector.runtime.trust),
        );
        let state = State::new(context, reach.clone(), tls, &run.limits);
        let mut store = Store::new(&connector.runtime.engine, state);
        store.limiter(|state| &mut state.memory);
        // The guest yields at every tick, so that the time limits around its calls can act.
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(MOST_PASSED);
        let started = async {
            let component = connector.pre.instantiate_async(&mut store).await?;
            let base = connector.indices.load(&mut store, &component)?;
            wasmtime::Result::Ok((component, base))
        };
        let (component, base) = started
            .await
            .map_err(|error: wasmtime::Error| Failure::Trap(format!("{error:#}")))?;
        let live = Some(Live {
            store,
            component,
            base,
        });
        Ok(Self {
            connector: Arc::clone(connector),
            run,
            reach,
            granted: HashSet::new(),
            live,
        })
    }

    /// Whether it can still be called. After a trap or a time-out it cannot: start another.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.live.is_some()
    }

    /// Asks what a call of an endpoint would reach (without one: what [`Instance::check`] would), and whether its
    /// settings make sense beyond their schema.
    ///
    /// # Errors
    /// The connector's `invalid-settings`, or any failure of the call.
    pub async fn plan(&mut self, endpoint: Option<&str>, call: &Call) -> Result<Vec<Egress>, Failure> {
        let turn = Turn {
            step: "plan",
            attempt: 1,
            limit: PLAN_LIMIT,
        };
        self.make(turn, &mut None, async |live| {
            let connector = live.base.flow_connector_connector();
            connector.call_plan(&mut live.store, endpoint, call).await
        })
        .await
    }

    /// Lets the connector connect and sign in, and tell what it found. With `probe_write` it may also try what only
    /// writing can tell; it leaves nothing behind.
    ///
    /// # Errors
    /// The connector's error, or any failure of the call.
    pub async fn check(
        &mut self,
        connection: &str,
        probe_write: bool,
        limit: Duration,
    ) -> Result<Vec<CheckStep>, Failure> {
        let call = Call {
            connection: connection.to_owned(),
            options: "{}".to_owned(),
        };
        let plan = self.plan(None, &call).await?;
        self.reach.grant(&plan).await?;
        let turn = Turn {
            step: "check",
            attempt: 1,
            limit,
        };
        self.make(turn, &mut None, async |live| {
            let connector = live.base.flow_connector_connector();
            connector
                .call_check(&mut live.store, &call.connection, probe_write)
                .await
        })
        .await
    }

    /// Calls an endpoint. Before the first of several tries its `plan` is asked, and what it wants to reach is granted.
    ///
    /// The exchange comes back with what happened, also when the call failed.
    pub async fn call(
        &mut self,
        step: &str,
        endpoint: &str,
        call: &Call,
        attempt: u32,
        limit: Duration,
        exchange: Exchange,
    ) -> (Exchange, Result<Summary, Failure>) {
        let spool = Arc::clone(&exchange.spool);
        let turn = Turn { step, attempt, limit };
        let mut exchange = Some(exchange);
        let answer = self.call_endpoint(turn, endpoint, call, &mut exchange).await;
        (exchange.unwrap_or_else(|| Exchange::new(spool, [])), answer)
    }

    async fn call_endpoint(
        &mut self,
        turn: Turn<'_>,
        endpoint: &str,
        call: &Call,
        exchange: &mut Option<Exchange>,
    ) -> Result<Summary, Failure> {
        self.grant(endpoint, call).await?;
        let function = self.endpoint(endpoint)?;
        self.make(turn, exchange, async |live| {
            let (answer,) = function.call_async(&mut live.store, (call.clone(),)).await?;
            Ok(answer)
        })
        .await
    }

    /// Grants what a call plans to reach, unless that was done for an earlier try.
    async fn grant(&mut self, endpoint: &str, call: &Call) -> Result<(), Failure> {
        let fingerprint = fingerprint(endpoint, call);
        if self.granted.contains(&fingerprint) {
            return Ok(());
        }
        let plan = self.plan(Some(endpoint), call).await?;
        // With a name that has no address yet, the next try asks again.
        if self.reach.grant(&plan).await? {
            self.granted.insert(fingerprint);
        }
        Ok(())
    }

    fn endpoint(&mut self, name: &str) -> Result<EndpointFunc, Failure> {
        let Some(index) = self.connector.endpoints.get(name).copied() else {
            let known: Vec<&str> = self.connector.endpoints.keys().map(String::as_str).collect();
            return Err(Failure::Host(anyhow::anyhow!(
                "the connector has no endpoint {name:?}; it has {}",
                known.join(", ")
            )));
        };
        let live = self.live.as_mut().ok_or_else(ended)?;
        live.component
            .get_typed_func(&mut live.store, index)
            .map_err(|error| Failure::Host(plain(error)))
    }

    /// Makes one call within its limits. The exchange is at the desk meanwhile, and comes back whatever happens.
    async fn make<T>(
        &mut self,
        turn: Turn<'_>,
        exchange: &mut Option<Exchange>,
        call: impl AsyncFnOnce(&mut Live) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Failure> {
        let cancel = self.run.cancel.clone();
        let limits = DeskLimits {
            payloads: self.run.limits.payloads,
            metadata: self.run.limits.metadata,
        };
        let live = self.prepare(turn)?;
        let state = live.store.data_mut();
        let ending = state.context.cancel.clone();
        state.desk.limits = limits;
        state.desk.exchange = exchange.take();
        let answer = guard(call(live), turn.limit, &cancel, &ending).await;
        *exchange = live.store.data_mut().desk.close();
        self.finish(answer)
    }

    /// Sets the context of the next call.
    fn prepare(&mut self, turn: Turn<'_>) -> Result<&mut Live, Failure> {
        if self.run.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let live = self.live.as_mut().ok_or_else(ended)?;
        let context = &mut live.store.data_mut().context;
        turn.step.clone_into(&mut context.step);
        context.attempt = turn.attempt;
        context.deadline = Instant::now() + turn.limit;
        context.cancel = self.run.cancel.child_token();
        Ok(live)
    }

    /// Drops the Store when it cannot be used again, and adds a trapped guest's last words.
    fn finish<T>(&mut self, answer: Result<Result<T, Error>, Failure>) -> Result<T, Failure> {
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failure::Connector(error)),
            Err(failure @ Failure::Host(_)) => Err(failure),
            Err(failure) => {
                let words = self
                    .live
                    .take()
                    .map(|live| live.store.data().context.output().text());
                match (failure, words) {
                    (Failure::Trap(trap), Some(words)) if !words.is_empty() => {
                        Err(Failure::Trap(format!("{trap}; its last words: {words}")))
                    }
                    (failure, _) => Err(failure),
                }
            }
        }
    }
}

fn ended() -> Failure {
    let error = anyhow::anyhow!("the connector's instance ended with an earlier trap or time-out");
    Failure::Host(error)
}

/// Stands for an endpoint with its call: settings hold secrets, which are not to be kept for a comparison.
type Fingerprint = [u8; 32];

fn fingerprint(endpoint: &str, call: &Call) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in [endpoint, &call.connection, &call.options] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Runs a call under its time limit and the run's cancellation. Both first ask the guest to stop (`ending`), and
/// give it the grace period before it is dropped.
async fn guard<T>(
    call: impl Future<Output = wasmtime::Result<T>>,
    limit: Duration,
    cancel: &CancellationToken,
    ending: &CancellationToken,
) -> Result<T, Failure> {
    let mut call = pin!(call);
    let refusal = tokio::select! {
        biased;
        answer = &mut call => return answer.map_err(trap),
        () = cancel.cancelled() => Failure::Cancelled,
        () = sleep(limit) => Failure::TimeOut(limit),
    };
    ending.cancel();
    match timeout(GRACE, call).await {
        Ok(answer) => answer.map_err(trap),
        Err(_) => Err(refusal),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands the error over")]
fn trap(error: wasmtime::Error) -> Failure {
    Failure::Trap(format!("{error:#}"))
}
