//! The connection settings of an instance.

use std::time::Duration;

use jiff::tz::TimeZone;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::Auth;
use super::choices::{DataAddress, DataConnection, Visibility};
use super::quantity::PortRange;
use super::tls::{DataProtection, Tls, Trust};
use super::{CONNECTION, read, unless_empty};
use crate::encoding::Encoding;
use crate::error::{Error, printable};
use crate::path::{RemotePath, jail};
use crate::pattern;

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

    /// Port of the FTP server. When it is left out, 21, and 990 with `tls: implicit`.
    #[serde(default)]
    #[schemars(title = "Port", with = "u16", range(min = 1, max = 65535), extend("default" = 21))]
    port: Option<u16>,

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

    /// Seconds to wait for a connection, for a reply, and for the next byte of a file. A whole reply, or a line of a
    /// listing, may take four times as long.
    #[serde(default = "default_timeout")]
    #[schemars(title = "Time-out in seconds", range(min = 1, max = 3600))]
    pub timeout: u16,

    /// Encryption. `explicit`: starts on the usual port and is upgraded before anything secret is sent; a server
    /// that refuses is an error, never plain FTP. `implicit`: encrypted from the first byte, usually on port 990.
    /// `none`: everybody on the way can read everything, the password included.
    #[serde(default)]
    #[schemars(title = "TLS", extend("default" = "none"))]
    pub tls: Tls,

    /// Whom to believe that the server is who it says: `host-default`, the certificates in `roots`, or the
    /// fingerprints in `pinned`, which is right for a certificate that the server made itself. `flowhost
    /// fingerprint HOST` shows what to pin.
    #[serde(default)]
    #[schemars(title = "Trust", extend("default" = "host-default"), example = &serde_json::json!({"pinned": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}))]
    pub tls_trust: Trust,

    /// The name that the server's certificate must be for, where that is not `host`: for a server that is reached by
    /// an address or by another name.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Name in the certificate", with = "String", example = &"ftp.partner.example")]
    pub tls_server_name: Option<String>,

    /// The name of the certificate that the host shows to a server that asks for one. The host holds it and its
    /// key; the connector never sees either.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Client certificate", with = "String", example = &"warehouse")]
    pub tls_client_certificate: Option<String>,

    /// Whether data connections are encrypted too: `private`, or `clear` for servers that cannot, which shows files
    /// and listings to everybody on the way.
    #[serde(default)]
    #[schemars(title = "Protection of data", extend("default" = "private"))]
    pub data_protection: DataProtection,

    /// How data connections are opened: `auto` tries EPSV and then PASV; `active` needs a host that lets the
    /// connector listen.
    #[serde(default)]
    #[schemars(title = "Data connections", extend("default" = "auto"))]
    pub data_connection: DataConnection,

    /// Where passive data connections go. `control-peer`: to the server's own address, whatever its PASV answer
    /// says; right for nearly all servers, also behind NAT. `as-given`: to the address in the answer, for
    /// servers that move data through another machine; the host must allow that, and `auto` then asks with PASV
    /// alone, since EPSV names no address. Or one fixed address.
    #[serde(default)]
    #[schemars(title = "Address of data connections", with = "String", extend("default" = "control-peer"), example = &"as-given", example = &"192.0.2.10")]
    pub data_address: DataAddress,

    /// The ports to listen on for `data_connection: active`, first and last, as a firewall wants them. When it
    /// is left out, any free port.
    #[serde(default)]
    #[schemars(title = "Ports for active mode", with = "String", example = &"50000-50100")]
    pub active_ports: Option<PortRange>,

    /// Character set of file names on the server: `utf-8`, `windows-1252`, `iso-8859-15`, `shift_jis`, `gbk`,
    /// and the other names of the WHATWG Encoding Standard that extend ASCII (`latin1` means `windows-1252`
    /// there). A name that does not fit it is carried as it is and can be used all the same.
    #[serde(default)]
    #[schemars(title = "Encoding of names", with = "String", extend("default" = "utf-8"), example = &"windows-1252")]
    pub encoding: Encoding,

    /// Time zone of the times in LIST listings, which do not tell it: a name of the IANA database, or an
    /// offset. When it is left out, it is found out by comparing with MDTM where the server has that, and is
    /// UTC otherwise; where it is not UTC, each file is then asked for its time, since the clocks may have
    /// changed. MLSD and MDTM are always in UTC.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Time zone", with = "String", example = &"Europe/Berlin", example = &"+02:00")]
    pub timezone: Option<String>,

    /// Sends NOOP on the control connection every so many seconds while a file is on its way, for servers and
    /// firewalls that drop an idle one. 0: never. Few servers dislike it, so it is off.
    #[serde(default)]
    #[schemars(title = "Keep-alive in seconds", range(min = 0, max = 3600))]
    pub keep_alive: u16,

    /// A regular expression for the text of a 421 or 530 reply that means "too many connections, come again"
    /// and not "wrong password". Such a sign-in is tried again.
    #[serde(default = "default_busy_pattern")]
    #[schemars(title = "Text of a busy server", example = &"(?i)too many users")]
    pub busy_pattern: String,
}

fn default_max_tries() -> u8 {
    3
}

fn default_timeout() -> u16 {
    30
}

/// What the usual servers say: vsftpd "There are too many connected users", pure-ftpd "too many connections
/// from this IP", `ProFTPD` "maximum number of clients", IIS "maximum number of connections".
fn default_busy_pattern() -> String {
    r"(?i)\b(too many|maximum|max(imum)? (number|clients|connections)|limit|busy|try (again )?later|temporar)"
        .to_owned()
}

impl Connection {
    /// Reads and checks the settings.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let settings: Self = read(json, CONNECTION)?;
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
        if self.port == Some(0) {
            return out_of_range("port", "from 1 to 65535");
        }
        if !(1..=10).contains(&self.max_tries) {
            return out_of_range("max_tries", "from 1 to 10");
        }
        if !(1..=3600).contains(&self.timeout) {
            return out_of_range("timeout", "from 1 to 3600 seconds");
        }
        if let Err((field, range)) = self.auth.check() {
            return out_of_range(field, range);
        }
        if self.keep_alive > 3600 {
            return out_of_range("keep_alive", "from 0 to 3600 seconds");
        }
        if self.active_ports.is_some() && self.data_connection != DataConnection::Active {
            return out_of_range("active_ports", "left out unless `data_connection` is `active`");
        }
        if self.data_address != DataAddress::ControlPeer && self.data_connection == DataConnection::Active {
            return out_of_range("data_address", "left out when `data_connection` is `active`");
        }
        self.zone()?;
        // Compiling it takes longer than all else here, and the default is known to be one.
        if self.busy_pattern != default_busy_pattern() {
            self.busy()?;
        }
        if let Some(root) = &self.root {
            jail(root, "/connection/root")?;
        }
        self.default_folder()?;
        if self.tls == Tls::None {
            // Somebody who has set one of these believes that the connection is safe.
            let meaningless = [
                ("tls_trust", self.tls_trust != Trust::HostDefault),
                ("tls_server_name", self.tls_server_name.is_some()),
                ("tls_client_certificate", self.tls_client_certificate.is_some()),
                ("data_protection", self.data_protection != DataProtection::Private),
            ];
            if let Some((field, _)) = meaningless.into_iter().find(|(_, set)| *set) {
                return out_of_range(field, "left out unless `tls` is `explicit` or `implicit`");
            }
        }
        Ok(())
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::None | Tls::Explicit => 21,
            Tls::Implicit => 990,
        })
    }

    /// The name that the server's certificate must be for.
    pub fn server_name(&self) -> &str {
        let host = self
            .host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let name = self.tls_server_name.as_deref();
        name.unwrap_or_else(|| host.unwrap_or(&self.host).trim_end_matches('.'))
    }

    /// The folder for options that name no path.
    pub fn default_folder(&self) -> Result<RemotePath, Error> {
        Ok(jail(self.path.as_deref().unwrap_or_default(), "/connection/path")?.path)
    }

    /// The time zone of LIST, where the settings name it.
    pub fn zone(&self) -> Result<Option<TimeZone>, Error> {
        let Some(name) = &self.timezone else {
            return Ok(None);
        };
        let offset = || {
            let offset: jiff::tz::Offset = jiff::fmt::strtime::parse("%:z", name).ok()?.offset()?;
            Some(offset.to_time_zone())
        };
        let zone = if name.eq_ignore_ascii_case("utc") {
            Some(TimeZone::UTC)
        } else {
            offset().or_else(|| TimeZone::get(name).ok())
        };
        zone.map(Some).ok_or_else(|| {
            Error::setting(
                "/connection/timezone",
                format!(
                    "`{}` is not a time zone: write a name of the IANA database such as `Europe/Berlin`, `UTC`, or an offset such as `+02:00`.",
                    printable(name)
                ),
            )
        })
    }

    /// What a busy server says instead of "wrong password".
    pub fn busy(&self) -> Result<Regex, Error> {
        pattern::regex(&self.busy_pattern, "/connection/busy_pattern")
    }

    /// How often to send NOOP while a file is on its way.
    pub fn keep_alive(&self) -> Option<Duration> {
        (self.keep_alive > 0).then(|| Duration::from_secs(self.keep_alive.into()))
    }

    /// How long to wait for a sign of life.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}
