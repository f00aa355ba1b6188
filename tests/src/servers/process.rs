//! A server as a process: started, waited for, ended.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use rustls::ClientConfig;

use super::Limits;
use super::tls::Mode;
use crate::pki;
use crate::run::full_disk;
use crate::wire::Wire;

/// How long a server may take until it greets. Loaded two-core machines need a few seconds for Python.
const READY_WITHIN: Duration = Duration::from_secs(20);

pub struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Starts the command as the head of a process group and returns when the port greets with 220.
    pub fn start(command: Command, port: u16, folder: &Path, limits: Limits) -> Result<Self> {
        let mut command = match limits.file_blocks {
            Some(blocks) => full_disk(&command, blocks),
            None => command,
        };
        let output = folder.join("output");
        let log = File::create(&output)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("{}", command.get_program().to_string_lossy()))?;
        let mut process = Self { child };
        let implicit = limits.tls.is_some_and(|tls| tls.mode == Mode::Implicit);
        let implicit = implicit.then(|| Arc::new(pki::client_config(None)));
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match greeting(port, implicit.as_ref()) {
                Ok(line) if line.starts_with("220") => return Ok(process),
                Ok(line) => bail!("it greets with {line:?}"),
                Err(error) if Instant::now() > deadline => bail!("no greeting: {error}"),
                Err(_) => {}
            }
            if let Some(status) = process.child.try_wait()? {
                bail!(
                    "it ended with {status}: {}",
                    std::fs::read_to_string(&output).unwrap_or_default()
                );
            }
            // Nothing tells when a foreign process listens; this is the interval between two looks.
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // The group, because sessions of forking servers would live on.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn greeting(port: u16, implicit: Option<&Arc<ClientConfig>>) -> io::Result<String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(READY_WITHIN))?;
    let mut stream = Wire::new(stream);
    if let Some(config) = implicit {
        stream.become_client(config, "localhost");
    }
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line)
}
