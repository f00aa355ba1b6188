//! Settings that are one of a few words.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Who may read what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Visibility {
    /// Everybody may read: 644 for a file, 755 for a folder.
    Public,
    /// Only the account may: 600 for a file, 700 for a folder.
    Private,
}

impl Visibility {
    /// The mode of a file, for SITE CHMOD.
    pub fn file_mode(self) -> &'static str {
        match self {
            Self::Public => "644",
            Self::Private => "600",
        }
    }

    /// The mode of a folder, for SITE CHMOD.
    pub fn folder_mode(self) -> &'static str {
        match self {
            Self::Public => "755",
            Self::Private => "700",
        }
    }
}

/// How data connections are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum DataConnection {
    /// EPSV, and PASV where that does not work; what worked is remembered for the session.
    #[default]
    Auto,
    /// EPSV (RFC 2428).
    Epsv,
    /// PASV (RFC 959).
    Pasv,
    /// The server connects back to us (PORT or EPRT).
    Active,
}

/// Where passive data connections go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataAddress {
    /// To the control connection's peer, whatever the server's answer says.
    #[default]
    ControlPeer,
    /// To the address in the answer to PASV.
    AsGiven,
    /// To this address.
    Fixed(IpAddr),
}

impl<'de> Deserialize<'de> for DataAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.trim() {
            "" | "control-peer" => Ok(Self::ControlPeer),
            "as-given" => Ok(Self::AsGiven),
            address => address.parse().map(Self::Fixed).map_err(|_| {
                D::Error::custom("must be `control-peer`, `as-given`, or an address such as `192.0.2.10`")
            }),
        }
    }
}
