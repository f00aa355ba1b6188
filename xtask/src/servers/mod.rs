//! `cargo xtask servers`: real FTP servers for the tests, below target/servers.
//!
//! Debian's packages exclude each other when installed; unpacked, they run side by side. What was found is
//! written to `target/servers/servers.json`, which the test support reads:
//!
//! ```json
//! {"servers": [
//!   {"name": "vsftpd", "program": "/…/usr/sbin/vsftpd", "args_prefix": [],
//!    "folder": "/…/target/servers/vsftpd", "library_path": "/…/usr/lib/x86_64-linux-gnu",
//!    "version": "3.0.3-13+b2", "also": []},
//!   {"name": "proftpd", "missing": "why"}
//! ]}
//! ```
//!
//! Paths are absolute; `folder` is where the server was unpacked, with its tools; `library_path` is for
//! `LD_LIBRARY_PATH` and may be empty; `args_prefix` comes before any other argument; `also` is what was asked for
//! besides the server itself: when that changes, the server is fetched again.

mod debian;
mod pyftpdlib;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::apt::Apt;
use crate::process;
use crate::workspace::Workspace;

/// A server that can be started.
struct Ready {
    program: PathBuf,
    args_prefix: Vec<String>,
    library_path: String,
    version: String,
}

/// Debian's packages, opened by the first server that needs them.
struct Packages<'a> {
    workspace: &'a Workspace,
    apt: OnceCell<std::result::Result<Apt, String>>,
}

impl Packages<'_> {
    fn apt(&self) -> Result<&Apt> {
        let apt = self
            .apt
            .get_or_init(|| Apt::open(self.workspace).map_err(|error| format!("{error:#}")));
        apt.as_ref().map_err(|error| anyhow!("{error}"))
    }
}

pub fn run(workspace: &Workspace) -> Result<()> {
    let folder = workspace.own("servers");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let file = folder.join("servers.json");
    let known = Known::read(&file);
    let packages = Packages {
        workspace,
        apt: OnceCell::new(),
    };

    let mut entries = Vec::new();
    let mut missing = Vec::new();
    let getters = debian::SERVERS
        .iter()
        .map(|server| (server.name, server.also))
        .chain([(pyftpdlib::NAME, &pyftpdlib::ALSO[..])]);
    for (name, also) in getters {
        let place = folder.join(name);
        if let Some(entry) = known.ready(name, also) {
            entries.push(entry);
            continue;
        }
        process::say(&format!("{name}: getting it"));
        let got = match debian::SERVERS.iter().find(|server| server.name == name) {
            Some(server) => server.get(&packages, &place),
            None => pyftpdlib::get(&packages, &place),
        };
        match got {
            Ok(ready) => entries.push(entry(name, also, &place, &ready)),
            Err(error) => {
                missing.push(name);
                entries.push(json!({"name": name, "missing": format!("{error:#}")}));
            }
        }
    }

    let text = format!("{:#}\n", json!({"servers": entries}));
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    for entry in &entries {
        println!("{}", report(entry));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    if env::var_os("CI").is_some() {
        bail!("missing servers: {missing}; CI must test against every one (see the reasons above)");
    }
    eprintln!("WARNING: the tests against {missing} WILL BE SKIPPED");
    Ok(())
}

fn entry(name: &str, also: &[&str], folder: &Path, ready: &Ready) -> Value {
    json!({
        "name": name,
        "program": ready.program,
        "args_prefix": ready.args_prefix,
        "folder": folder,
        "library_path": ready.library_path,
        "version": ready.version,
        "also": also,
    })
}

fn report(entry: &Value) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    match text("missing") {
        Some(reason) => format!("{name:<10} MISSING: {reason}"),
        None => format!(
            "{name:<10} ready, version {}",
            text("version").unwrap_or_default()
        ),
    }
}

/// What an earlier call wrote.
struct Known(Vec<Value>);

impl Known {
    fn read(file: &Path) -> Self {
        // No file, or not one of ours: everything is fetched again, which is always right.
        let text = fs::read_to_string(file).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        Self(
            value
                .get("servers")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
        )
    }

    /// The entry of a server that was ready, whose program is still there, and which has all that is wanted besides.
    fn ready(&self, name: &str, also: &[&str]) -> Option<Value> {
        let entry = self
            .0
            .iter()
            .find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))?;
        let program = entry.get("program").and_then(Value::as_str)?;
        let had = entry.get("also").and_then(Value::as_array);
        let had: Vec<&str> = had.into_iter().flatten().filter_map(Value::as_str).collect();
        (Path::new(program).exists() && had == also).then(|| entry.clone())
    }
}

/// An empty folder for a server: the rest of an attempt that failed would be taken for its files.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(servers: &Value) -> Known {
        Known(servers.as_array().cloned().unwrap_or_default())
    }

    #[test]
    fn a_server_is_known_while_its_program_is_there() {
        let here = env!("CARGO_MANIFEST_DIR");
        let servers = known(&json!([
            {"name": "here", "program": here},
            {"name": "gone", "program": "/no/such/program"},
            {"name": "never", "missing": "no network"},
        ]));
        assert!(servers.ready("here", &[]).is_some());
        assert!(servers.ready("gone", &[]).is_none());
        assert!(servers.ready("never", &[]).is_none());
        assert!(servers.ready("other", &[]).is_none());
    }

    #[test]
    fn a_server_that_lacks_what_is_wanted_by_now_is_fetched_again() {
        let here = env!("CARGO_MANIFEST_DIR");
        let servers = known(&json!([{"name": "here", "program": here, "also": ["a-module"]}]));
        assert!(servers.ready("here", &["a-module"]).is_some());
        assert!(servers.ready("here", &["a-module", "another"]).is_none());
        assert!(servers.ready("here", &[]).is_none());
    }

    #[test]
    fn a_missing_server_says_why() {
        let line = report(&json!({"name": "proftpd", "missing": "no such package"}));
        assert_eq!(line, "proftpd    MISSING: no such package");
    }
}
