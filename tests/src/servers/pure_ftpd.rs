//! Pure-FTPd. Debian's build signs in and then changes root and account, so it wants root; and it lets
//! nobody in whose account number is below `-u` or 0, so its files belong to 65534 (`nobody`), who may
//! write wherever the tests lay something out. It has no log of sign-ins but syslog.
//!
//! It has explicit FTPS alone, and answers `AUTH SSL` with 500. In clear it greets, answers `USER` with 421 and stays on
//! the line. Data connections need not resume a session; with TLS 1.2 they can, with TLS 1.3 it never lets them, and
//! asks for another key share (`HelloRetryRequest`) each time. The versions are those of OpenSSL's own configuration.

use anyhow::{Context as _, Result, ensure};

use super::catalogue::Entry;
use super::{PASSWORD_HASH, SetUp, Site};

/// The account number of `nobody`. Pure-FTPd refuses 0.
const ACCOUNT: u32 = 65_534;

pub fn set_up(entry: &Entry, site: &Site<'_>) -> Result<SetUp> {
    let Site {
        root, port, passive, ..
    } = site;
    // `/./` at the end of the folder asks for a chroot there.
    let accounts = site.write(
        "accounts",
        format!(
            "shop:{PASSWORD_HASH}:{ACCOUNT}:{ACCOUNT}::{}/./::::::::::::\n",
            root.display()
        ),
    )?;
    let database = site.file("accounts.pdb");
    let tool = entry
        .sibling("bin/pure-pw")
        .context("the program is in a folder of a folder")?;
    let output = entry
        .command_of(&tool)
        .arg("mkdb")
        .arg(&database)
        .arg("-f")
        .arg(&accounts)
        .output()
        .with_context(|| format!("{}", tool.display()))?;
    ensure!(
        output.status.success(),
        "pure-pw: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Refused below this folder by the system itself: it belongs to root.
    super::deny_writing(&root.join(super::LOCKED))?;

    let mut command = entry.command();
    command
        .args(["-S", &format!("127.0.0.1,{port}")])
        .args(["-l", &format!("puredb:{}", database.display())])
        .args(["-p", &format!("{}:{}", passive.0, passive.1)])
        .args(["-g", &site.file("pid").display().to_string()])
        // No name lookups; chroot for everybody; no anonymous account; 100 sessions, all from one address.
        .args(["-H", "-A", "-E", "-u", "1", "-c", "100", "-C", "100"])
        // Show names that start with a dot, and allow them; listings of up to 200,000 files.
        .args(["-D", "-z", "-L", "200000:5"]);
    if let Some(tls) = &site.tls {
        // 2: no sessions in clear. 3: nor data.
        let level = if tls.clear_data { "2" } else { "3" };
        command
            .arg(format!("--tls={level}"))
            .arg(format!("--certfile={}", site.identity(tls)?.both.display()))
            .env("OPENSSL_CONF", site.openssl_configuration(tls)?);
    }
    Ok(SetUp::new(command))
}
