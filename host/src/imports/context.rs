//! `flow:connector/context`: the run, as a connector may know it.

use super::State;
use super::log::Log;
use crate::bindings::flow::connector::context::{Host, LogLevel};
use crate::event::Events;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// What the context functions answer from.
pub(crate) struct Context {
    pub(crate) run_id: String,
    pub(crate) step: String,
    pub(crate) attempt: u32,
    pub(crate) deadline: Instant,
    /// Cancelled when the current call should end.
    pub(crate) cancel: CancellationToken,
    pub(crate) events: Events,
    pub(super) log: Log,
}

impl Context {
    pub(crate) fn new(run_id: String, events: Events, log: Log, cancel: CancellationToken) -> Self {
        Self {
            run_id,
            step: String::new(),
            attempt: 1,
            deadline: Instant::now(),
            cancel,
            events,
            log,
        }
    }

    /// The next call begins.
    pub(crate) fn begin_call(
        &mut self,
        step: &str,
        attempt: u32,
        deadline: Instant,
        cancel: CancellationToken,
    ) {
        step.clone_into(&mut self.step);
        self.log.set_step(step);
        self.attempt = attempt;
        self.deadline = deadline;
        self.cancel = cancel;
    }
}

impl Host for State {
    fn run_id(&mut self) -> wasmtime::Result<String> {
        self.may_call("context.run-id")?;
        Ok(self.context.run_id.clone())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        self.may_call("context.attempt")?;
        Ok(self.context.attempt)
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<u64> {
        self.may_call("context.remaining-ms")?;
        let left = self.context.deadline.saturating_duration_since(Instant::now());
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        self.may_call("context.cancelled")?;
        Ok(self.context.cancel.is_cancelled())
    }

    fn log_threshold(&mut self) -> wasmtime::Result<LogLevel> {
        self.may_call("context.log-threshold")?;
        Ok(self.context.log.threshold())
    }

    fn log(&mut self, level: LogLevel, message: String) -> wasmtime::Result<()> {
        self.may_call("context.log")?;
        self.context.log.line(level, message);
        Ok(())
    }

    fn progress(&mut self, what: String, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        self.may_call("context.progress")?;
        // Progress counts against the log's rate: it takes the same way.
        self.context.log.progress(what, done, total);
        Ok(())
    }
}
