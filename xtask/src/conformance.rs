//! `cargo xtask conformance`: what the suite needs, then the suite against one host, or against all that are here.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::workspace::Workspace;
use crate::{build, guests, process, servers};

pub const HELP: &str = "\
Shows whether hosts do what the contract in wit/ says

Each case checks a sentence of the contract: it loads a connector into the host under test, plays the flow's side and the
servers, and looks what comes of it. A host is any program that speaks the protocol of docs/conformance.md.

Without --host: flowhost, the Node.js host (hosts/node) and the Python host (hosts/python), with the Node.js and Python of
this machine. What they need from npm and PyPI is installed into target/.";

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
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    build::run(workspace)?;
    let plan = if options.list {
        plan(options, &[])
    } else {
        guests::run(workspace)?;
        servers::run(workspace)?;
        plan(options, &hosts(workspace, options)?)
    };
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

/// The hosts of this repository, by name, with what starts them.
fn hosts(workspace: &Workspace, options: &Options) -> Result<Vec<Value>> {
    let named: Vec<&str> = match &options.host[..] {
        [] => vec!["flowhost", "node", "python"],
        named => named.iter().map(String::as_str).collect(),
    };
    named
        .into_iter()
        .map(|name| {
            let command = match name {
                "flowhost" => quoted(&workspace.program("flow-adapter")),
                "node" => node(workspace)?,
                "python" => python(workspace)?,
                other => other.to_owned(),
            };
            Ok(json!({ "command": command, "known": options.known }))
        })
        .collect()
}

/// Installs what the Node.js host needs, as its lock file says.
pub fn node(workspace: &Workspace) -> Result<String> {
    let home = workspace.root().join("hosts/node");
    let lock = home.join("package-lock.json");
    let installed = home.join("node_modules/.package-lock.json");
    if !newer(&installed, &lock) {
        process::say("npm ci, for hosts/node");
        let npm = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&home)
            .status();
        match npm {
            Ok(status) if status.success() => {}
            Ok(status) => bail!("npm ci failed in hosts/node ({status})"),
            Err(error) => bail!("npm is missing ({error}): install Node.js 20 or later, which brings it"),
        }
    }
    Ok(format!("node {}", quoted(&home.join("bin/adapter.js"))))
}

/// Makes a virtual environment in target/ with what the Python host needs, as its lock file says.
pub fn python(workspace: &Workspace) -> Result<String> {
    let home = workspace.root().join("hosts/python");
    let lock = home.join("requirements.lock");
    let place = workspace.own("python-host");
    let python = place.join("bin/python");
    let mark = place.join("installed");
    if !newer(&mark, &lock) {
        process::say("python3 -m venv, for hosts/python");
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&place))
            .context("Python 3.11 or later with its module venv is needed (on Debian: python3-venv)")?;
        process::run(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
                .arg(&lock),
        )?;
        std::fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))?;
    }
    Ok(format!(
        "env PYTHONPATH={} {} -m flowhost_py.adapter",
        quoted(&home.join("src")),
        quoted(&python)
    ))
}

/// Whether a file is there and not older than another.
fn newer(file: &Path, than: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    time(file).is_some_and(|time_of_file| time(than).is_none_or(|other| time_of_file >= other))
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// What flow-conformance is told.
fn plan(options: &Options, hosts: &[Value]) -> Value {
    json!({
        "hosts": hosts,
        "case": options.case,
        "list": options.list,
        "json": options.json,
        "junit": options.junit,
    })
}
