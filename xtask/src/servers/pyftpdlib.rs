//! pyftpdlib from `PyPI`, in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{Packages, Ready, empty};
use crate::process;

pub const NAME: &str = "pyftpdlib";

/// 2 is the line that runs on every Python still maintained; a 3 would have to be tried first.
const REQUIREMENT: &str = "pyftpdlib>=2,<3";

/// What it needs besides: its TLS is OpenSSL by way of this package.
pub const ALSO: [&str; 1] = ["pyOpenSSL"];

pub fn get(packages: &Packages<'_>, folder: &Path) -> Result<Ready> {
    if process::output(Command::new("python3").arg("--version")).is_err() {
        bail!("there is no python3 in PATH: install the package python3");
    }
    empty(folder)?;
    // Without pip: Debian's python3 has the module venv, but not what it takes to put pip into one.
    let environment = folder.join("venv");
    process::output(
        Command::new("python3")
            .args(["-m", "venv", "--without-pip"])
            .arg(&environment),
    )?;
    let python = environment.join("bin/python3");

    let site = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let site = process::output(Command::new(&python).args(["-c", site]))?;
    let mut pip = pip(packages, folder, &python)?;
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--timeout",
        "30",
        // Ready-made or not at all: these are in C and Rust, and building them would want compilers.
        "--only-binary",
        "cffi,cryptography",
        "--target",
        site.trim(),
        REQUIREMENT,
    ]);
    process::output(pip.args(ALSO)).context("pip cannot get it from PyPI")?;

    let version = "import pyftpdlib; print(pyftpdlib.__ver__)";
    let version = process::output(Command::new(&python).args(["-c", version]))?;
    Ok(Ready {
        program: python,
        args_prefix: vec!["-m".to_owned(), NAME.to_owned()],
        library_path: String::new(),
        version: version.trim().to_owned(),
    })
}

/// A pip that runs: the machine's, otherwise Debian's package, unpacked.
fn pip(packages: &Packages<'_>, folder: &Path, python: &Path) -> Result<Command> {
    let machine = process::output(Command::new("python3").args(["-m", "pip", "--version"])).is_ok();
    let mut pip = Command::new(if machine {
        PathBuf::from("python3")
    } else {
        python.to_path_buf()
    });
    if !machine {
        let root = folder.join("pip");
        let apt = packages
            .apt()
            .context("python3 has no pip, and it cannot be fetched")?;
        apt.unpack(&["python3-pip".to_owned()], &root)
            .context("python3 has no pip")?;
        pip.env("PYTHONPATH", root.join("usr/lib/python3/dist-packages"));
    }
    pip.args(["-m", "pip"]);
    Ok(pip)
}
