//! Why a call of a connector did not end well. The cases stay apart in every report.

use crate::contract::{Error, Retry};
use crate::policy::{LimitReached, PlanRefused};
use std::fmt;
use std::time::Duration;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The connector itself says what is wrong, in its own words. Shown on one line and without control characters;
    /// [`Error::tamed`] is the whole error so.
    #[error("{}", .0.shown())]
    Connector(Error),
    /// The connector's code broke (panic, out of bounds), or used the contract wrongly.
    #[error("the connector trapped: {0}")]
    Trap(Trap),
    /// The call did not end within its time limit, nor in the grace period after it was asked to.
    #[error("the connector did not end within {0:?}; give the step a larger `timeout`")]
    TimeOut(Duration),
    /// The same of a function that nobody can give more time.
    #[error("the connector's `{function}` did not end within {limit:?}; it must neither wait nor work much")]
    Slow {
        /// `plan`.
        function: &'static str,
        /// What it had.
        limit: Duration,
    },
    /// The run was cancelled and the connector did not end in the grace period.
    #[error("cancelled")]
    Cancelled,
    /// The connector used up what it may have.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// The host's policy does not grant what the connector asks for.
    #[error(transparent)]
    Policy(#[from] PlanRefused),
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
            Self::Trap(_)
            | Self::TimeOut(_)
            | Self::Slow { .. }
            | Self::Cancelled
            | Self::Limit(_)
            | Self::Policy(_)
            | Self::Host(_) => &Retry::Never,
        }
    }

    /// The same for a log or a ledger.
    pub(crate) fn tamed(self) -> Self {
        match self {
            Self::Connector(error) => Self::Connector(error.tamed()),
            failure => failure,
        }
    }

    /// With the end of what the connector printed, if it trapped.
    pub(crate) fn with_last_words(self, last_words: impl FnOnce() -> String) -> Self {
        match self {
            Self::Trap(trap) => Self::Trap(Trap {
                last_words: last_words(),
                ..trap
            }),
            failure => failure,
        }
    }

    /// What a report calls the kind: the contract's error kind, or `trap`, `time-out`, `cancelled`, `limit`, `policy`,
    /// `host`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connector(error) => error.kind.name(),
            Self::Trap(_) => "trap",
            Self::TimeOut(_) | Self::Slow { .. } => "time-out",
            Self::Cancelled => "cancelled",
            Self::Limit(_) => "limit",
            Self::Policy(_) => "policy",
            Self::Host(_) => "host",
        }
    }
}

/// What is known of a trap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trap {
    /// What happened.
    pub reason: String,
    /// Where in the connector: the innermost function first.
    pub backtrace: Vec<String>,
    /// The end of what the connector printed; a panic message, mostly.
    pub last_words: String,
}

impl fmt::Display for Trap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)?;
        if !self.last_words.is_empty() {
            write!(formatter, "; its last words: {}", self.last_words)?;
        }
        if !self.backtrace.is_empty() {
            write!(formatter, "; in {}", self.backtrace.join(" < "))?;
        }
        Ok(())
    }
}

impl Trap {
    /// Functions of a backtrace that are kept.
    const FRAMES: usize = 20;

    /// Reads the engine's error; the last words are the caller's to add.
    pub(crate) fn of(error: &wasmtime::Error) -> Self {
        let frames = error.downcast_ref::<wasmtime::WasmBacktrace>();
        let backtrace = frames.map(|backtrace| {
            let frames = backtrace.frames().iter().take(Self::FRAMES);
            frames.map(function).collect()
        });
        // The backtrace is a link of the chain too, with its own many lines.
        let reasons = error
            .chain()
            .map(ToString::to_string)
            .filter(|reason| !reason.starts_with("error while executing at wasm backtrace"));
        Self {
            reason: reasons.collect::<Vec<_>>().join(": "),
            backtrace: backtrace.unwrap_or_default(),
            last_words: String::new(),
        }
    }
}

/// A function by its name, else by its number.
fn function(frame: &wasmtime::FrameInfo) -> String {
    let name = frame
        .func_name()
        .map(|name| format!("{:#}", rustc_demangle::demangle(name)));
    name.unwrap_or_else(|| format!("function {}", frame.func_index()))
}
