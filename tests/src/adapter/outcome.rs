//! How a request ended, in the protocol's words.

use flowhost::contract::Summary;
use flowhost::failure::Failure;
use serde::Serialize;
use serde_json::Value;

use super::flow::Flow;
use super::words;
use crate::protocol::event::{Called, Counted, Failed, FailedKind, Reply, Unsettled};

/// What a request gives, or why it gives nothing.
pub(super) type Outcome = Result<Value, Failed>;

/// The reply to a request.
pub(super) fn reply(id: u64, outcome: Outcome) -> Reply {
    let (ok, failed) = match outcome {
        Ok(value) => (Some(value), None),
        Err(failed) => (None, Some(failed)),
    };
    Reply {
        id,
        ok,
        failed,
        unsettled: Vec::new(),
    }
}

/// The reply to a call: with what became of what was handed in.
pub(super) fn called(id: u64, flow: Flow, answer: Result<Summary, Failure>) -> Reply {
    let well = flow.is_well();
    let unsettled = unsettled(flow, &answer);
    match answer {
        Ok(summary) => {
            let summary = words::summary(summary);
            reply(
                id,
                given(&Called {
                    summary,
                    well,
                    unsettled,
                }),
            )
        }
        Err(failure) => Reply {
            unsettled,
            ..reply(id, Err(failed(failure)))
        },
    }
}

/// What the connector took and did not settle. After its own error nothing of it was touched; after anything else nobody
/// knows what became of it.
fn unsettled(flow: Flow, answer: &Result<Summary, Failure>) -> Vec<Unsettled> {
    let counted = match answer {
        Err(Failure::Connector(_)) => Counted::Untouched,
        _ => Counted::Unknown,
    };
    let ids = flow.unsettled.into_iter();
    ids.map(|id| Unsettled { id, counted }).collect()
}

/// What a request gives.
pub(super) fn given(value: &impl Serialize) -> Outcome {
    serde_json::to_value(value).map_err(|error| Failed {
        kind: FailedKind::Host,
        message: error.to_string(),
        error: None,
    })
}

/// A request that cannot be done as it is.
pub(super) fn refused(message: impl Into<String>) -> Failed {
    Failed {
        kind: FailedKind::Refused,
        message: message.into(),
        error: None,
    }
}

pub(super) fn failed(failure: Failure) -> Failed {
    let kind = match &failure {
        Failure::Connector(_) => FailedKind::Connector,
        Failure::Trap(_) => FailedKind::Trap,
        Failure::TimeOut(_) | Failure::Slow { .. } => FailedKind::TimeOut,
        Failure::Cancelled => FailedKind::Cancelled,
        Failure::Limit(_) => FailedKind::Limit,
        Failure::Policy(_) => FailedKind::Policy,
        Failure::Host(_) => FailedKind::Host,
    };
    Failed {
        kind,
        message: failure.to_string(),
        error: match failure {
            Failure::Connector(error) => Some(Box::new(words::error(error))),
            _ => None,
        },
    }
}
