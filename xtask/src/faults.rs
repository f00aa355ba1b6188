//! `cargo xtask faults`: the library that lets disks fail below flowhost, for the tests on Linux.

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

pub fn run(workspace: &Workspace) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    process::say("faults of the tests");
    // By itself: a library that other programs load is no part of the build of programs. It has one dependency, so
    // another selection of packages costs nothing.
    process::run(
        workspace
            .cargo()
            .args(["build", "--release", "--package", "flow-faults"]),
    )
}
