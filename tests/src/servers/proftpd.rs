//! `ProFTPD`, with an account file of our own instead of PAM. With root it changes into the served folder
//! (`DefaultRoot`); without root it cannot, and the folder appears under its whole path.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::Result;

use super::catalogue::Entry;
use super::{LOCKED, PASSWORD_HASH, SetUp, SignInLog, Site, account_name, is_root};

pub fn set_up(entry: &Entry, site: &Site<'_>) -> Result<SetUp> {
    let Site {
        folder,
        root,
        port,
        passive,
    } = site;
    let (user, group) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let accounts = site.folder.join("accounts");
    std::fs::write(
        &accounts,
        format!(
            "shop:{PASSWORD_HASH}:{user}:{group}::{}:/bin/false\n",
            root.display()
        ),
    )?;
    // It refuses an account file that others could read.
    std::fs::set_permissions(&accounts, std::fs::Permissions::from_mode(0o600))?;
    let (folder, root_shown) = (folder.display(), root.display());
    let configuration = format!(
        "ServerType standalone
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
        first = passive.0,
        last = passive.1,
        chroot = if is_root() { "DefaultRoot ~" } else { "" },
    );
    let file = site.folder.join("proftpd.conf");
    std::fs::write(&file, configuration)?;
    let mut command = Command::new(&entry.program);
    command
        .args(["-n", "-q", "-c"])
        .arg(file)
        .envs(entry.library_path());
    Ok(SetUp {
        command,
        user: "shop",
        remote_root: if is_root() {
            "/".to_owned()
        } else {
            root.display().to_string()
        },
        sign_in_log: Some(SignInLog {
            file: site.folder.join("log"),
            mark: "\"PASS (hidden)\" 230",
        }),
    })
}
