//! The start of a run: whose turn it is, what an interrupted run has left, and what is new.

use super::{Run, RunOptions, RunReport, Status};
use crate::event::Event;
use crate::flow::Flow;
use crate::flow::file::Overlap;
use crate::payload::Payload;
use crate::state::ledger::payloads;
use crate::state::ledger::runs::{self, Recorded, Totals};
use crate::state::lock::Lock;
use crate::state::store::{Active, Store};
use anyhow::{Context as _, bail};
use std::sync::Arc;
use uuid::Uuid;

/// Runs a flow. Runs of it that were interrupted come first, each from where it was. What fails is told by events and
/// counted in the report.
///
/// # Errors
/// When the run cannot begin or go on: there is no room for its state, or the ledger cannot be used.
pub async fn run(flow: &Flow, options: &RunOptions) -> anyhow::Result<RunReport> {
    let store = store(options)?;
    let Some(_turn) = turn(flow, options, &store).await? else {
        return Ok(skipped(flow, options));
    };
    let mut resumed = Vec::new();
    let unfinished = store
        .ledger
        .read(|connection| runs::unfinished(connection, Some(&flow.name)))?;
    for recorded in unfinished {
        // With `overlap: allow` somebody may be at it.
        let Some(active) = store.work_on(&recorded.id)? else {
            continue;
        };
        let report = resume(flow, recorded, options, &store, &active).await?;
        if report.status == Status::Interrupted {
            return Ok(report);
        }
        resumed.push(report);
    }
    let id = options
        .run_id
        .clone()
        .unwrap_or_else(|| Uuid::now_v7().to_string());
    let active = store
        .work_on(&id)
        .context("the run cannot begin; `--state` names another folder for its state")?;
    let active = active.with_context(|| format!("there is a run {id} already"))?;
    let recorded = begin(flow, &id, &store).await?;
    options.events.send(&Event::RunStarted {
        run: id,
        flow: flow.name.clone(),
    });
    let report = Run::new(flow, recorded, options, &store, &active.spool)
        .finish()
        .await?;
    Ok(RunReport { resumed, ..report })
}

/// What of a run is run again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Again {
    /// Payloads that failed or were not dealt with, and not steps that failed as a whole.
    pub only_payloads: bool,
    /// Also what an earlier try may have done, without looking: somebody has looked.
    pub anew: bool,
}

/// Runs what was not done in a run that has ended.
///
/// # Errors
/// When there is no such run of the flow, when it has not ended or nothing is left to do, and as [`run`].
pub async fn retry(flow: &Flow, id: &str, again: Again, options: &RunOptions) -> anyhow::Result<RunReport> {
    let store = store(options)?;
    let Some(_turn) = turn(flow, options, &store).await? else {
        return Ok(skipped(flow, options));
    };
    let recorded = store.ledger.read(|connection| runs::by_id(connection, id))?;
    let Some(recorded) = recorded.filter(|recorded| recorded.flow == flow.name) else {
        bail!(
            "the flow `{}` has no run {id}; `flowhost runs` lists them",
            flow.name
        );
    };
    if recorded.state == "ok" {
        bail!("nothing is left to do in the run {id}: all of it went well");
    }
    let active = store.work_on(id)?;
    let active = active.with_context(|| format!("the run {id} goes on in another process"))?;
    let run = recorded.run;
    // One that is still called running was interrupted: it needs no more than to be taken up.
    if recorded.state == "failed" {
        let opened = store
            .ledger
            .write(move |connection| runs::reopen(connection, run, !again.only_payloads, again.anew));
        opened.durable().await?;
    }
    resume(flow, recorded, options, &store, &active).await
}

fn store(options: &RunOptions) -> anyhow::Result<Arc<Store>> {
    match &options.store {
        Some(store) => Ok(Arc::clone(store)),
        None => Store::open(&options.state, options.spool_quota)
            .context("the run cannot begin; `--state` names another folder for its state"),
    }
}

/// What a run holds while it goes on.
enum Turn {
    /// No other run of the flow goes on.
    Alone {
        /// Free again when the run has ended.
        _lock: Lock,
    },
    /// Others may.
    Beside,
}

async fn turn(flow: &Flow, options: &RunOptions, store: &Store) -> anyhow::Result<Option<Turn>> {
    let alone = |lock| Turn::Alone { _lock: lock };
    Ok(match flow.overlap {
        Overlap::Skip => store.lock(&flow.name)?.map(alone),
        Overlap::Queue => tokio::select! {
            lock = store.wait_for_lock(&flow.name) => Some(alone(lock?)),
            () = options.cancel.cancelled() => None,
        },
        Overlap::Allow => Some(Turn::Beside),
    })
}

fn skipped(flow: &Flow, options: &RunOptions) -> RunReport {
    options.events.send(&Event::RunSkipped {
        flow: flow.name.clone(),
        message: "another run of this flow goes on; `overlap: queue` waits for its end, `overlap: allow` runs beside it"
            .to_owned(),
    });
    RunReport::new("", Status::Skipped, Totals::default())
}

async fn begin(flow: &Flow, id: &str, store: &Store) -> anyhow::Result<Recorded> {
    let new = runs::New {
        id: id.to_owned(),
        flow: flow.name.clone(),
        file: flow.file.display().to_string(),
        variables: flow.variables.clone(),
        steps: flow.steps.iter().map(|step| step.id.clone()).collect(),
    };
    let begun = store.ledger.write(move |connection| {
        let recorded = runs::begin(connection, &new)?;
        let trigger = payloads::New {
            run: recorded.run,
            maker: -1,
            metadata: Payload::trigger(&new.id).metadata,
            body: None,
            step: 0,
            done: false,
        };
        payloads::insert(connection, &trigger)?;
        Ok(recorded)
    });
    begun.durable().await.context("the run cannot begin")
}

async fn resume(
    flow: &Flow,
    recorded: Recorded,
    options: &RunOptions,
    store: &Arc<Store>,
    active: &Active,
) -> anyhow::Result<RunReport> {
    let run = recorded.run;
    let then = store.ledger.read(|connection| runs::steps(connection, run))?;
    let now: Vec<&str> = flow.steps.iter().map(|step| step.id.as_str()).collect();
    if then != now {
        bail!(
            "the run {} of the flow `{}` was interrupted, and its steps were {}; now they are {}. Give the flow its steps \
             back and run it once more, or give the run up with `flowhost runs purge {} --failed`",
            recorded.id,
            flow.name,
            then.join(", "),
            now.join(", "),
            recorded.id
        );
    }
    let taken_up = store
        .ledger
        .write(move |connection| runs::resume(connection, run));
    taken_up.durable().await?;
    options.events.send(&Event::RunResumed {
        run: recorded.id.clone(),
        flow: flow.name.clone(),
    });
    Run::new(flow, recorded, options, store, &active.spool)
        .finish()
        .await
}
