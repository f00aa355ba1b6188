//! `cargo xtask lint`: everything that can be said about the code without running it.

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{build, process};

/// The advisory database is a git repository of a few MiB: without a way to it, git may wait for minutes.
const ADVISORIES_LIMIT: Duration = Duration::from_mins(1);

type Check = fn(&Workspace) -> Result<()>;

pub fn run(workspace: &Workspace) -> Result<()> {
    if !workspace.component().exists() {
        // The host embeds it, so even a check of the host needs one.
        build::component(workspace)?;
    }
    // All of them, also after a failure: one call shows everything that is to be done.
    let checks: [(&str, Check); 4] = [
        ("format", format),
        ("lints", clippy),
        ("docs", docs),
        ("dependencies", dependencies),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        process::say(name);
        if let Err(error) = check(workspace) {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join(", "));
    }
    Ok(())
}

fn format(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

// The release profile, here and for the docs: it shares compiled macros and build scripts with the build.
fn clippy(workspace: &Workspace) -> Result<()> {
    let arguments = [
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    process::run(workspace.cargo().args(arguments))
}

fn docs(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["doc", "--release", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut cargo)
}

/// Licences, sources, banned and duplicate crates as in deny.toml; advisories where they can be had.
fn dependencies(workspace: &Workspace) -> Result<()> {
    process::output(deny(workspace).arg("--version")).context(
        "cargo-deny is not installed: run `cargo install --locked cargo-deny --root target/tools` (.ci/run names the \
         version)",
    )?;
    let mut checks = vec!["bans", "licenses", "sources"];
    match process::bounded(deny(workspace).args(["fetch", "db"]), ADVISORIES_LIMIT) {
        Ok(()) => checks.push("advisories"),
        Err(error) => eprintln!(
            "WARNING: ADVISORIES WERE NOT CHECKED, their database cannot be fetched: {error:#}\n\
             WARNING: run `cargo xtask lint` where it can be reached before a release"
        ),
    }
    process::run(
        deny(workspace)
            .args(["check", "--hide-inclusion-graph"])
            .args(checks),
    )
}

/// cargo-deny from target/tools, where .ci/run installs it, otherwise from PATH.
fn deny(workspace: &Workspace) -> Command {
    let own = workspace
        .own("tools")
        .join("bin/cargo-deny")
        .with_extension(env::consts::EXE_EXTENSION);
    let mut deny = if own.exists() {
        Command::new(own)
    } else {
        Command::new("cargo-deny")
    };
    deny.current_dir(workspace.root());
    deny
}
