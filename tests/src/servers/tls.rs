//! How a server speaks TLS, and the files that it wants for that.

use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Site;
use crate::pki::{self, Identity, Version};

/// Where TLS begins (RFC 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// With `AUTH TLS` on a connection in clear.
    Explicit,
    /// With the connection.
    Implicit,
}

impl Mode {
    /// As the setting `tls` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Implicit => "implicit",
        }
    }
}

/// How a server speaks TLS. It always refuses to let anybody in without.
#[derive(Debug, Clone, Copy)]
pub struct Tls {
    /// Where TLS begins.
    pub mode: Mode,
    /// The one version that the server offers; without, both.
    pub version: Option<Version>,
    /// What it shows.
    pub identity: &'static Identity,
    /// Whether it allows data connections in clear. Otherwise it refuses them, and, where the kind can
    /// ([`Kind::requires_resumption`](super::Kind::requires_resumption)), those in a new session too.
    pub clear_data: bool,
}

impl Tls {
    /// With [`pki::good`], and protected data alone.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            version: None,
            identity: pki::good(),
            clear_data: false,
        }
    }

    /// With one version.
    #[must_use]
    pub fn only(self, version: Version) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }

    /// Connection settings with what it takes to get in.
    #[must_use]
    pub fn settings(&self, mut settings: Value) -> Value {
        settings["tls"] = json!(self.mode.name());
        settings["tls_trust"] = json!({ "roots": pki::authority().pem() });
        settings
    }
}

/// Files with a server's certificate and key.
pub(super) struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Both, for servers that want one file.
    pub both: PathBuf,
}

impl Site<'_> {
    pub(super) fn identity(&self, tls: &Tls) -> io::Result<Files> {
        let identity = tls.identity;
        Ok(Files {
            certificate: self.write("certificate.pem", &identity.certificate)?,
            key: self.write("key.pem", &identity.key)?,
            both: self.write("both.pem", format!("{}{}", identity.key, identity.certificate))?,
        })
    }

    /// OpenSSL's own configuration with the versions that are allowed, for servers that have no setting for it.
    /// `OPENSSL_CONF` names the file.
    pub(super) fn openssl_configuration(&self, tls: &Tls) -> io::Result<PathBuf> {
        let (least, most) = match tls.version {
            Some(version) => (version.name(), version.name()),
            None => (Version::V12.name(), Version::V13.name()),
        };
        self.write(
            "openssl.cnf",
            format!(
                "openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = versions
[versions]
MinProtocol = {least}
MaxProtocol = {most}
"
            ),
        )
    }
}
