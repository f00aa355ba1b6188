//! The toolchain for the component: found if there is one, otherwise fetched.

mod debian;
mod rustup;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt};

use anyhow::{Result, bail};

use crate::process;
use crate::workspace::Workspace;

const TARGET: &str = "wasm32-wasip2";

/// Long enough for 25 MB over a slow line, short enough for a machine without a way to the server, which
/// goes on with Debian's packages.
const RUSTUP_LIMIT: Duration = Duration::from_mins(1);

/// A compiler for `wasm32-wasip2`.
#[derive(Debug)]
pub enum Toolchain {
    /// The machine's own rustc, which has the target's standard library.
    Installed,
    /// Debian's rustc, unpacked below target/; it compiles the standard library along.
    Debian(debian::Tree),
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => write!(f, "the installed {TARGET} toolchain"),
            Self::Debian(tree) => write!(f, "Debian's {TARGET} toolchain in {}", tree.root().display()),
        }
    }
}

impl Toolchain {
    /// Compiles one package of the workspace to a component and says where it is.
    pub fn build(&self, workspace: &Workspace, package: &str) -> Result<PathBuf> {
        // `rustc` rather than `build`: the crate type is that of the component alone. Natively the package is
        // a plain library, which other packages can link.
        let folder = self.compile(workspace, &["rustc", "--lib", "--crate-type", "cdylib"], package)?;
        Ok(folder.join(format!("{}.wasm", package.replace('-', "_"))))
    }

    /// Compiles all examples of a package, each to a component, and says in which folder they are.
    pub fn build_examples(&self, workspace: &Workspace, package: &str) -> Result<PathBuf> {
        Ok(self
            .compile(workspace, &["build", "--examples"], package)?
            .join("examples"))
    }

    /// Compiles the crate in a folder of its own, in its own target folder, and says in which folder the result is.
    pub fn build_crate(&self, workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
        let target = folder.join("target");
        let mut cargo = workspace.cargo();
        cargo
            .current_dir(folder)
            .args(["build", "--release", "--target", TARGET]);
        cargo.arg("--target-dir").arg(&target);
        if let Self::Debian(tree) = self {
            tree.apply(&mut cargo);
        }
        process::run(&mut cargo)?;
        Ok(target.join(TARGET).join("release"))
    }

    fn compile(&self, workspace: &Workspace, what: &[&str], package: &str) -> Result<PathBuf> {
        // A target folder of its own: the flags of the Debian way would otherwise end up in the hash of
        // every build script that the host's build shares.
        let folder = workspace.own("wasm");
        let mut cargo = workspace.cargo();
        cargo.args(what).args(["--target", TARGET, "--profile", "wasm"]);
        cargo.args(["--package", package]);
        cargo.arg("--target-dir").arg(&folder);
        if let Self::Debian(tree) = self {
            tree.apply(&mut cargo);
        }
        process::run(&mut cargo)?;
        Ok(folder.join(TARGET).join("wasm"))
    }
}

/// What `WASM_TOOLCHAIN` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Choice {
    Any,
    Rustup,
    Debian,
}

impl Choice {
    fn from_environment() -> Result<Self> {
        match env::var("WASM_TOOLCHAIN") {
            Ok(word) => Self::parse(&word),
            Err(env::VarError::NotPresent) => Ok(Self::Any),
            Err(env::VarError::NotUnicode(word)) => Self::parse(&word.to_string_lossy()),
        }
    }

    fn parse(word: &str) -> Result<Self> {
        match word {
            "" => Ok(Self::Any),
            "rustup" => Ok(Self::Rustup),
            "debian" => Ok(Self::Debian),
            other => bail!("WASM_TOOLCHAIN is `{other}`: it must be `rustup`, `debian` or not set"),
        }
    }
}

/// Finds or fetches the toolchain, in the order: installed, rustup, Debian.
pub fn toolchain(workspace: &Workspace) -> Result<Toolchain> {
    match Choice::from_environment()? {
        Choice::Rustup => match rustup(workspace) {
            Ok(toolchain) => Ok(toolchain),
            Err(error) => {
                bail!("WASM_TOOLCHAIN=rustup, but there is no {TARGET} toolchain from it: {error:#}")
            }
        },
        Choice::Debian => match debian::Tree::get(workspace) {
            Ok(tree) => Ok(Toolchain::Debian(tree)),
            Err(error) => {
                bail!("WASM_TOOLCHAIN=debian, but there is no {TARGET} toolchain from it: {error:#}")
            }
        },
        Choice::Any => any(workspace),
    }
}

fn any(workspace: &Workspace) -> Result<Toolchain> {
    if rustup::installed() {
        return Ok(Toolchain::Installed);
    }
    // Fetched earlier because rustup could not help: do not wait for rustup before every build.
    if let Some(tree) = debian::Tree::present(workspace) {
        return Ok(Toolchain::Debian(tree));
    }
    let rustup = match rustup(workspace) {
        Ok(toolchain) => return Ok(toolchain),
        Err(error) => error,
    };
    process::say(&format!("not from rustup: {rustup:#}"));
    match debian::Tree::get(workspace) {
        Ok(tree) => Ok(Toolchain::Debian(tree)),
        Err(debian) => bail!(
            "no toolchain for {TARGET}: install one with `rustup target add {TARGET}`, or build on Debian 12 or \
             later with its package mirror in reach.\n  rustup: {rustup:#}\n  Debian: {debian:#}"
        ),
    }
}

fn rustup(workspace: &Workspace) -> Result<Toolchain> {
    if !rustup::installed() {
        process::say(&format!("rustup target add {TARGET}"));
        rustup::add(workspace, RUSTUP_LIMIT)?;
    }
    Ok(Toolchain::Installed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_words_force_a_source() {
        assert_eq!(Choice::parse("rustup").ok(), Some(Choice::Rustup));
        assert_eq!(Choice::parse("debian").ok(), Some(Choice::Debian));
        assert_eq!(Choice::parse("").ok(), Some(Choice::Any));
    }

    #[test]
    fn any_other_word_is_answered_with_the_two() {
        let error = Choice::parse("Debian ").unwrap_err().to_string();
        assert_eq!(
            error,
            "WASM_TOOLCHAIN is `Debian `: it must be `rustup`, `debian` or not set"
        );
    }
}
