//! A live connector: one Store for one instance within one run.
//!
//! Its sessions are reused by all steps of the run that use the instance, and by no other run.

use crate::bindings::ConnectorBase;
use crate::component::{Connector, EndpointFunc};
use crate::contract::{Call, CheckStep, Egress, Error, Summary};
use crate::engine::plain;
use crate::event::Events;
use crate::failure::Failure;
use crate::imports::State;
use crate::imports::context::Context;
use crate::imports::exchange::{DeskLimits, Exchange};
use crate::policy::{Limits, Reach};
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

/// `plan` neither waits nor works much.
const PLAN_LIMIT: Duration = Duration::from_secs(10);

/// What a live connector knows of its run.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Identifies the run.
    pub run_id: String,
    /// Where its events go.
    pub events: Events,
    /// Cancelled when the run shall end.
    pub cancel: CancellationToken,
    /// How much it may use.
    pub limits: Limits,
}

/// A live connector.
pub struct Instance {
    connector: Arc<Connector>,
    run: RunContext,
    reach: Reach,
    /// Gone after a trap or a time-out: nothing of it may be used again.
    live: Option<Live>,
}

struct Live {
    store: Store<State>,
    component: Component,
    base: ConnectorBase,
}

impl Instance {
    /// Instantiates the connector. It can reach nothing yet.
    ///
    /// # Errors
    /// When its start traps.
    pub async fn start(connector: &Arc<Connector>, run: RunContext) -> Result<Self, Failure> {
        let reach = Reach::none(run.events.clone());
        let context = Context::new(run.run_id.clone(), run.events.clone(), run.cancel.child_token());
        let state = State::new(context, reach.clone(), &run.limits);
        let mut store = Store::new(&connector.runtime.engine, state);
        store.limiter(|state| &mut state.memory);
        // The guest yields at every tick, so that the time limits around its calls can act.
        store.epoch_deadline_async_yield_and_update(1);
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
        let cancel = self.run.cancel.clone();
        let live = self.prepare("plan", 1, PLAN_LIMIT)?;
        let ending = live.store.data().context.cancel.clone();
        let answer = {
            let called = live
                .base
                .flow_connector_connector()
                .call_plan(&mut live.store, endpoint, call);
            guard(called, PLAN_LIMIT, &cancel, &ending).await
        };
        self.finish(answer)
    }

    /// Lets the connector connect and sign in, and tell what it found.
    ///
    /// # Errors
    /// The connector's error, or any failure of the call.
    pub async fn check(&mut self, connection: &str, limit: Duration) -> Result<Vec<CheckStep>, Failure> {
        let call = Call {
            connection: connection.to_owned(),
            options: "{}".to_owned(),
        };
        let plan = self.plan(None, &call).await?;
        self.reach.grant(&plan).await;
        let cancel = self.run.cancel.clone();
        let live = self.prepare("check", 1, limit)?;
        let ending = live.store.data().context.cancel.clone();
        let answer = {
            let called = live
                .base
                .flow_connector_connector()
                .call_check(&mut live.store, &call.connection);
            guard(called, limit, &cancel, &ending).await
        };
        self.finish(answer)
    }

    /// Calls an endpoint. First its `plan` is asked, and what it wants to reach is granted.
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
        match self.plan(Some(endpoint), call).await {
            Ok(plan) => self.reach.grant(&plan).await,
            Err(failure) => return (exchange, Err(failure)),
        }
        let (exchange, answer) = self
            .call_endpoint(step, endpoint, call, attempt, limit, exchange)
            .await;
        (exchange, self.finish(answer))
    }

    async fn call_endpoint(
        &mut self,
        step: &str,
        endpoint: &str,
        call: &Call,
        attempt: u32,
        limit: Duration,
        exchange: Exchange,
    ) -> (Exchange, Result<Result<Summary, Error>, Failure>) {
        let Some(index) = self.connector.endpoints.get(endpoint).copied() else {
            let known: Vec<&str> = self.connector.endpoints.keys().map(String::as_str).collect();
            let error = anyhow::anyhow!(
                "the connector has no endpoint {endpoint:?}; it has {}",
                known.join(", ")
            );
            return (exchange, Err(Failure::Host(error)));
        };
        let limits = DeskLimits {
            payloads: self.run.limits.payloads,
            metadata: self.run.limits.metadata,
        };
        let spool = Arc::clone(&exchange.spool);
        let cancel = self.run.cancel.clone();
        let live = match self.prepare(step, attempt, limit) {
            Ok(live) => live,
            Err(failure) => return (exchange, Err(failure)),
        };
        let function: EndpointFunc = match live.component.get_typed_func(&mut live.store, index) {
            Ok(function) => function,
            Err(error) => return (exchange, Err(Failure::Host(plain(error)))),
        };
        let state = live.store.data_mut();
        state.desk.limits = limits;
        state.desk.exchange = Some(exchange);
        let ending = state.context.cancel.clone();
        let answer = {
            let called = async {
                let (answer,) = function.call_async(&mut live.store, (call.clone(),)).await?;
                Ok(answer)
            };
            guard(called, limit, &cancel, &ending).await
        };
        let exchange = live.store.data_mut().desk.close();
        (exchange.unwrap_or_else(|| Exchange::new(spool, [])), answer)
    }

    /// Sets the context of the next call.
    fn prepare(&mut self, step: &str, attempt: u32, limit: Duration) -> Result<&mut Live, Failure> {
        if self.run.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let Some(live) = &mut self.live else {
            let error = anyhow::anyhow!("the connector's instance ended with an earlier trap or time-out");
            return Err(Failure::Host(error));
        };
        let context = &mut live.store.data_mut().context;
        step.clone_into(&mut context.step);
        context.attempt = attempt;
        context.deadline = Instant::now() + limit;
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
