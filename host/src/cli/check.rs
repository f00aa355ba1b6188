//! `flowhost check`.

use super::operator::Operator;
use super::run::{Trace, variable};
use super::{WRONG, exit, output, runtime};
use flowhost::contract::{CheckStatus, CheckStep};
use flowhost::event::{Event, Events};
use flowhost::failure::Failure;
use flowhost::flow::redact::redacted;
use flowhost::flow::template::texts;
use flowhost::flow::{self, Configured, Flow, LoadOptions};
use flowhost::instance::{Instance, RunContext};
use flowhost::policy::Policy;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// A check only connects and signs in.
const CHECK_LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The flow files.
    #[arg(required = true)]
    flows: Vec<PathBuf>,
    /// Only check the files; connect to nothing.
    #[arg(long)]
    offline: bool,
    /// Also try what only writing can tell; leaves nothing behind.
    #[arg(long, conflicts_with = "offline")]
    probe_write: bool,
    #[command(flatten)]
    pub(super) trace: Trace,
    /// Print one JSON object a line: `problem`, `check-step`, `log` with --trace-ftp, and at the end
    /// `check-finished`.
    #[arg(long)]
    json: bool,
    /// Give one of the flow's `variables` another value; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    var: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) operator: Operator,
}

pub(super) async fn check(args: Args) -> anyhow::Result<ExitCode> {
    let policy = args.operator.policy()?;
    let runtime = runtime()?;
    let options = LoadOptions {
        variables: args.var.iter().cloned().collect(),
    };
    let (mut wrong, mut failed) = (false, false);
    for path in &args.flows {
        let flow = match flow::load(&runtime, path, &options).await {
            Ok(flow) => flow,
            Err(problems) => {
                output::problems(&problems, args.json);
                wrong = true;
                continue;
            }
        };
        if !args.json {
            let (steps, instances) = (flow.steps.len(), flow.instances.len());
            output::line(&format!(
                "{}: {}: {steps} steps, {instances} instances: valid",
                path.display(),
                flow.name
            ));
        }
        if args.offline {
            continue;
        }
        for (name, instance) in &flow.instances {
            failed |= !connection(&args, &policy, path, &flow, name, instance).await;
        }
    }
    if args.json {
        let status = match (wrong, failed) {
            (true, _) => "wrong",
            (_, true) => "failed",
            _ => "ok",
        };
        output::line(&json!({"event": "check-finished", "status": status}).to_string());
    }
    Ok(if wrong {
        ExitCode::from(WRONG)
    } else {
        exit(!failed)
    })
}

/// Tests one instance's connection, tells what was found, and whether it was good.
async fn connection(
    args: &Args,
    policy: &Policy,
    path: &Path,
    flow: &Flow,
    name: &str,
    instance: &Configured,
) -> bool {
    let steps = match ask(args, policy, flow, name, instance).await {
        Ok(steps) => steps,
        Err(failure) => {
            let message = failure.to_string();
            vec![CheckStep {
                name: failure.kind().to_owned(),
                status: CheckStatus::Failed,
                message,
                details: None,
            }]
        }
    };
    for step in &steps {
        let message = flow.redactor.redact(&step.message);
        let status = match step.status {
            CheckStatus::Passed => "passed",
            CheckStatus::Warning => "warning",
            CheckStatus::Failed => "failed",
        };
        if args.json {
            let file = path.display().to_string();
            let line = json!({"event": "check-step", "flow": file, "instance": name, "name": step.name,
                "status": status, "message": message, "details": details(step, flow)});
            output::line(&line.to_string());
        } else {
            output::line(&format!("  {name}: {}: {status}: {message}", step.name));
        }
    }
    !steps.iter().any(|step| step.status == CheckStatus::Failed)
}

/// What a step says for programs, as JSON and without secrets.
fn details(step: &CheckStep, flow: &Flow) -> Option<Value> {
    let mut details: Value = serde_json::from_str(step.details.as_deref()?).ok()?;
    for (pointer, text) in texts(&details.clone()) {
        if let Some(place) = details.pointer_mut(&pointer) {
            *place = flow.redactor.redact(text).into();
        }
    }
    Some(details)
}

async fn ask(
    args: &Args,
    policy: &Policy,
    flow: &Flow,
    name: &str,
    instance: &Configured,
) -> Result<Vec<CheckStep>, Failure> {
    let run = RunContext {
        log_threshold: args.trace.log_threshold(),
        policy: policy.of(name),
        identities: Arc::clone(&instance.identities),
        ..RunContext::new("check", name, redacted(&traced(name, args.json), &flow.redactor))
    };
    Instance::start(&instance.connector, run)
        .await?
        .check(instance.connection.expose_secret(), args.probe_write, CHECK_LIMIT)
        .await
}

/// Of what a connector tells during a check, only the dialogue is shown; it is named for the instance.
fn traced(name: &str, json: bool) -> Events {
    let show = if json {
        output::json()
    } else {
        Events::new(output::trace)
    };
    let name = name.to_owned();
    Events::new(move |event| {
        if let Event::Log {
            level: "trace",
            message,
            ..
        } = event
        {
            show.send(&Event::Log {
                step: name.clone(),
                level: "trace",
                message: message.clone(),
            });
        }
    })
}
