//! pyftpdlib, a library: the server is the few lines of Python beside this file.

use anyhow::Result;

use super::catalogue::Entry;
use super::{LOCKED, PASSWORD, SetUp, Site};

pub fn set_up(entry: &Entry, site: &Site<'_>) -> Result<SetUp> {
    let script = site.write("server.py", include_str!("pyftpdlib_server.py"))?;
    let log = site.file("log");
    let mut command = entry.command();
    command.arg(&script);
    command.args([site.port, site.passive.0, site.passive.1].map(|port| port.to_string()));
    command
        .arg(site.root)
        .arg("shop")
        .arg(PASSWORD)
        .arg(site.root.join(LOCKED))
        .arg(&log);
    Ok(SetUp::new(command).logging(log, "signed in"))
}
