//! What a run tells while it goes: the one source of progress bars, plain lines and `--json`.

use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// Something that happened in a run. As JSON: one object with `event` and the fields in kebab-case names.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Event {
    /// The first event of every run.
    RunStarted {
        /// Identifies the run.
        run: String,
        /// The flow's name.
        flow: String,
    },
    /// The first event of a run that was interrupted and goes on.
    RunResumed {
        /// Identifies the run.
        run: String,
        /// The flow's name.
        flow: String,
    },
    /// No run begins: another one of the flow goes on. The only event.
    RunSkipped {
        /// The flow's name.
        flow: String,
        /// Why.
        message: String,
    },
    /// A step begins, or begins again.
    StepStarted {
        /// The step's id.
        step: String,
        /// Payloads that it is given.
        payloads: u64,
        /// The first is 1.
        attempt: u32,
    },
    /// Bytes of a body moved. Sent at most a few times a second for each body, and when it is whole.
    Bytes {
        /// The step's id.
        step: String,
        /// The payload's name or id.
        payload: String,
        /// Bytes of this body so far.
        done: u64,
        /// Length of the body, where it is known.
        total: Option<u64>,
    },
    /// The connector tells how far it is with something other than bytes.
    Progress {
        /// The step's id.
        step: String,
        /// What is counted.
        what: String,
        /// How many so far.
        done: u64,
        /// How many there will be, where that is known.
        total: Option<u64>,
    },
    /// A line of the log.
    Log {
        /// The step's id.
        step: String,
        /// `trace`, `debug`, `info`, `warn` or `error`.
        level: &'static str,
        /// The line.
        message: String,
    },
    /// A step has made or passed on a payload.
    PayloadDone {
        /// The step's id.
        step: String,
        /// The payload's name or id.
        payload: String,
        /// Length of its body.
        bytes: u64,
        /// Further facts: the payload's attributes.
        attributes: Vec<(String, String)>,
    },
    /// A payload failed in a step. It goes no further.
    PayloadFailed {
        /// The step's id.
        step: String,
        /// The payload's name or id.
        payload: String,
        /// The error's kind as the contract names it.
        kind: String,
        /// What went wrong.
        message: String,
        /// The remote system's code.
        code: Option<String>,
    },
    /// A payload that the flow has accepted has a problem that does not undo its delivery: its original could
    /// not be moved, say. The payload goes on, and the run ends as failed.
    PayloadProblem {
        /// The step's id.
        step: String,
        /// The payload's name or id.
        payload: String,
        /// The error's kind as the contract names it.
        kind: String,
        /// What went wrong.
        message: String,
        /// The remote system's code.
        code: Option<String>,
    },
    /// Something is tried again after a pause.
    Retry {
        /// The step's id.
        step: String,
        /// The try that failed; the first is 1.
        attempt: u32,
        /// The pause in milliseconds.
        after_ms: u64,
        /// Why.
        message: String,
    },
    /// A step as a whole failed.
    StepFailed {
        /// The step's id.
        step: String,
        /// The error's kind, or `trap`, `time-out`, `cancelled`, `host`.
        kind: String,
        /// What went wrong, and what would be right.
        message: String,
        /// The remote system's code.
        code: Option<String>,
    },
    /// A step is done.
    StepFinished {
        /// The step's id.
        step: String,
        /// Payloads that go on to the next step.
        payloads: u64,
        /// Bytes of bodies that moved.
        bytes: u64,
        /// Things that were skipped.
        skipped: u64,
        /// Payloads that failed, and problems with payloads that did not.
        failed: u64,
    },
    /// The last event of every run.
    RunFinished {
        /// `ok`, `failed` or `interrupted`.
        status: &'static str,
        /// Payloads that the run made.
        payloads: u64,
        /// Bytes of their bodies.
        bytes: u64,
        /// Things that were skipped.
        skipped: u64,
        /// Payloads and steps that failed, and problems with payloads that did not.
        failed: u64,
        /// Identifies the run.
        run: String,
    },
}

/// Where events go.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(&Event) + Send + Sync>);

impl Events {
    /// Sends every event to a function, which must not block for long.
    pub fn new(sink: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Drops all events.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|_| ())
    }

    /// Sends one event.
    pub fn send(&self, event: &Event) {
        (self.0)(event);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Events")
    }
}
