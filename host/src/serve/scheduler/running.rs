//! Runs: each is a task, which tells the loop how it ended.

use super::{Done, Scheduler};
use crate::flow::{self, Flow, RunOptions, RunReport};
use crate::serve::health::LastRun;
use crate::serve::journal::{Notice, What};
use crate::serve::lane::{Lane, Wanted};
use crate::serve::metrics::Status;
use crate::serve::tell;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A run that has ended.
pub(super) struct Ended {
    name: String,
    run: String,
    quiet: bool,
    began: Timestamp,
    took: Duration,
    /// Or why there is no report.
    report: Result<RunReport, String>,
}

impl Scheduler {
    /// Begins all runs that are due or have waited.
    pub(super) fn begin_what_may(&mut self) {
        let names: Vec<String> = self.lanes.keys().cloned().collect();
        for name in names {
            while let Some(wanted) = self.lanes.get_mut(&name).and_then(Lane::take_next) {
                self.begin(&name, wanted);
            }
        }
    }

    pub(super) fn begin(&mut self, name: &str, wanted: Wanted) {
        let Some(lane) = self.lanes.get_mut(name) else {
            return;
        };
        lane.began(&wanted.run);
        self.metrics.running(name, lane.running());
        let Wanted {
            flow,
            run,
            quiet,
            begun,
        } = wanted;
        let options = RunOptions {
            events: tell::events(&self.options.journal, name, &run, quiet, begun),
            cancel: self.cancel.clone(),
            run_id: Some(run.clone()),
            forget_empty: quiet,
            ..self.options.run.clone()
        };
        let name = name.to_owned();
        self.tasks.spawn(async move {
            let (began, started) = (Timestamp::now(), Instant::now());
            let report = run_flow(flow, options).await;
            Done::Ran(Ended {
                name,
                run,
                quiet,
                began,
                took: started.elapsed(),
                report,
            })
        });
    }

    pub(super) fn ran(&mut self, ended: Ended) {
        let Ended {
            name,
            run,
            quiet,
            began,
            took,
            report,
        } = ended;
        let status = status(&report, quiet);
        self.metrics.ended(&name, status, took);
        let (payloads, failed) = match &report {
            Ok(report) => {
                for report in report.resumed.iter().chain([report]) {
                    self.metrics
                        .moved(&name, report.payloads, report.bytes, report.failed);
                }
                (report.payloads, report.failed)
            }
            Err(message) => {
                let message = message.clone();
                let notice = Notice::RunBroken { message };
                self.options.journal.run(&name, &run, What::Serve(&notice));
                (0, 0)
            }
        };
        let Some(lane) = self.lanes.get_mut(&name) else {
            return;
        };
        let last = LastRun {
            run: run.clone(),
            status: status.as_str(),
            began,
            ended: Timestamp::now(),
            payloads,
            failed,
        };
        lane.ended(&run, last);
        self.metrics.running(&name, lane.running());
        self.drop_retired();
    }

    /// Drops flows whose last run has ended: those whose file is gone, and at the end all of them, so that another
    /// process may lead them.
    pub(super) fn drop_retired(&mut self) {
        let metrics = Arc::clone(&self.metrics);
        let ending = self.ending.is_some();
        self.lanes.retain(|name, lane| {
            let over = (lane.retired || ending) && !lane.is_running();
            if over {
                metrics.remove(name);
            }
            !over
        });
    }
}

/// Runs a flow in a task of its own, so that one that breaks takes nothing with it.
async fn run_flow(flow: Arc<Flow>, options: RunOptions) -> Result<RunReport, String> {
    let running = tokio::spawn(async move { flow::run(&flow, &options).await });
    match running.await {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(error) => Err(format!("the run broke off: {error}")),
    }
}

fn status(report: &Result<RunReport, String>, quiet: bool) -> Status {
    match report {
        Ok(report) if report.status == flow::Status::Interrupted => Status::Interrupted,
        Ok(report) if report.status == flow::Status::Skipped => Status::Skipped,
        Ok(report) if !report.is_ok() => Status::Failed,
        Ok(report) if quiet && report.payloads == 0 => Status::Empty,
        Ok(_) => Status::Ok,
        Err(_) => Status::Failed,
    }
}
