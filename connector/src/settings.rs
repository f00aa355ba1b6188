//! Connection settings and endpoint options. The JSON Schemas that forms show come from these types.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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
    #[schemars(title = "TLS")]
    pub tls: Tls,

    /// How data connections are opened: `auto` tries EPSV and then PASV; `active` needs a host that lets the
    /// connector listen.
    #[serde(default)]
    #[schemars(title = "Data connections")]
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

/// Forms send an empty text for a field that nobody filled in.
fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
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

/// How `path` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Match {
    /// As the path of one file or folder.
    Static,
    /// As a regular expression that fits the whole path below the folder.
    Regex,
    /// As a glob: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any folders.
    Glob,
}

/// The options of an endpoint. The order is the one that fits `ftp-get`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "FTP options")]
pub struct Options {
    /// Which file: a path below the connection's root. A path that ends in `/` names a folder. With `root`
    /// set, a regular expression over the path below that folder: without a `/` in it only files directly in
    /// the folder are looked at, with one the folders below as well. When it is left out, the connection's
    /// default folder is meant, or, for commands that change an existing file, the payload's `original_path`.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(
        title = "Path",
        with = "String",
        example = &"orders/today.csv",
        example = &r"orders_\d{8}\.csv",
        example = &"{{ original_path }}"
    )]
    pub path: Option<String>,

    /// The folder below which the pattern in `path` is applied. Setting it makes `path` a regular expression.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Folder for the pattern", with = "String", example = &"outbound")]
    pub root: Option<String>,

    /// How `path` is read. When it is left out: `regex` if `root` is set, else `static`.
    #[serde(default, rename = "match")]
    #[schemars(title = "Kind of pattern", with = "Match", example = &"glob")]
    pub matching: Option<Match>,

    /// What to do: `get`, `put`, `append`, `rename`, `delete`, `list`, `mkdir` or `rmdir`, optionally followed
    /// by a path. For `rename` the path is the target, and one that ends in `/` keeps the file's name; for all
    /// others it is the path acted on, instead of `path`.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(
        title = "Command",
        with = "String",
        example = &"rename processed/{{ original_filename }}",
        example = &"delete",
        example = &"list outbound/"
    )]
    pub command: Option<String>,

    /// The file name that later steps see as `original_filename`. When it is left out: the name of the file
    /// that the payload came from.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Original file name", with = "String", example = &"order.csv")]
    pub original_filename: Option<String>,

    /// The path that later steps see as `original_path`. When it is left out: the path below the connection's
    /// root that the payload came from.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Original path", with = "String", example = &"outbound/order.csv")]
    pub original_path: Option<String>,
}

impl Options {
    /// Reads the options.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let json = if json.trim().is_empty() { "{}" } else { json };
        read(json, "/options")
    }
}

/// The schema of the connection settings.
pub fn connection_schema() -> Schema {
    schemars::schema_for!(Connection)
}

/// The schema of an endpoint's options, with its default command and the properties in the given order.
pub fn options_schema(command: &str, order: &[&str]) -> Schema {
    let mut schema = schemars::schema_for!(Options);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        if let Some(Value::Object(property)) = properties.get_mut("command") {
            property.insert("default".into(), command.into());
        }
        let mut rest = std::mem::take(properties);
        for name in order {
            if let Some(property) = rest.remove(*name) {
                properties.insert((*name).to_owned(), property);
            }
        }
        properties.extend(rest);
    }
    schema
}

/// Reads JSON and says in which field it is wrong. `part` is `/connection` or `/options`.
fn read<T: DeserializeOwned>(json: &str, part: &str) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let mut field = part.to_owned();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Map { key } => {
                    field.push('/');
                    field.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                Segment::Seq { index } => field.extend(["/", &index.to_string()]),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        Error::setting(
            field,
            format!("{}.", without_position(&error.inner().to_string())),
        )
    })
}

/// The line and column are those of a text that the reader of the message has never seen. What follows
/// `invalid value: string` may be a secret, so the value is cut out as well.
fn without_position(message: &str) -> String {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message);
    match (
        message.strip_prefix("invalid type: "),
        message.split_once(", expected "),
    ) {
        (Some(_), Some((_, expected))) => format!("wrong type, expected {expected}"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        let connection = Connection::parse(r#"{"host":"ftp.example.com"}"#).unwrap();
        assert_eq!(connection.auth, Auth::Anonymous);
        assert_eq!(
            (connection.port, connection.max_tries, connection.timeout),
            (21, 3, 30)
        );
        assert_eq!(
            (connection.tls, connection.data_connection),
            (Tls::None, DataConnection::Auto)
        );
        assert!(connection.default_folder().unwrap().is_root());
        assert_eq!(Options::parse("").unwrap(), Options::default());
        assert_eq!(
            Options::parse(r#"{"path":"","root":""}"#).unwrap(),
            Options::default()
        );
    }

    #[test]
    fn a_password_is_not_shown() {
        let json = r#"{"host":"h","auth":{"username":"u","password":"s3cret"}}"#;
        let connection = Connection::parse(json).unwrap();
        assert!(!format!("{connection:?}").contains("s3cret"));
        let wrong = r#"{"host":"h","auth":{"username":7,"password":"s3cret"}}"#;
        assert!(!Connection::parse(wrong).unwrap_err().message.contains("s3cret"));
        let wrong = r#"{"host":"h","auth":"s3cret"}"#;
        assert!(!Connection::parse(wrong).unwrap_err().message.contains("s3cret"));
    }

    #[test]
    fn wrong_settings_name_their_field() {
        for (json, field) in [
            ("{}", "/connection"),
            (r#"{"host":""}"#, "/connection/host"),
            (r#"{"host":"ftp://x"}"#, "/connection/host"),
            (r#"{"hots":"x"}"#, "/connection/hots"),
            (r#"{"host":"x","port":0}"#, "/connection/port"),
            (r#"{"host":"x","port":70000}"#, "/connection/port"),
            (r#"{"host":"x","port":"21"}"#, "/connection/port"),
            (r#"{"host":"x","max_tries":0}"#, "/connection/max_tries"),
            (r#"{"host":"x","timeout":0}"#, "/connection/timeout"),
            (r#"{"host":"x","auth":"root"}"#, "/connection/auth"),
            (
                r#"{"host":"x","auth":{"username":"u","password":"a\r\nDELE b"}}"#,
                "/connection/auth/password",
            ),
            (
                r#"{"host":"x","auth":{"username":"u\n","password":"a"}}"#,
                "/connection/auth/username",
            ),
            (r#"{"host":"x","root":"../x"}"#, "/connection/root"),
            (r#"{"host":"x","path":"../x"}"#, "/connection/path"),
            (r#"{"host":"x","visibility":"secret"}"#, "/connection/visibility"),
        ] {
            let error = Connection::parse(json).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::InvalidSettings, Some(field)),
                "{json}"
            );
        }
        for (json, field) in [
            (r#"{"host":"x","tls":"explicit"}"#, "/connection/tls"),
            (r#"{"host":"x","tls":"implicit"}"#, "/connection/tls"),
            (r#"{"host":"x","encoding":"latin1"}"#, "/connection/encoding"),
        ] {
            let error = Connection::parse(json).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::Unsupported, Some(field)),
                "{json}"
            );
        }
        let error = Options::parse(r#"{"pth":"a"}"#).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("/options/pth"));
    }

    fn names(schema: &Schema) -> Vec<String> {
        schema
            .get("properties")
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    #[test]
    fn schemas_explain_every_property_in_order() {
        let connection = connection_schema();
        assert_eq!(
            names(&connection),
            [
                "auth",
                "host",
                "port",
                "root",
                "path",
                "visibility",
                "directory_visibility",
                "max_tries",
                "timeout",
                "tls",
                "data_connection",
                "encoding"
            ]
        );
        let put = options_schema("put", &["command", "path", "root", "match"]);
        assert_eq!(
            names(&put),
            [
                "command",
                "path",
                "root",
                "match",
                "original_filename",
                "original_path"
            ]
        );
        for schema in [&connection, &put] {
            assert_eq!(schema.get("additionalProperties"), Some(&Value::Bool(false)));
            for (name, property) in schema.get("properties").unwrap().as_object().unwrap() {
                for key in ["title", "description"] {
                    assert!(
                        property.get(key).is_some_and(Value::is_string),
                        "{name} has no {key}: {property}"
                    );
                }
            }
        }
        let connection = connection.as_value();
        assert_eq!(connection.pointer("/properties/port/default"), Some(&21.into()));
        assert_eq!(
            connection.pointer("/properties/auth/default"),
            Some(&"anonymous".into())
        );
        assert_eq!(
            connection.pointer("/properties/auth/oneOf/1/properties/password/writeOnly"),
            Some(&true.into())
        );
        assert_eq!(
            put.as_value().pointer("/properties/command/default"),
            Some(&"put".into())
        );
    }
}
