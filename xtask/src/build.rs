//! `cargo xtask build`: the component, then the host that embeds it, and the connectors in `examples/`.

use std::fs;

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;
use crate::{connectors, process, wasm};

/// The packages of every release build that is not one of the component.
///
/// The whole workspace, as `cargo test --workspace` selects it, and not `-p flowhost`: cargo unifies features
/// over what is selected, and another selection would compile wasmtime a second time. Without xtask, which
/// is running and adds no feature to anything.
pub const PACKAGES: [&str; 4] = ["--release", "--workspace", "--exclude", "xtask"];

pub fn run(workspace: &Workspace) -> Result<()> {
    component(workspace)?;
    process::say("flowhost");
    process::run(workspace.cargo().arg("build").args(PACKAGES).arg("--bins"))?;
    connectors::examples(workspace)
}

/// Builds the connector and leaves it in dist/.
pub fn component(workspace: &Workspace) -> Result<()> {
    let toolchain = wasm::toolchain(workspace)?;
    process::say(&format!("dist/ftp.wasm, with {toolchain}"));
    let built = toolchain.build(workspace, "ftp-connector")?;
    let new = fs::read(&built).with_context(|| format!("cannot read the component {}", built.display()))?;
    let place = workspace.component();
    // The same bytes stay untouched: the host watches the file's time, and would be linked again.
    if fs::read(&place).is_ok_and(|old| old == new) {
        return Ok(());
    }
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    fs::write(&place, new).with_context(|| format!("cannot write {}", place.display()))
}
