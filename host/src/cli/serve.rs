//! `flowhost serve`.

use super::operator::Operator;
use super::run::{Trace, state_folder, variable};
use super::signals::{INTERRUPTED, Signals, Wish};
use super::{WRONG, Wrong, output, runtime};
use flowhost::event::Event;
use flowhost::flow::RunOptions;
use flowhost::flow::retry::duration;
use flowhost::serve::journal::{Journal, Notice, Record, What};
use flowhost::serve::{self, Order, ServeError, ServeOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The flow files, and folders whose `.yaml` and `.yml` files are flows.
    #[arg(required = true)]
    flows: Vec<PathBuf>,
    /// Where health, metrics and the endpoint that starts runs are.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// How long runs may go on after a signal to end; then they are cancelled.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = grace)]
    grace: Duration,
    /// Print one JSON object a line for each event.
    #[arg(long)]
    json: bool,
    /// Folder for what runs keep on disk [default: the user's state folder].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Give a variable of the flows that have it another value; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    var: Vec<(String, String)>,
    /// Most bytes of documents on disk and in memory at the same time.
    #[arg(long, value_name = "BYTES")]
    spool_quota: Option<u64>,
    #[command(flatten)]
    trace: Trace,
    #[command(flatten)]
    pub(super) operator: Operator,
}

fn grace(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|error| error.to_string())
}

pub(super) async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    let json = args.json;
    let options = ServeOptions {
        runtime: runtime()?,
        flows: args.flows,
        variables: args.var.into_iter().collect(),
        listen: args.http,
        grace: args.grace,
        run: RunOptions {
            spool_quota: args.spool_quota,
            log_threshold: args.trace.log_threshold(),
            policy: args.operator.policy()?,
            ..RunOptions::new(args.state.map_or_else(state_folder, Ok)?)
        },
        journal: if json { json_lines() } else { plain_lines() },
    };
    let (orders, ordered) = mpsc::channel(1);
    // Without them the system's own way with signals stays: the process ends.
    if let Ok(signals) = Signals::listen_to_all() {
        tokio::spawn(obey(signals, orders));
    }
    match serve::serve(options, ordered).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(ServeError::Flows(wrong)) => {
            for problems in &wrong {
                output::problems(problems, json);
            }
            Ok(ExitCode::from(WRONG))
        }
        Err(ServeError::Wrong(message)) => Err(Wrong(message).into()),
        Err(error) => Err(error.into()),
    }
}

/// The first signal to end is an order to end in good order, the second ends at once.
async fn obey(mut signals: Signals, orders: mpsc::Sender<Order>) {
    let mut ending = false;
    loop {
        let order = match signals.next().await {
            Wish::Reload => Order::Reload,
            Wish::End if ending => std::process::exit(INTERRUPTED),
            Wish::End => {
                ending = true;
                Order::Stop
            }
        };
        // While one is dealt with, another to load again would be for nothing; one to end must not get lost.
        match order {
            Order::Reload => drop(orders.try_send(order)),
            Order::Stop => drop(orders.send(order).await),
        }
    }
}

fn json_lines() -> Journal {
    Journal::new(|record| output::line(&record.json()))
}

fn plain_lines() -> Journal {
    Journal::new(|record| {
        if let Some(text) = plain(record) {
            output::line(&text);
        }
    })
}

/// Characters of a run's id in a line for people. The last ones: the first are the time, which runs share.
const SHORT_ID: usize = 8;

/// A record on one line: time, flow, the end of the run's id, and what happened.
fn plain(record: &Record<'_>) -> Option<String> {
    let words = match record.what {
        What::Run(Event::Log {
            step,
            level: "trace",
            message,
        }) => format!("{step} {message}"),
        What::Run(event) => output::text(event)?,
        What::Serve(notice) => words(notice),
    };
    let mut parts = vec![format!("{:.3}", record.time)];
    parts.extend(record.flow.map(str::to_owned));
    parts.extend(record.run.map(|run| short(run).to_owned()));
    parts.push(words);
    let line = output::harmless(&parts.join(" "));
    Some(line.lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

fn short(run: &str) -> &str {
    let start = run.len().saturating_sub(SHORT_ID);
    run.get(start..).unwrap_or(run)
}

fn words(notice: &Notice) -> String {
    match notice {
        Notice::Serving { listen, flows } => format!("serving (flows: {flows}); http://{listen}/healthz tells how they are"),
        Notice::ListensToOthers => {
            "warning: others than this machine can reach the HTTP endpoints, and read the tokens that go over them: \
             put a proxy with TLS before it"
                .to_owned()
        }
        Notice::FlowLoaded => "loaded".to_owned(),
        Notice::FlowRemoved => "not served any more".to_owned(),
        Notice::FlowBroken { problem } => format!("its file is wrong, what was loaded before stays: {problem}"),
        Notice::Leading => "this process runs it".to_owned(),
        Notice::StandingBy => "another process runs it; this one stands by".to_owned(),
        Notice::LockFailed { message } => format!("which process runs it cannot be found out: {message}"),
        Notice::RunBroken { message } => format!("failed: {message}"),
        Notice::Reloading => "loading all flows again".to_owned(),
        Notice::Stopping { running, grace_ms } => format!(
            "ending; runs that are going ({running}) have {:?} to finish; once more to end at once",
            Duration::from_millis(*grace_ms)
        ),
        Notice::Cancelling { running } => format!("the time is up; runs that are going ({running}) are cancelled"),
        Notice::Stopped => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(run: Option<&str>, what: What<'_>) -> Option<String> {
        let time = "2026-03-04T12:30:45.123456Z".parse().expect("a time");
        plain(&Record {
            time,
            flow: Some("orders"),
            run,
            what,
        })
    }

    #[test]
    fn a_line_of_a_run_names_it() {
        let failed = Event::StepFailed {
            step: "pull".into(),
            kind: "not-found".into(),
            message: "no such\nfolder\u{1b}[2J".into(),
            code: None,
        };
        assert_eq!(
            line(Some("0190-1234abcd"), What::Run(&failed)).as_deref(),
            Some(
                "2026-03-04T12:30:45.123Z orders 1234abcd pull: failed: no such folder\u{fffd}[2J [not-found]"
            )
        );
        let trace = Event::Log {
            step: "pull".into(),
            level: "trace",
            message: "> QUIT".into(),
        };
        assert_eq!(
            line(Some("0190-1234abcd"), What::Run(&trace)).as_deref(),
            Some("2026-03-04T12:30:45.123Z orders 1234abcd pull > QUIT")
        );
    }

    #[test]
    fn a_notice_has_no_run() {
        assert_eq!(
            line(None, What::Serve(&Notice::Leading)).as_deref(),
            Some("2026-03-04T12:30:45.123Z orders this process runs it")
        );
    }
}
