//! `ProFTPD`, with an account file of our own instead of PAM. With root it changes into the served folder
//! (`DefaultRoot`); without root it cannot, and the folder appears under its whole path. `mod_digest` computes hashes.
//!
//! `mod_tls` is a package of its own in Debian. It wants data connections to resume the control connection's session
//! unless it is told otherwise, and refuses others with 425 after 150 and a whole handshake. A session of another control
//! connection is refused too. With TLS 1.3 it gives two tickets for a control connection and one for each download, but
//! none for an upload, so a client that uses each ticket once is out of them after two uploads. Its key must be readable
//! by nobody else.

use anyhow::{Context as _, Result};

use super::catalogue::Entry;
use super::tls::{Mode, Tls};
use super::{LOCKED, PASSWORD_HASH, SetUp, Site, account_name, is_root};

pub fn set_up(entry: &Entry, site: &Site<'_>) -> Result<SetUp> {
    let Site {
        folder,
        root,
        port,
        passive,
        ..
    } = site;
    let (user, group) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    // It refuses an account file that others could read.
    let accounts = site.write(
        "accounts",
        format!(
            "shop:{PASSWORD_HASH}:{user}:{group}::{}:/bin/false\n",
            root.display()
        ),
    )?;
    let modules = entry
        .sibling("lib/proftpd")
        .context("the program is in a folder")?;
    let (folder, root_shown) = (folder.display(), root.display());
    let mut configuration = format!(
        "ModulePath {modules}
LoadModule mod_digest.c
ServerType standalone
ServerName test
DefaultAddress 127.0.0.1
SocketBindTight on
Port {port}
UseIPv6 off
User {user_name}
Group {group_name}
AuthOrder mod_auth_file.c
AuthUserFile {accounts}
AuthPAM off
RequireValidShell off
RootLogin on
PidFile {folder}/pid
ScoreboardFile none
DelayEngine off
ControlsEngine off
PassivePorts {first} {last}
UseReverseDNS off
WtmpLog off
UseLastlog off
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
MaxInstances none
TransferLog none
SystemLog {folder}/system.log
ExtendedLog {folder}/log AUTH
Umask 022
ListOptions -a
{chroot}
<Directory {root_shown}/{LOCKED}>
<Limit WRITE>
DenyAll
</Limit>
</Directory>
",
        user_name = account_name("/etc/passwd", user)?,
        group_name = account_name("/etc/group", group)?,
        accounts = accounts.display(),
        modules = modules.display(),
        first = passive.0,
        last = passive.1,
        chroot = if is_root() { "DefaultRoot ~" } else { "" },
    );
    if let Some(tls) = &site.tls {
        configuration += &secure(site, tls)?;
    }
    let mut command = entry.command();
    command
        .args(["-n", "-q", "-c"])
        .arg(site.write("proftpd.conf", configuration)?);
    let set_up = SetUp::new(command).logging(site.file("log"), "\"PASS (hidden)\" 230");
    Ok(if is_root() {
        set_up
    } else {
        set_up.without_chroot(site)
    })
}

/// The lines for TLS.
fn secure(site: &Site<'_>, tls: &Tls) -> Result<String> {
    let files = site.identity(tls)?;
    let versions = tls
        .version
        .map_or("TLSv1.2 TLSv1.3".to_owned(), |version| version.name().to_owned());
    Ok(format!(
        "LoadModule mod_tls.c
TLSEngine on
TLSRequired {required}
TLSProtocol {versions}
TLSECCertificateFile {certificate}
TLSECCertificateKeyFile {key}
TLSVerifyClient off
{options}
",
        required = if tls.clear_data { "ctrl" } else { "on" },
        certificate = files.certificate.display(),
        key = files.key.display(),
        options = match tls.mode {
            Mode::Explicit => "",
            Mode::Implicit => "TLSOptions UseImplicitSSL",
        },
    ))
}
