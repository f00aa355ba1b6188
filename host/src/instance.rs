//! A live connector: one Store for one instance within one run.
//!
//! Its sessions are reused by all steps of the run that use the instance, and by no other run.

pub(crate) mod guard;
mod pace;

use crate::bindings::ConnectorBase;
use crate::component::{Connector, DESCRIBE_LIMIT, EndpointFunc};
use crate::contract::{Call, CheckStep, Descriptor, Egress, Error, LogLevel, Summary};
use crate::engine::plain;
use crate::event::Events;
use crate::failure::Failure;
use crate::imports::State;
use crate::imports::context::Context;
use crate::imports::exchange::counterpart::Counterpart;
use crate::imports::log::Log;
use crate::imports::tls::Tls;
use crate::policy::InstancePolicy;
use crate::policy::bounds::Bounds;
use crate::policy::reach::Reach;
use crate::tls::Identities;
use guard::{guard, quick};
use sha2::{Digest as _, Sha256};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::Instance as Component;

/// What one call between guest and host may pass, in bytes or so. Bodies and records go in pieces of 64 KiB; the largest
/// other thing is a text with certificates.
pub(crate) const MOST_PASSED: usize = 8 * 1024 * 1024;

/// `plan` neither waits nor works much.
const PLAN_LIMIT: Duration = Duration::from_secs(5);

/// Nor does the start of a component, before any of its functions is called.
const START_LIMIT: Duration = Duration::from_secs(5);

/// What a live connector knows of its run.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Identifies the run.
    pub run_id: String,
    /// What the flow calls the instance.
    pub instance: String,
    /// Where its events go.
    pub events: Events,
    /// The quietest log lines that become events. At `trace` the FTP connector tells its dialogue with the server.
    pub log_threshold: LogLevel,
    /// Cancelled when the run shall end.
    pub cancel: CancellationToken,
    /// What the operator says: what it may reach and use.
    pub policy: InstancePolicy,
    /// The client certificates that it may use.
    pub identities: Arc<Identities>,
}

impl RunContext {
    /// A run with the usual policy, without client certificates and the dialogue, that nobody cancels.
    #[must_use]
    pub fn new(run_id: impl Into<String>, instance: impl Into<String>, events: Events) -> Self {
        Self {
            run_id: run_id.into(),
            instance: instance.into(),
            events,
            log_threshold: LogLevel::Debug,
            cancel: CancellationToken::new(),
            policy: InstancePolicy::default(),
            identities: Arc::default(),
        }
    }
}

/// A live connector.
pub struct Instance {
    connector: Arc<Connector>,
    run: RunContext,
    reach: Reach,
    bounds: Bounds,
    /// The plans of calls that were made: their next tries need not ask again.
    plans: HashMap<Fingerprint, Vec<Egress>>,
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
    /// The function, where it may call no import of the contract.
    mute: Option<&'static str>,
}

impl Instance {
    /// Instantiates the connector. It can reach nothing yet.
    ///
    /// # Errors
    /// When its start traps.
    pub async fn start(connector: &Arc<Connector>, run: RunContext) -> Result<Self, Failure> {
        let InstancePolicy { egress, limits, tls } = run.policy.clone();
        let bounds = Bounds::new(&run.instance, limits, run.events.clone());
        let reach = Reach::none(bounds.clone(), egress);
        let log = Log::new(run.events.clone(), run.log_threshold, bounds.clone());
        let context = Context::new(
            run.run_id.clone(),
            run.events.clone(),
            log,
            run.cancel.child_token(),
        );
        let tls = Tls::new(
            tls,
            Arc::clone(&run.identities),
            Arc::clone(&connector.runtime.trust),
        );
        let state = State::new(context, reach.clone(), tls, bounds.clone());
        let mut store = Store::new(&connector.runtime.engine, state);
        store.limiter(|state| &mut state.ceiling);
        // The guest yields at every tick, so that the time limits around its calls can act.
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(MOST_PASSED);
        let started = async {
            let component = connector.pre.instantiate_async(&mut store).await?;
            let base = connector.indices.load(&mut store, &component)?;
            wasmtime::Result::Ok((component, base))
        };
        let (component, base) = quick(started, START_LIMIT, &bounds).await?;
        let live = Some(Live {
            store,
            component,
            base,
        });
        Ok(Self {
            connector: Arc::clone(connector),
            run,
            reach,
            bounds,
            plans: HashMap::new(),
            live,
        })
    }

    /// Whether it can still be called. After a trap or a time-out it cannot: start another.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.live.is_some()
    }

    /// Asks once more what the connector is: [`Connector::descriptor`](crate::component::Connector) is what it said when
    /// it was loaded.
    ///
    /// # Errors
    /// Any failure of the call.
    pub async fn describe(&mut self) -> Result<Descriptor, Failure> {
        let turn = Turn {
            step: "describe",
            attempt: 1,
            limit: DESCRIBE_LIMIT,
            mute: Some("describe"),
        };
        self.make(turn, &mut None, async |live| {
            let connector = live.base.flow_connector_connector();
            connector.call_describe(&mut live.store).await.map(Ok)
        })
        .await
    }

    /// From its next call on, this token ends its calls in place of the run's: for who cancels single calls. Once it is
    /// cancelled it ends every call, until another takes its place.
    pub fn cancelled_by(&mut self, cancel: CancellationToken) {
        self.run.cancel = cancel;
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
            mute: Some("plan"),
        };
        let plan = self
            .make(turn, &mut None, async |live| {
                let connector = live.base.flow_connector_connector();
                connector.call_plan(&mut live.store, endpoint, call).await
            })
            .await;
        plan.map_err(|failure| match failure {
            Failure::TimeOut(limit) => Failure::Slow {
                function: "plan",
                limit,
            },
            failure => failure,
        })
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
            mute: None,
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
    ///
    /// # Panics
    /// Never: what comes back is what was given.
    pub async fn call<X: Counterpart>(
        &mut self,
        step: &str,
        endpoint: &str,
        call: &Call,
        attempt: u32,
        limit: Duration,
        exchange: X,
    ) -> (X, Result<Summary, Failure>) {
        let turn = Turn {
            step,
            attempt,
            limit,
            mute: None,
        };
        let mut exchange: Option<Box<dyn Counterpart>> = Some(Box::new(exchange));
        let answer = self.call_endpoint(turn, endpoint, call, &mut exchange).await;
        let exchange = exchange.and_then(|exchange| (exchange as Box<dyn Any>).downcast().ok());
        (*exchange.expect("the desk gives back what was put on it"), answer)
    }

    async fn call_endpoint(
        &mut self,
        turn: Turn<'_>,
        endpoint: &str,
        call: &Call,
        exchange: &mut Option<Box<dyn Counterpart>>,
    ) -> Result<Summary, Failure> {
        self.grant(endpoint, call).await?;
        let function = self.endpoint(endpoint)?;
        self.make(turn, exchange, async |live| {
            let (answer,) = function.call_async(&mut live.store, (call.clone(),)).await?;
            Ok(answer)
        })
        .await
    }

    /// Grants what a call plans to reach. The plan of an earlier try holds; its names are resolved anew.
    async fn grant(&mut self, endpoint: &str, call: &Call) -> Result<(), Failure> {
        let fingerprint = fingerprint(endpoint, call);
        if !self.plans.contains_key(&fingerprint) {
            let plan = self.plan(Some(endpoint), call).await?;
            self.plans.insert(fingerprint, plan);
        }
        if let Some(plan) = self.plans.get(&fingerprint) {
            self.reach.grant(plan).await?;
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
        exchange: &mut Option<Box<dyn Counterpart>>,
        call: impl AsyncFnOnce(&mut Live) -> wasmtime::Result<Result<T, Error>>,
    ) -> Result<T, Failure> {
        let cancel = self.run.cancel.clone();
        let bounds = self.bounds.clone();
        // What may call no import cannot hear that it should end.
        let grace = if turn.mute.is_some() {
            Duration::ZERO
        } else {
            bounds.limits().grace.0
        };
        let live = self.prepare(turn)?;
        let state = live.store.data_mut();
        let ending = state.context.cancel.clone();
        state.desk.exchange = exchange.take();
        let answer = guard(call(live), turn.limit, &cancel, &ending, grace, &bounds).await;
        *exchange = live.store.data_mut().desk.close();
        self.finish(answer)
    }

    /// Sets the context of the next call.
    fn prepare(&mut self, turn: Turn<'_>) -> Result<&mut Live, Failure> {
        if self.run.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        self.bounds.begin_call();
        let live = self.live.as_mut().ok_or_else(ended)?;
        let state = live.store.data_mut();
        let deadline = Instant::now() + turn.limit.min(self.bounds.limits().call_time.0);
        let cancel = self.run.cancel.child_token();
        state
            .context
            .begin_call(turn.step, turn.attempt, deadline, cancel);
        state.mute = turn.mute;
        Ok(live)
    }

    /// Drops the Store when it cannot be used again, and adds a trapped guest's last words.
    fn finish<T>(&mut self, answer: Result<Result<T, Error>, Failure>) -> Result<T, Failure> {
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failure::Connector(error)),
            Err(failure @ Failure::Host(_)) => Err(failure),
            Err(failure) => {
                // Nothing of it may be used again.
                let live = self.live.take();
                Err(failure.with_last_words(|| {
                    live.map_or_else(String::new, |live| live.store.data().output.text())
                }))
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
