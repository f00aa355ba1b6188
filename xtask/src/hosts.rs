//! The hosts in `hosts/`, which are in other languages: what they need, how they are started, and their own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{build, guests, process};

/// What hosts/node runs on, as its package.json says.
const OLDEST_NODE: [u32; 2] = [20, 18];
const NODE: &str = "Node.js 20.18 or later";

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
    check_node()?;
    // What npm writes last.
    let installed = home.join("node_modules/.package-lock.json");
    if !is_newer(&installed, &home.join("package-lock.json")) {
        process::say("npm ci, in hosts/node");
        let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
        match Command::new("npm").args(arguments).current_dir(&home).status() {
            Ok(status) if status.success() => {}
            Ok(status) => bail!("npm ci failed in hosts/node ({status})"),
            Err(error) => bail!("npm is missing ({error}): install {NODE}, which brings it"),
        }
    }
    Ok(home)
}

/// Says what is needed before Node.js says what it does not know.
fn check_node() -> Result<()> {
    let version = process::output(Command::new("node").arg("--version"))
        .with_context(|| format!("node is missing: install {NODE}"))?;
    if is_too_old(&version) {
        bail!("node is {}: hosts/node needs {NODE}", version.trim());
    }
    Ok(())
}

/// Of what `node --version` prints; also what cannot be read.
fn is_too_old(version: &str) -> bool {
    let numbers = version.trim().trim_start_matches('v').split('.');
    let numbers: Vec<u32> = numbers.map_while(|number| number.parse().ok()).collect();
    numbers.as_slice() < &OLDEST_NODE[..]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_compared_number_by_number() {
        for old in ["v18.20.4\n", "v20.9.0", "v20.17.9", "v9.30.0", "", "node"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["v20.18.0\n", "v20.20.2", "v22.0.0", "v100.1.0"] {
            assert!(!is_too_old(new), "{new}");
        }
    }

    #[test]
    fn a_path_is_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("/it's here/node")), r"'/it'\''s here/node'");
    }
}
