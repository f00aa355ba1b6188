//! The limits around one call: its time, the run's cancellation, and what the connector may use.

use super::pace::paced;
use crate::failure::{Failure, Trap};
use crate::policy::LimitReached;
use crate::policy::bounds::Bounds;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use wasmtime::component::ResourceTableError;

/// Makes a call that needs no time to speak of and is not asked to end: a start, `describe`.
pub(crate) async fn quick<T>(
    call: impl Future<Output = wasmtime::Result<T>>,
    limit: Duration,
    bounds: &Bounds,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        answer = paced(call, bounds) => answer.map_err(|error| broke(&error, bounds)),
        reached = bounds.run_out() => Err(Failure::Limit(reached)),
        () = sleep(limit) => Err(Failure::TimeOut(limit)),
    }
}

/// Runs a call under its time limit, the run's cancellation and the connector's limits. All of them first ask the guest to
/// stop (`ending`), and give it the grace period before it is dropped; where it is deaf, that is no time at all.
pub(super) async fn guard<T>(
    call: impl Future<Output = wasmtime::Result<T>>,
    limit: Duration,
    cancel: &CancellationToken,
    ending: &CancellationToken,
    grace: Duration,
    bounds: &Bounds,
) -> Result<T, Failure> {
    let mut call = pin!(paced(call, bounds));
    let limits = bounds.limits();
    let refusal = tokio::select! {
        biased;
        answer = &mut call => match bounds.used_up() {
            // What it made of it is of no use: it had to stop somewhere.
            Some(reached) => return Err(Failure::Limit(reached)),
            None => return answer.map_err(|error| broke(&error, bounds)),
        },
        reached = bounds.run_out() => {
            ending.cancel();
            // That is what happened, however the guest takes it.
            let _ = timeout(grace, call).await;
            return Err(Failure::Limit(reached));
        }
        () = cancel.cancelled() => Failure::Cancelled,
        () = sleep(limits.call_time.0.min(limit)) => if limits.call_time.0 < limit {
            Failure::Limit(bounds.reached("call_time"))
        } else {
            Failure::TimeOut(limit)
        },
    };
    ending.cancel();
    match timeout(grace, call).await {
        Ok(answer) => answer.map_err(|error| broke(&error, bounds)),
        Err(_) => Err(refusal),
    }
}

/// What a call that ended in the engine's error means.
fn broke(error: &wasmtime::Error, bounds: &Bounds) -> Failure {
    match reached(error, bounds) {
        Some(reached) => Failure::Limit(reached),
        None => Failure::Trap(Trap::of(error)),
    }
}

/// The limit behind an engine's error: guests abort when they get no more memory, and some limits leave the engine no
/// other answer.
fn reached(error: &wasmtime::Error, bounds: &Bounds) -> Option<LimitReached> {
    const DEADLY: [&str; 2] = ["memory", "table_elements"];
    if let Some(reached) = error.downcast_ref::<LimitReached>() {
        return Some(reached.clone());
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return Some(bounds.reached("handles"));
    }
    let text = format!("{error:#}");
    if text.contains("resource limit exceeded: instance count") {
        return Some(bounds.reached("instances"));
    }
    bounds.last().filter(|reached| DEADLY.contains(&reached.name))
}
