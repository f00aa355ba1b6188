//! `cargo xtask test`: everything the tests need, then the tests.

use std::ffi::OsString;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{build, faults, guests, process, servers};

pub fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    servers::run(workspace)?;
    build::run(workspace)?;
    guests::run(workspace)?;
    faults::run(workspace)?;
    process::say("tests");
    // Release: compiling a component in a debug wasmtime takes minutes, and the build is already there.
    process::run(
        workspace
            .cargo()
            .args(["test", "--release", "--workspace"])
            .args(arguments),
    )
}
