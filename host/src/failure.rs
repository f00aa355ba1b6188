//! Why a call of a connector did not end well. The cases stay apart in every report.

use crate::contract::{Error, ErrorKind, Retry};
use crate::policy::PlanRefused;
use std::time::Duration;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The connector itself says what is wrong.
    #[error("{}", .0.message)]
    Connector(Error),
    /// The connector's code broke (panic, out of bounds, out of memory).
    #[error("the connector trapped: {0}")]
    Trap(String),
    /// The call did not end within its time limit, nor in the grace period after it was asked to.
    #[error("the connector did not end within {0:?}; give the step a larger `timeout`")]
    TimeOut(Duration),
    /// The run was cancelled and the connector did not end in the grace period.
    #[error("cancelled")]
    Cancelled,
    /// The host's policy does not grant what the connector asks for.
    #[error(transparent)]
    Refused(#[from] PlanRefused),
    /// The host itself failed.
    #[error("{0:#}")]
    Host(#[source] anyhow::Error),
}

impl Failure {
    /// Whether the same call may be tried again, and after how long at least.
    #[must_use]
    pub fn retry(&self) -> &Retry {
        match self {
            Self::Connector(error) => &error.retry,
            Self::Trap(_) | Self::TimeOut(_) | Self::Cancelled | Self::Refused(_) | Self::Host(_) => {
                &Retry::Never
            }
        }
    }

    /// What a report calls the kind: the contract's error kind, or `trap`, `time-out`, `cancelled`, `host`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connector(error) => error.kind.name(),
            Self::Trap(_) => "trap",
            Self::TimeOut(_) => "time-out",
            Self::Cancelled => "cancelled",
            Self::Refused(_) => ErrorKind::DeniedByHost.name(),
            Self::Host(_) => "host",
        }
    }
}
