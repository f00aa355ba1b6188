//! pyftpdlib, a library: the server is the few lines of Python beside this file.

use std::process::Command;

use anyhow::Result;

use super::catalogue::Entry;
use super::{LOCKED, PASSWORD, SetUp, SignInLog, Site};

pub fn set_up(entry: &Entry, site: &Site<'_>) -> Result<SetUp> {
    let script = site.folder.join("server.py");
    std::fs::write(&script, include_str!("pyftpdlib_server.py"))?;
    let log = site.folder.join("log");
    let mut command = Command::new(&entry.program);
    command.envs(entry.library_path()).arg(&script);
    command.args([site.port, site.passive.0, site.passive.1].map(|port| port.to_string()));
    command
        .arg(site.root)
        .arg("shop")
        .arg(PASSWORD)
        .arg(site.root.join(LOCKED))
        .arg(&log);
    Ok(SetUp {
        command,
        user: "shop",
        remote_root: "/".to_owned(),
        sign_in_log: Some(SignInLog {
            file: log,
            mark: "signed in",
        }),
    })
}
