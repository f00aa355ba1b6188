//! What the operator of the host says, for the commands that connect.

use super::Wrong;
use clap::ValueEnum;
use flowhost::tls::{TlsPolicy, TlsVersion, parse_fingerprint};
use std::fs;
use std::path::PathBuf;

/// The operator's say, which no flow can change.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The operator's say")]
pub(super) struct Operator {
    /// The oldest TLS version that connectors accept.
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = Version::V1_2)]
    tls_minimum: Version,
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
    /// When the file with the authorities is not what it has to be.
    pub(super) fn tls(&self) -> Result<TlsPolicy, Wrong> {
        let policy = TlsPolicy {
            minimum: match self.tls_minimum {
                Version::V1_2 => TlsVersion::V1_2,
                Version::V1_3 => TlsVersion::V1_3,
            },
            insecure: self.allow_insecure_tls,
            distrusted: self.distrust.clone(),
            roots: None,
        };
        let Some(path) = &self.tls_roots else {
            return Ok(policy);
        };
        let wrong = |reason: String| Wrong(format!("--tls-roots {}: {reason}", path.display()));
        let roots = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        policy.with_roots(roots).map_err(|error| wrong(error.message))
    }
}

fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    parse_fingerprint(text).ok_or_else(|| {
        "write the SHA-256 as 64 hexadecimal digits, with or without colons and `sha256:` before them, or as \
         `sha256//` with Base64"
            .to_owned()
    })
}
