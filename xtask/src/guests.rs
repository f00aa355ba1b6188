//! `cargo xtask guests`: the connectors of the tests, each a component in target/guests: those that misbehave, and the
//! probe of the conformance suite.

use std::fs;

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;
use crate::{process, wasm};

/// The packages whose examples they are.
const PACKAGES: [&str; 2] = ["flow-guests", "flow-probe"];

pub fn run(workspace: &Workspace) -> Result<()> {
    let toolchain = wasm::toolchain(workspace)?;
    process::say(&format!("guests of the tests, with {toolchain}"));
    // All end in the same folder.
    let mut built = None;
    for package in PACKAGES {
        built = Some(toolchain.build_examples(workspace, package)?);
    }
    let built = built.context("there are packages of guests")?;
    let place = workspace.own("guests");
    // Made anew: one that is no longer built must not be tested any more.
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot empty {}", place.display()))?;
    }
    fs::create_dir_all(&place).with_context(|| format!("cannot make the folder {}", place.display()))?;
    let entries = fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        // Cargo leaves each a second time, with a hash behind a hyphen.
        if text.ends_with(".wasm") && !text.contains('-') {
            fs::copy(entry.path(), place.join(&name))
                .with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}
