//! Runs a flow: one step after the other, each over the whole set of payloads.

mod attempts;

use super::file::OnError;
use super::redact::redacted;
use super::step::{Session, Work};
use super::template::Scope;
use super::{Flow, Step};
use crate::contract::LogLevel;
use crate::event::{Event, Events};
use crate::payload::Payload;
use crate::policy::Policy;
use crate::state::spool::Spool;
use anyhow::Context as _;
use attempts::StepDone;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How a flow is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The folder for what the run keeps on disk.
    pub state: PathBuf,
    /// Most bytes of bodies that may be stored at the same time; none: as much as the disk holds.
    pub spool_quota: Option<u64>,
    /// Where events go.
    pub events: Events,
    /// The quietest log lines that become events. At `trace` connectors tell their dialogue with the remote system.
    pub log_threshold: LogLevel,
    /// Ends the run early.
    pub cancel: CancellationToken,
    /// What the operator says: what connectors may reach and use.
    pub policy: Policy,
    /// The id of the run, where somebody has been told it already; else it gets one of its own.
    pub run_id: Option<String>,
    /// A run that found nothing to do leaves nothing in the history: it looked for files, and there were none.
    pub forget_empty: bool,
}

impl RunOptions {
    /// No quota, the usual policy, no dialogue, and nobody who listens or cancels.
    #[must_use]
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            spool_quota: None,
            events: Events::none(),
            log_threshold: LogLevel::Debug,
            cancel: CancellationToken::new(),
            policy: Policy::default(),
            run_id: None,
            forget_empty: false,
        }
    }
}

/// How a run ended: the same as its last event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// Identifies the run.
    pub run: String,
    /// Payloads that the run made.
    pub payloads: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Things that were skipped.
    pub skipped: u64,
    /// Payloads that failed, steps that failed without one, and problems with payloads that did not fail.
    pub failed: u64,
}

impl RunReport {
    /// Whether nothing failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failed == 0
    }
}

/// Runs a flow. What fails in it is told by events and counted in the report.
///
/// # Errors
/// When the run cannot begin: there is no room for its state.
pub async fn run(flow: &Flow, options: &RunOptions) -> anyhow::Result<RunReport> {
    let spool = Spool::create(&options.state.join("spool"), options.spool_quota)
        .context("the run cannot begin; `--state` names another folder for its state")?;
    let run_id = options
        .run_id
        .clone()
        .unwrap_or_else(|| Uuid::now_v7().to_string());
    let events = redacted(&options.events, &flow.redactor);
    events.send(&Event::RunStarted {
        run: run_id.clone(),
        flow: flow.name.clone(),
    });
    let mut run = Run {
        flow,
        scope: Scope::of_run(&flow.name, &run_id, Timestamp::now(), &flow.variables),
        events,
        options,
        spool,
        session: Session::default(),
        report: RunReport {
            run: run_id,
            payloads: 0,
            bytes: 0,
            skipped: 0,
            failed: 0,
        },
    };
    run.steps().await;
    let Run { report, events, .. } = run;
    events.send(&Event::RunFinished {
        status: if report.is_ok() { "ok" } else { "failed" },
        payloads: report.payloads,
        bytes: report.bytes,
        skipped: report.skipped,
        failed: report.failed,
        run: report.run.clone(),
    });
    Ok(report)
}

/// Everything that lives as long as the run.
struct Run<'a> {
    flow: &'a Flow,
    scope: Scope,
    events: Events,
    options: &'a RunOptions,
    spool: Arc<Spool>,
    session: Session,
    report: RunReport,
}

impl Run<'_> {
    async fn steps(&mut self) {
        let mut payloads = vec![Payload::trigger(&self.report.run)];
        for step in &self.flow.steps {
            if payloads.is_empty() {
                break; // Nothing to do is no failure.
            }
            if self.options.cancel.is_cancelled() {
                self.cancelled(step);
                break;
            }
            let done = self.step(step, payloads).await;
            self.report.payloads += done.made;
            self.report.bytes += done.made_bytes;
            // What a connector counts is its own affair; it may be anything.
            self.report.skipped = self.report.skipped.saturating_add(done.skipped);
            self.report.failed += done.failed + done.problems;
            // A problem with a payload that is delivered is no reason to keep it from the later steps.
            if done.failed > 0 && step.on_error == OnError::Stop {
                break;
            }
            payloads = done.output;
        }
    }

    fn cancelled(&mut self, step: &Step) {
        self.report.failed += 1;
        self.events.send(&Event::StepFailed {
            step: step.id.clone(),
            kind: "cancelled".to_owned(),
            message: "the run was cancelled before this step".to_owned(),
            code: None,
        });
    }

    async fn step(&mut self, step: &Step, payloads: Vec<Payload>) -> StepDone {
        let work = Work {
            flow: self.flow,
            step: &step.id,
            attempt: 1,
            scope: &self.scope,
            run_id: &self.report.run,
            events: &self.events,
            cancel: &self.options.cancel,
            spool: &self.spool,
            log_threshold: self.options.log_threshold,
            policy: &self.options.policy,
            deadline: Instant::now() + step.timeout,
            timeout: step.timeout,
        };
        attempts::all(step, work, &mut self.session, payloads).await
    }
}

#[cfg(test)]
mod tests;
