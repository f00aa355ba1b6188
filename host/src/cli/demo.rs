//! `flowhost demo`.

use super::{exit, output, runtime};
use flowhost::demo;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn demo(_args: Args) -> anyhow::Result<ExitCode> {
    let report = demo::run(&runtime()?, &super::run::events()).await?;
    output::line(&report.to_string());
    Ok(exit(report.is_ok()))
}
