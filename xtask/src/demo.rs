//! `cargo xtask demo`: build what is out of date and run the demo.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::build;
use crate::workspace::Workspace;

pub fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<ExitCode> {
    // Cargo knows best what is out of date; when nothing is, this costs a second.
    build::run(workspace)?;
    let flowhost = workspace.flowhost();
    let status = Command::new(&flowhost)
        .arg("demo")
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", flowhost.display()))?;
    // flowhost's exit code means something (0, 1, 2); a signal has none.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
