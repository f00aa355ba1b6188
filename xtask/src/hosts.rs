//! The hosts in `hosts/`, which are in other languages: what they need, how they are started, and their own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{build, guests, process};

/// `cargo xtask hosts`: the tests of both, in their own languages.
pub fn test(workspace: &Workspace) -> Result<()> {
    build::component(workspace)?;
    guests::run(workspace)?;
    let home = install_node(workspace)?;
    process::say("tests of hosts/node");
    process::run(Command::new("npm").arg("test").current_dir(home))?;
    let (home, python) = install_python(workspace)?;
    process::say("tests of hosts/python");
    let requirements = home.join("requirements-test.lock");
    process::run(pip(&python).arg(requirements))?;
    process::run(
        Command::new(python)
            .args(["-m", "unittest"])
            .env("PYTHONPATH", home.join("src"))
            .current_dir(home),
    )
}

/// The command that starts the adapter of the Node.js host.
pub fn node(workspace: &Workspace) -> Result<String> {
    let home = install_node(workspace)?;
    Ok(format!("node {}", quoted(&home.join("bin/adapter.js"))))
}

/// The command that starts the adapter of the Python host.
pub fn python(workspace: &Workspace) -> Result<String> {
    let (home, python) = install_python(workspace)?;
    Ok(format!(
        "env PYTHONPATH={} {} -m flowhost_py.adapter",
        quoted(&home.join("src")),
        quoted(&python)
    ))
}

/// Installs what the Node.js host needs, as its lock file says, and gives its folder.
pub fn install_node(workspace: &Workspace) -> Result<PathBuf> {
    let home = workspace.root().join("hosts/node");
    // What npm writes last.
    let installed = home.join("node_modules/.package-lock.json");
    if !is_newer(&installed, &home.join("package-lock.json")) {
        process::say("npm ci, in hosts/node");
        let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
        match Command::new("npm").args(arguments).current_dir(&home).status() {
            Ok(status) if status.success() => {}
            Ok(status) => bail!("npm ci failed in hosts/node ({status})"),
            Err(error) => bail!("npm is missing ({error}): install Node.js 20.18 or later, which brings it"),
        }
    }
    Ok(home)
}

/// Makes a virtual environment in target/ with what the Python host needs, as its lock file says, and gives the host's
/// folder and that environment's Python.
fn install_python(workspace: &Workspace) -> Result<(PathBuf, PathBuf)> {
    let home = workspace.root().join("hosts/python");
    let lock = home.join("requirements.lock");
    let place = workspace.own("python-host");
    let python = place.join("bin/python");
    let mark = place.join("installed");
    if !is_newer(&mark, &lock) {
        process::say("a virtual environment for hosts/python");
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&place))
            .context("Python 3.11 or later with its module venv is needed (on Debian: python3-venv)")?;
        process::run(pip(&python).arg(lock))?;
        fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))?;
    }
    Ok((home, python))
}

fn pip(python: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    pip
}

/// Whether a file is there and not older than another.
fn is_newer(file: &Path, than: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    time(file).is_some_and(|own| time(than).is_none_or(|other| own >= other))
}

/// As a shell reads it.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
