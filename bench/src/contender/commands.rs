//! The command with which each contender does each job.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use flow_tests::servers::FtpServer;
use flow_tests::steps::{SHOP, flow, get, put, read, write};
use serde_json::json;

use super::{Contender, Tool, said};
use crate::lines::Job;

/// The script of [`Contender::Ftplib`].
const PEER: &str = include_str!("peer.py");

/// Some of the peers would go through a proxy that the environment names.
const PROXIES: [&str; 4] = ["ftp_proxy", "FTP_PROXY", "all_proxy", "ALL_PROXY"];

/// What is to be done, and where.
pub struct Task<'a> {
    /// What.
    pub job: Job,
    /// The server. Paths on it are relative to its root.
    pub server: &'a FtpServer,
    /// The certificate to trust, PEM, where the job is by FTPS.
    pub authority: Option<&'a Path>,
    /// The folder to work in. Commands run there, and name local files relative to it.
    pub folder: &'a Path,
    /// How many small files there are.
    pub files: u32,
}

impl Task<'_> {
    /// The folder on the server with the large file to get.
    pub const OUTBOUND: &'static str = "outbound";
    /// The folder on the server with the small files.
    pub const MANY: &'static str = "many";
    /// The folder on the server for what is put there.
    pub const INBOUND: &'static str = "inbound";
    /// The local folder for what is fetched.
    pub const RESULTS: &'static str = "results";
    /// The large file, here and there.
    pub const LARGE: &'static str = "large.bin";

    /// The name of a small file.
    #[must_use]
    pub fn small(number: u32) -> String {
        format!("{number:04}.bin")
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/{path}", self.server.port)
    }

    /// The environment variable with the password: flowhost takes none that stands in a flow.
    const PASSWORD: &'static str = "FTP_PASSWORD";
}

pub fn command(tool: &Tool, task: &Task<'_>) -> Result<Result<Command, &'static str>> {
    let mut command = Command::new(&tool.program);
    command
        .current_dir(task.folder)
        .env(Task::PASSWORD, task.server.password);
    for proxy in PROXIES {
        command.env_remove(proxy);
    }
    match tool.contender {
        Contender::Flowhost => flowhost(&mut command, task)?,
        Contender::Curl => curl(&mut command, task),
        Contender::Ftplib => ftplib(&mut command, task)?,
        Contender::Lftp => lftp(&mut command, task),
        Contender::Wget if task.job == Job::PutLarge => return Ok(Err("does not upload by FTP")),
        Contender::Wget => wget(&mut command, task),
        Contender::Rclone => rclone(&mut command, task),
    }
    Ok(Ok(command))
}

fn flowhost(command: &mut Command, task: &Task<'_>) -> Result<()> {
    let mut settings = task.server.settings();
    settings["auth"]["password"] = json!(format!("${{env:{}}}", Task::PASSWORD));
    let many = json!({ "root": Task::MANY, "path": ".*" });
    let large = json!({ "path": format!("{}/{}", Task::OUTBOUND, Task::LARGE) });
    let steps = match task.job {
        Job::GetLarge => vec![get(SHOP, large), write(Task::RESULTS)],
        Job::GetMany => vec![get(SHOP, many), write(Task::RESULTS)],
        Job::PutLarge => {
            let target = json!({ "path": format!("{}/", Task::INBOUND) });
            vec![read(Task::LARGE), put("put", SHOP, target)]
        }
    };
    let file = task.folder.join("flow.yaml");
    fs::write(&file, format!("{:#}\n", flow(&[(SHOP, settings)], steps)))
        .with_context(|| format!("cannot write {}", file.display()))?;
    command
        .args(["run", "--allow", "127.0.0.1", "flow.yaml"])
        .env("FLOWHOST_STATE", task.folder.join("state"))
        .env("FLOWHOST_CACHE", task.folder.join("cache"));
    Ok(())
}

fn curl(command: &mut Command, task: &Task<'_>) {
    command
        .args(["--disable", "--silent", "--show-error", "--user"])
        .arg(format!("{}:{}", task.server.user, task.server.password));
    if let Some(authority) = task.authority {
        command.args(["--ssl-reqd", "--cacert"]).arg(authority);
    }
    let results = Task::RESULTS;
    match task.job {
        Job::GetLarge => command
            .arg("--output")
            .arg(format!("{results}/{}", Task::LARGE))
            .arg(task.url("ftp", &format!("{}/{}", Task::OUTBOUND, Task::LARGE))),
        Job::PutLarge => command
            .args(["--upload-file", Task::LARGE])
            .arg(task.url("ftp", &format!("{}/", Task::INBOUND))),
        // It does not list by patterns; it counts.
        Job::GetMany => {
            let range = format!("[{:04}-{:04}].bin", 0, task.files - 1);
            command
                .arg("--output")
                .arg(format!("{results}/#1.bin"))
                .arg(task.url("ftp", &format!("{}/{range}", Task::MANY)))
        }
    };
}

fn ftplib(command: &mut Command, task: &Task<'_>) -> Result<()> {
    let script = task.folder.join("peer.py");
    fs::write(&script, PEER).with_context(|| format!("cannot write {}", script.display()))?;
    command
        .arg("peer.py")
        .arg(task.server.port.to_string())
        .arg(task.server.user)
        .arg(task.authority.unwrap_or(Path::new("")));
    match task.job {
        Job::GetLarge => command.args(["get", Task::OUTBOUND, Task::LARGE, Task::RESULTS]),
        Job::PutLarge => command.args(["put", Task::LARGE, Task::INBOUND]),
        Job::GetMany => command.args(["get-all", Task::MANY, Task::RESULTS]),
    };
    Ok(())
}

fn lftp(command: &mut Command, task: &Task<'_>) {
    let mut script = vec!["set cmd:fail-exit yes".to_owned()];
    if let Some(authority) = task.authority {
        script.push("set ftp:ssl-force yes".to_owned());
        script.push("set ftp:ssl-protect-data yes".to_owned());
        script.push(format!("set ssl:ca-file {}", authority.display()));
    }
    // It tries for ever by default.
    script.push("set net:max-retries 1".to_owned());
    script.push(format!(
        "open --env-password -u {} ftp://127.0.0.1:{}",
        task.server.user, task.server.port
    ));
    let (large, results) = (Task::LARGE, Task::RESULTS);
    script.push(match task.job {
        Job::GetLarge => format!("get -O {results} {}/{large}", Task::OUTBOUND),
        Job::PutLarge => format!("put -O {} {large}", Task::INBOUND),
        Job::GetMany => format!("mget -O {results} {}/*.bin", Task::MANY),
    });
    command
        .env("LFTP_PASSWORD", task.server.password)
        // Its files of settings and of history stay here.
        .env("LFTP_HOME", task.folder.join("lftp"))
        .arg("--norc")
        .arg("-c")
        .arg(script.join("; "));
}

fn wget(command: &mut Command, task: &Task<'_>) {
    command
        .args(["--no-config", "--no-verbose", "--tries=1"])
        .arg(format!("--ftp-user={}", task.server.user))
        .arg(format!("--ftp-password={}", task.server.password))
        .args(["--directory-prefix", Task::RESULTS]);
    let mut scheme = "ftp";
    if let Some(authority) = task.authority {
        // Explicit, unless told otherwise.
        scheme = "ftps";
        command.arg("--ca-certificate").arg(authority);
    }
    let path = match task.job {
        Job::GetMany => format!("{}/*.bin", Task::MANY),
        _ => format!("{}/{}", Task::OUTBOUND, Task::LARGE),
    };
    command.arg(task.url(scheme, &path));
}

fn rclone(command: &mut Command, task: &Task<'_>) {
    // Where it does not answer, it will not sign in either, and the results tell that.
    let secret = said(Command::new(command.get_program()).args(["obscure", task.server.password]));
    command
        .args(["--config", "", "--ftp-host", "127.0.0.1", "--ftp-port"])
        .arg(task.server.port.to_string())
        .args(["--ftp-user", task.server.user])
        // With its four, 1.60 leaves other bytes in a large file, and says that all is well.
        .args(["--multi-thread-streams", "0"])
        .env("RCLONE_FTP_PASS", secret.unwrap_or_default());
    if let Some(authority) = task.authority {
        command.arg("--ftp-explicit-tls").env("SSL_CERT_FILE", authority);
    }
    let (large, results) = (Task::LARGE, Task::RESULTS);
    match task.job {
        Job::GetLarge => command
            .arg("copyto")
            .arg(format!(":ftp:{}/{large}", Task::OUTBOUND))
            .arg(format!("{results}/{large}")),
        Job::PutLarge => command
            .arg("copyto")
            .arg(large)
            .arg(format!(":ftp:{}/{large}", Task::INBOUND)),
        Job::GetMany => command
            .args(["copy", "--transfers", "1", "--checkers", "1"])
            .arg(format!(":ftp:{}", Task::MANY))
            .arg(results),
    };
}
