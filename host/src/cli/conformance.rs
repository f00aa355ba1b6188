//! `flowhost conformance`.

use super::operator::Operator;
use super::{Wrong, exit, output, runtime};
use anyhow::Context as _;
use clap::Subcommand;
use flowhost::component::artefact::Artefact;
use flowhost::conformance as checks;
use flowhost::conformance::report::{list, list_json};
use flowhost::conformance::settings::SettingsFile;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    of: Of,
}

#[derive(Debug, Subcommand)]
enum Of {
    /// Drive a connector through the contract and check each of its obligations.
    Connector(ConnectorArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ConnectorArgs {
    /// `ftp`, or the path of a `.wasm` file.
    #[arg(required_unless_present = "list")]
    connector: Option<String>,
    /// A connection and calls to check the connector with, YAML or JSON. Without it only those checks are made that need
    /// none. What it names is read, written and removed: let it be for tests.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Also write the report as XML of `JUnit`.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print all checks with the sentences of the contract that they are about, and check nothing.
    #[arg(long, conflicts_with_all = ["settings", "junit", "connector"])]
    list: bool,
    #[command(flatten)]
    operator: Operator,
}

pub(super) async fn conformance(args: Args) -> anyhow::Result<ExitCode> {
    match args.of {
        Of::Connector(args) => connector(args).await,
    }
}

async fn connector(args: ConnectorArgs) -> anyhow::Result<ExitCode> {
    let Some(name) = args.connector.as_deref().filter(|_| !args.list) else {
        let text = if args.json {
            list_json().to_string()
        } else {
            list()
        };
        output::line(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let policy = args.operator.policy()?;
    let artefact = Artefact::find(name, Path::new("")).map_err(|error| Wrong(error.to_string()))?;
    let settings = args.settings.as_deref().map(SettingsFile::read).transpose()?;
    let report = checks::connector(&runtime()?, &artefact, settings.as_ref(), &policy).await?;
    output::line(&if args.json {
        report.json().to_string()
    } else {
        report.text()
    });
    if let Some(path) = &args.junit {
        std::fs::write(path, report.junit()?)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(exit(report.is_clean()))
}
