//! `flowhost demo`.

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn demo(_args: Args) -> anyhow::Result<ExitCode> {
    let _ = super::run::events();
    anyhow::bail!("not there yet")
}
