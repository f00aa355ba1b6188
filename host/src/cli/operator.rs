//! What the operator of the host says, for the commands that connect.

use super::Wrong;
use anyhow::Result;
use clap::ValueEnum;
use flowhost::policy::Policy;
use flowhost::tls::{TlsVersion, parse_fingerprint};
use std::fs;
use std::path::PathBuf;

/// The operator's say, which no flow can change. What the command line says adds to the policy file or takes its place.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The operator's say")]
pub(super) struct Operator {
    /// The policy file: what connectors may reach and use.
    #[arg(long, value_name = "FILE", env = "FLOWHOST_POLICY")]
    policy: Option<PathBuf>,
    /// Let connectors reach this host too: a name, `*.name`, an address or a range of them (`10.1.0.0/16`), with ports
    /// behind a colon if not all are meant; may be repeated. Without it they reach public addresses only.
    #[arg(long, value_name = "HOST[:PORTS]")]
    allow: Vec<String>,
    /// The ports on which connectors may wait for data connections (FTP's active mode), such as `40000-40100`.
    #[arg(long, value_name = "PORTS")]
    listen: Option<String>,
    /// Change a limit: `memory=64MiB` for all instances, `shop.cpu_quota=10%` for one; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    limit: Vec<String>,
    /// The oldest TLS version that connectors accept [default: 1.2].
    #[arg(long, value_name = "VERSION", value_enum)]
    tls_minimum: Option<Version>,
    /// Let flows connect to servers whose certificate nobody checks. For tests.
    #[arg(long)]
    allow_insecure_tls: bool,
    /// Refuse this certificate, or every one with this public key, whatever a flow trusts; may be repeated.
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    distrust: Vec<[u8; 32]>,
    /// Trust the authorities in this PEM file in place of the system's.
    #[arg(long, value_name = "FILE")]
    tls_roots: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Version {
    #[value(name = "1.2")]
    V1_2,
    #[value(name = "1.3")]
    V1_3,
}

impl Operator {
    /// The policy.
    ///
    /// # Errors
    /// When a file or an argument is not what it has to be.
    pub(super) fn policy(&self) -> Result<Policy> {
        let mut policy = match &self.policy {
            Some(path) => Policy::read(path)?,
            None => Policy::default(),
        };
        let wrong = |name: &str, value: &str, reason: String| Wrong(format!("--{name} {value}: {reason}"));
        for target in &self.allow {
            policy = policy
                .allow(target)
                .map_err(|reason| wrong("allow", target, reason))?;
        }
        if let Some(ports) = &self.listen {
            policy = policy
                .listen(ports)
                .map_err(|reason| wrong("listen", ports, reason))?;
        }
        for change in &self.limit {
            policy = policy
                .limit(change)
                .map_err(|reason| wrong("limit", change, reason))?;
        }
        if let Some(version) = self.tls_minimum {
            policy.tls.minimum = match version {
                Version::V1_2 => TlsVersion::V1_2,
                Version::V1_3 => TlsVersion::V1_3,
            };
        }
        policy.tls.insecure |= self.allow_insecure_tls;
        policy.tls.distrusted.extend(&self.distrust);
        if let Some(path) = &self.tls_roots {
            let wrong = |reason: String| wrong("tls-roots", &path.display().to_string(), reason);
            let roots = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            policy.tls = policy
                .tls
                .with_roots(roots)
                .map_err(|error| wrong(error.message))?;
        }
        Ok(policy)
    }
}

fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    parse_fingerprint(text).ok_or_else(|| {
        "write the SHA-256 as 64 hexadecimal digits, with or without colons and `sha256:` before them, or as \
         `sha256//` with Base64"
            .to_owned()
    })
}
