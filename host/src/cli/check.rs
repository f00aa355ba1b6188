//! `flowhost check`.

use super::{WRONG, exit, output, run::variable, runtime};
use flowhost::contract::{CheckStatus, CheckStep};
use flowhost::event::Events;
use flowhost::failure::Failure;
use flowhost::flow::{self, Configured, Flow, LoadOptions};
use flowhost::instance::{Instance, RunContext};
use flowhost::policy::Limits;
use secrecy::ExposeSecret as _;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

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
    /// Print one JSON object a line: `problem`, `check-step`, and at the end `check-finished`.
    #[arg(long)]
    json: bool,
    /// Give one of the flow's `variables` another value; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    var: Vec<(String, String)>,
}

pub(super) async fn check(args: Args) -> anyhow::Result<ExitCode> {
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
            failed |= !connection(&args, path, &flow, name, instance).await;
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
async fn connection(args: &Args, path: &Path, flow: &Flow, name: &str, instance: &Configured) -> bool {
    let steps = match ask(instance).await {
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
                "status": status, "message": message});
            output::line(&line.to_string());
        } else {
            output::line(&format!("  {name}: {}: {status}: {message}", step.name));
        }
    }
    !steps.iter().any(|step| step.status == CheckStatus::Failed)
}

async fn ask(instance: &Configured) -> Result<Vec<CheckStep>, Failure> {
    let run = RunContext {
        run_id: "check".to_owned(),
        events: Events::none(),
        cancel: CancellationToken::new(),
        limits: Limits::default(),
    };
    Instance::start(&instance.connector, run)
        .await?
        .check(instance.connection.expose_secret(), CHECK_LIMIT)
        .await
}
