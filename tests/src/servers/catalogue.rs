//! What `cargo xtask servers` found, from `target/servers/servers.json`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::{Kind, is_root};

/// A server program that is there.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    program: PathBuf,
    /// Where it was unpacked. For pyftpdlib, the folder with the package.
    #[serde(default)]
    folder: Option<PathBuf>,
    #[serde(default)]
    library_path: String,
    #[serde(default)]
    version: Option<String>,
}

impl Entry {
    /// The program, ready to be given its arguments.
    pub fn command(&self) -> Command {
        self.command_of(&self.program)
    }

    /// Another program of the same package, by its path from the folder that the program's own folder is in.
    pub fn sibling(&self, path: &str) -> Option<PathBuf> {
        Some(self.program.parent()?.parent()?.join(path))
    }

    /// A program with the variables that let it find the package's libraries.
    pub fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.envs(self.library_path());
        command
    }

    fn library_path(&self) -> Vec<(&'static str, PathBuf)> {
        let mut variables = Vec::new();
        if !self.library_path.is_empty() {
            variables.push(("LD_LIBRARY_PATH", PathBuf::from(&self.library_path)));
        }
        if let Some(folder) = &self.folder {
            variables.push(("PYTHONPATH", folder.clone()));
        }
        variables
    }
}

#[derive(Deserialize)]
struct Catalogue {
    servers: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    missing: Option<String>,
    #[serde(flatten)]
    entry: Option<Entry>,
}

/// The version of a kind of server, as its package has it, where it is known.
#[must_use]
pub fn version(kind: Kind) -> Option<String> {
    find(kind).ok()?.version
}

/// The entry of a kind of server, or why there is none.
pub fn find(kind: Kind) -> Result<Entry, String> {
    if kind == Kind::PureFtpd && !is_root() {
        return Err("it must be started by root".to_owned());
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/servers/servers.json");
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("{}: {error}; run `cargo xtask servers`", file.display()))?;
    let catalogue: Catalogue =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let line = catalogue
        .servers
        .into_iter()
        .find(|line| line.name == kind.name())
        .ok_or_else(|| format!("{} does not list it; run `cargo xtask servers`", file.display()))?;
    match (line.missing, line.entry) {
        (None, Some(entry)) => Ok(entry),
        (Some(reason), _) => Err(reason),
        (None, None) => Err(format!("{} has no program for it", file.display())),
    }
}
