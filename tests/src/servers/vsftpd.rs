//! vsftpd. Its accounts come from PAM or are anonymous; PAM's files are the system's and not ours to
//! change. So the account is the anonymous one, made to want a password (`secure_email_list_enable`) and
//! allowed to write. `run_as_launching_user` makes it work without root, and leaves out the chroot: the
//! served folder appears under its whole path, which the setting `root` takes care of.
//!
//! Anonymous accounts never get `SITE CHMOD`.
//!
//! TLS works with `one_process_model`, and without root. Data connections must resume the control connection's session
//! (`require_ssl_reuse`): one that does not gets 150, a complete handshake, an end without data, and 522. An upload
//! that ends without `close_notify` is an error (`strict_ssl_read_eof`), and so is a download that the client does
//! not answer with one (`strict_ssl_write_shutdown`). There is no setting for TLS 1.3; OpenSSL's own configuration
//! decides. Clients are asked for a certificate and need none.

use std::fmt::Write as _;

use anyhow::Result;

use super::catalogue::Entry;
use super::tls::{Mode, Tls};
use super::{LOCKED, PASSWORD, SetUp, Site};

pub fn set_up(entry: &Entry, site: &Site<'_>) -> Result<SetUp> {
    let Site {
        folder,
        root,
        port,
        passive,
        local_time,
        tls,
    } = site;
    let (folder, root) = (folder.display(), root.display());
    site.write("passwords", format!("{PASSWORD}\n"))?;
    std::fs::create_dir_all(site.file("empty"))?;
    let mut configuration = format!(
        "listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=YES
one_process_model=YES
ftp_username={account}
anonymous_enable=YES
local_enable=NO
secure_email_list_enable=YES
email_password_file={folder}/passwords
anon_root={root}
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
mdtm_write=YES
use_localtime={local_time}
ascii_upload_enable=YES
ascii_download_enable=YES
deny_file={LOCKED}/
hide_ids=YES
force_dot_files=YES
utf8_filesystem=YES
pasv_min_port={first}
pasv_max_port={last}
connect_from_port_20=NO
max_per_ip=0
max_clients=0
xferlog_enable=YES
xferlog_std_format=NO
vsftpd_log_file={folder}/log
secure_chroot_dir={folder}/empty
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
",
        account = super::account_name("/etc/passwd", rustix::process::geteuid().as_raw())?,
        local_time = if *local_time { "YES" } else { "NO" },
        first = passive.0,
        last = passive.1,
    );
    let mut command = entry.command();
    if let Some(tls) = tls {
        configuration += &secure(site, tls)?;
        command.env("OPENSSL_CONF", site.openssl_configuration(tls)?);
    }
    command.arg(site.write("vsftpd.conf", configuration)?);
    let set_up = SetUp::new(command)
        .logging(site.file("log"), "OK LOGIN")
        .without_chroot(site);
    Ok(SetUp {
        user: "ftp",
        ..set_up
    })
}

/// The lines for TLS.
fn secure(site: &Site<'_>, tls: &Tls) -> Result<String> {
    let yes = |it: bool| if it { "YES" } else { "NO" };
    let files = site.identity(tls)?;
    let mut lines = String::new();
    write!(
        lines,
        "ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl={private}
implicit_ssl={implicit}
require_ssl_reuse=YES
strict_ssl_read_eof=YES
strict_ssl_write_shutdown=YES
ssl_ciphers=HIGH
rsa_cert_file={certificate}
rsa_private_key_file={key}
",
        private = yes(!tls.clear_data),
        implicit = yes(tls.mode == Mode::Implicit),
        certificate = files.certificate.display(),
        key = files.key.display(),
    )?;
    Ok(lines)
}
