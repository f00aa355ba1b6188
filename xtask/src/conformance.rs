//! `cargo xtask conformance`: what the suite needs, then the suite against one host, or against all that are here.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::workspace::Workspace;
use crate::{build, guests, hosts, process, servers};

pub const HELP: &str = "\
Shows whether hosts do what the contract in wit/ says

Each case checks a sentence of the contract: it loads a connector into the host under test, plays the flow's side and the
servers, and looks what comes of it. A host is any program that speaks the protocol of docs/conformance.md.

Without --host: flowhost, the Node.js host (hosts/node) and the Python host (hosts/python), with the Node.js and Python of
this machine. What they need is installed as their lock files say, into hosts/node/node_modules and target/python-host.";

/// What can be said after `cargo xtask conformance`.
#[derive(clap::Args)]
pub struct Options {
    /// The command that starts a host under test, as a shell reads it; may be given several times. `flowhost`, `node` and
    /// `python` stand for those in this repository [default: these three]
    #[arg(long, value_name = "COMMAND")]
    host: Vec<String>,
    /// Failures of the host that are known: YAML, `AREA/NAME: reason`. One that passes is an error
    #[arg(long, value_name = "FILE", requires = "host")]
    known: Option<PathBuf>,
    /// Only cases with this text in their id
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// Print the cases with the sentences that they check, and play none
    #[arg(long)]
    list: bool,
    /// Break one obligation after another in copies of the Node.js host, and see that exactly the right cases fail
    #[arg(long, conflicts_with_all = ["host", "list"])]
    mutations: bool,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the results as XML of the kind that build servers read (`JUnit`)
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    build::run(workspace)?;
    let mut plan = plan(options);
    if !options.list {
        guests::run(workspace)?;
        servers::run(workspace)?;
        if options.mutations {
            plan["mutate"] = json!(hosts::install_node(workspace)?);
        } else {
            plan["hosts"] = under_test(workspace, options)?.into();
        }
    }
    process::say("conformance");
    let status = Command::new(workspace.program("flow-conformance"))
        .current_dir(workspace.root())
        .arg(plan.to_string())
        .status()
        .context("cannot start flow-conformance")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The hosts under test, each with what starts it.
fn under_test(workspace: &Workspace, options: &Options) -> Result<Vec<Value>> {
    let named: Vec<&str> = match &options.host[..] {
        [] => vec!["flowhost", "node", "python"],
        named => named.iter().map(String::as_str).collect(),
    };
    named
        .into_iter()
        .map(|name| {
            let command = match name {
                "flowhost" => hosts::quoted(&workspace.program("flow-adapter")),
                "node" => hosts::node(workspace)?,
                "python" => hosts::python(workspace)?,
                other => other.to_owned(),
            };
            Ok(json!({ "command": command, "known": options.known }))
        })
        .collect()
}

/// What flow-conformance is told.
fn plan(options: &Options) -> Value {
    json!({
        "hosts": [],
        "case": options.case,
        "list": options.list,
        "json": options.json,
        "junit": options.junit,
    })
}
