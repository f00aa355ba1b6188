//! The connection settings of an instance.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{read, unless_empty};
use crate::error::{Error, Kind};
use crate::path::{RemotePath, jail};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one command that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    /// As `anonymous`.
    #[default]
    Anonymous,
    /// With an account.
    Account {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
}

impl<'de> Deserialize<'de> for Auth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Account {
            username: String,
            password: Secret,
        }
        // By hand: what serde says of an untagged enum that does not fit helps nobody.
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "anonymous" => Ok(Self::Anonymous),
            account @ Value::Object(_) => Account::deserialize(account)
                .map(|Account { username, password }| Self::Account { username, password })
                .map_err(|error| D::Error::custom(error.to_string())),
            _ => Err(D::Error::custom(
                "must be \"anonymous\" or an object with `username` and `password`",
            )),
        }
    }
}

impl JsonSchema for Auth {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Auth".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {
                    "title": "Anonymous",
                    "description": "Sign in as `anonymous`.",
                    "const": "anonymous"
                },
                {
                    "title": "User name and password",
                    "description": "Sign in with an account of the server.",
                    "type": "object",
                    "properties": {
                        "username": {
                            "title": "User name",
                            "description": "The account's name on the server.",
                            "type": "string",
                            "minLength": 1,
                            "examples": ["shop"]
                        },
                        "password": {
                            "title": "Password",
                            "description": "The account's password. It is never logged.",
                            "type": "string",
                            "format": "password",
                            "writeOnly": true
                        }
                    },
                    "required": ["username", "password"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

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

/// Whether and how the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Tls {
    /// Not at all: plain FTP.
    #[default]
    None,
    /// Starts plain and is upgraded with AUTH TLS. Not offered yet.
    Explicit,
    /// Encrypted from the first byte. Not offered yet.
    Implicit,
}

/// How data connections are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum DataConnection {
    /// EPSV, and PASV where the server refuses that.
    #[default]
    Auto,
    /// EPSV (RFC 2428).
    Epsv,
    /// PASV. The address in the answer is ignored: data connections go to the control connection's peer.
    Pasv,
    /// The server connects back to us (PORT or EPRT).
    Active,
}

/// The connection settings of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "FTP connection")]
#[expect(
    clippy::struct_field_names,
    reason = "`data_connection` is the name of the setting, and FTP's own"
)]
pub struct Connection {
    /// How to sign in: `anonymous`, or a user name and password.
    #[serde(default)]
    #[schemars(title = "Sign in", extend("default" = "anonymous"))]
    pub auth: Auth,

    /// Name or address of the FTP server.
    #[schemars(title = "Host", length(min = 1), example = &"ftp.example.com")]
    pub host: String,

    /// Port of the FTP server.
    #[serde(default = "default_port")]
    #[schemars(title = "Port", range(min = 1, max = 65535))]
    pub port: u16,

    /// The folder that is entered after signing in. Every path is relative to it and cannot leave it. When it
    /// is left out, this is the folder that the server puts the account in.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Root folder", with = "String", example = &"/store1")]
    pub root: Option<String>,

    /// The folder below the root that is used where an option names no path.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Default folder", with = "String", example = &"orders")]
    pub path: Option<String>,

    /// Who may read uploaded files: `public` sets mode 644, `private` 600, with SITE CHMOD. A server that
    /// refuses this gets a warning in the log. When it is left out, the server decides.
    #[serde(default)]
    #[schemars(title = "Visibility of files", with = "Visibility", example = &"private")]
    pub visibility: Option<Visibility>,

    /// Who may enter new folders: `public` sets mode 755, `private` 700. When it is left out, the server
    /// decides.
    #[serde(default)]
    #[schemars(title = "Visibility of folders", with = "Visibility", example = &"private")]
    pub directory_visibility: Option<Visibility>,

    /// How often connecting and each transfer are tried when trying again can help. A wrong password is
    /// never tried twice.
    #[serde(default = "default_max_tries")]
    #[schemars(title = "Tries", range(min = 1, max = 10))]
    pub max_tries: u8,

    /// Seconds to wait for a connection, for a reply, and for the next byte of a file.
    #[serde(default = "default_timeout")]
    #[schemars(title = "Time-out in seconds", range(min = 1, max = 3600))]
    pub timeout: u16,

    /// Encryption. Only `none` (plain FTP) is offered for now; `explicit` and `implicit` FTPS are refused.
    #[serde(default)]
    #[schemars(title = "TLS", extend("default" = "none"))]
    pub tls: Tls,

    /// How data connections are opened: `auto` tries EPSV and then PASV; `active` needs a host that lets the
    /// connector listen.
    #[serde(default)]
    #[schemars(title = "Data connections", extend("default" = "auto"))]
    pub data_connection: DataConnection,

    /// Character set of file names on the server. Only `utf-8` is offered for now.
    #[serde(default = "default_encoding")]
    #[schemars(title = "Encoding of names", example = &"utf-8")]
    pub encoding: String,
}

fn default_port() -> u16 {
    21
}

fn default_max_tries() -> u8 {
    3
}

fn default_timeout() -> u16 {
    30
}

fn default_encoding() -> String {
    "utf-8".to_owned()
}

impl Connection {
    /// Reads and checks the settings.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let settings: Self = read(json, "/connection")?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Error> {
        let out_of_range = |field: &str, range: &str| {
            Err(Error::setting(
                format!("/connection/{field}"),
                format!("`{field}` must be {range}."),
            ))
        };
        if self.host.trim().is_empty() || self.host.contains(['/', '@', ' ', '\r', '\n', '\0']) {
            return out_of_range(
                "host",
                "a host name or an address, such as `ftp.example.com`, without `ftp://`",
            );
        }
        if self.port == 0 {
            return out_of_range("port", "from 1 to 65535");
        }
        if !(1..=10).contains(&self.max_tries) {
            return out_of_range("max_tries", "from 1 to 10");
        }
        if !(1..=3600).contains(&self.timeout) {
            return out_of_range("timeout", "from 1 to 3600 seconds");
        }
        if let Auth::Account { username, password } = &self.auth {
            if username.is_empty() || username.contains(['\r', '\n', '\0']) {
                return out_of_range("auth/username", "a name without line breaks");
            }
            if password.expose().contains(['\r', '\n', '\0']) {
                return out_of_range("auth/password", "a text without line breaks");
            }
        }
        if let Some(root) = &self.root {
            jail(root, "/connection/root")?;
        }
        self.default_folder()?;
        if self.tls != Tls::None {
            return Err(Error {
                field: Some("/connection/tls".into()),
                ..Error::new(
                    Kind::Unsupported,
                    "FTPS is not offered yet: set `tls` to `none`, or wait for the version that has it.",
                )
            });
        }
        if !matches!(self.encoding.to_ascii_lowercase().as_str(), "utf-8" | "utf8") {
            return Err(Error {
                field: Some("/connection/encoding".into()),
                ..Error::new(
                    Kind::Unsupported,
                    "Only the encoding `utf-8` is offered yet: leave `encoding` out or set it to `utf-8`.",
                )
            });
        }
        Ok(())
    }

    /// The folder for options that name no path.
    pub fn default_folder(&self) -> Result<RemotePath, Error> {
        Ok(jail(self.path.as_deref().unwrap_or_default(), "/connection/path")?.path)
    }

    /// How long to wait for a sign of life.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

/// The schema of the connection settings.
pub fn connection_schema() -> Schema {
    schemars::schema_for!(Connection)
}
