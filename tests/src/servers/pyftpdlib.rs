//! pyftpdlib, a library: the server is the few lines of Python beside this file. Its TLS is pyOpenSSL; implicit FTPS it
//! has not got, but a handler that secures the connection before it greets is one. It cannot insist on resumed sessions.

use anyhow::Result;

use super::catalogue::Entry;
use super::{LOCKED, PASSWORD, SetUp, Site};
use crate::pki::Version;

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
    if let Some(tls) = &site.tls {
        let files = site.identity(tls)?;
        let data = if tls.clear_data { "clear" } else { "private" };
        let version = tls.version.map_or("any", Version::name);
        command.args([tls.mode.name(), data, version]).arg(&files.both);
    }
    Ok(SetUp::new(command).logging(log, "signed in"))
}
