//! The target as rustup installs it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use super::TARGET;
use crate::process;
use crate::workspace::Workspace;

/// Whether the rustc that cargo will use has the target's standard library.
///
/// rustc prints the folder of any target it knows, so the folder's content decides.
pub fn installed() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    process::output(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]))
        .is_ok_and(|folder| has_std(Path::new(folder.trim())))
}

/// Asks rustup for the target, for as long as `limit`.
pub fn add(workspace: &Workspace, limit: Duration) -> Result<()> {
    // In the workspace's root, so that it adds to the toolchain of rust-toolchain.toml.
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", TARGET])
        .current_dir(workspace.root());
    process::bounded(&mut rustup, limit).context("rustup could not add it")?;
    if !installed() {
        bail!("rustup added {TARGET}, but to another toolchain than the rustc in PATH or RUSTC");
    }
    Ok(())
}

fn has_std(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}
