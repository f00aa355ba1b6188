//! Where things are, and cargo as the rest of the workspace should see it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The checkout that cargo runs this program for.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    pub fn find() -> Result<Self> {
        // Asked for now rather than when it was compiled: the checkout may have been moved since.
        let package =
            env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`, inside the checkout")?;
        let root = Path::new(&package)
            .parent()
            .context("xtask/ must lie in the workspace's root")?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder of our own below `target/`. `CARGO_TARGET_DIR` does not move it: the tests look for the
    /// servers there, whatever the environment they run in.
    pub fn own(&self, name: &str) -> PathBuf {
        self.root.join("target").join(name)
    }

    pub fn component(&self) -> PathBuf {
        self.root.join("dist/ftp.wasm")
    }

    pub fn flowhost(&self) -> PathBuf {
        self.program("flowhost")
    }

    /// A program of the release build.
    pub fn program(&self, name: &str) -> PathBuf {
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), |path| self.root.join(path));
        target
            .join("release")
            .join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// Cargo, run in the workspace's root as a person would run it from a shell.
    ///
    /// `cargo run` describes *this* package in the environment. Build scripts that watch those variables
    /// (ring's does) would run again, and everything above them compile again, each time the caller
    /// alternates between `cargo xtask` and plain cargo.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        cargo.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        cargo
    }
}
