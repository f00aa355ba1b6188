//! Connection settings and endpoint options. The JSON Schemas that forms show come from these types.

mod auth;
mod choices;
mod connection;
mod options;
mod quantity;
mod tls;

pub use auth::{Auth, Secret};
pub use choices::{DataAddress, DataConnection, Visibility};
pub use connection::Connection;
pub use options::{IfExists, Match, Options, Sort, TransferType, Verify, options_schema};
pub use quantity::PortRange;
pub use tls::{DataProtection, Tls, Trust};

use flow_connector::settings::{CONNECTION, OPTIONS, read, unless_empty};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use schemars::Schema;
    use serde_json::Value;

    #[test]
    fn defaults() {
        let connection = Connection::parse(r#"{"host":"ftp.example.com"}"#).unwrap();
        assert_eq!(connection.auth, Auth::Anonymous);
        assert_eq!(
            (connection.port(), connection.max_tries, connection.timeout),
            (21, 3, 30)
        );
        assert_eq!(
            (connection.tls, connection.data_connection),
            (Tls::None, DataConnection::Auto)
        );
        let implicit = Connection::parse(r#"{"host":"[::1]","tls":"implicit"}"#).unwrap();
        assert_eq!((implicit.port(), implicit.server_name()), (990, "::1"));
        assert!(connection.default_folder().unwrap().is_root());
        assert!(connection.busy().unwrap().is_match("Sorry, too many users."));
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
            (r#"{"host":"x","encoding":"utf-16"}"#, "/connection/encoding"),
            (r#"{"host":"x","timezone":"Mars/Phobos"}"#, "/connection/timezone"),
            (
                r#"{"host":"x","data_address":"elsewhere"}"#,
                "/connection/data_address",
            ),
            (
                r#"{"host":"x","active_ports":"50000-50100"}"#,
                "/connection/active_ports",
            ),
            (
                r#"{"host":"x","data_connection":"active","active_ports":"9-1"}"#,
                "/connection/active_ports",
            ),
            (r#"{"host":"x","keep_alive":4000}"#, "/connection/keep_alive"),
            (r#"{"host":"x","busy_pattern":"("}"#, "/connection/busy_pattern"),
            (r#"{"host":"x","tls":"maybe"}"#, "/connection/tls"),
            // What means nothing without encryption must not make anybody feel safe.
            (r#"{"host":"x","tls_trust":"insecure"}"#, "/connection/tls_trust"),
            (
                r#"{"host":"x","tls":"none","tls_server_name":"y"}"#,
                "/connection/tls_server_name",
            ),
            (
                r#"{"host":"x","tls_client_certificate":"y"}"#,
                "/connection/tls_client_certificate",
            ),
            (
                r#"{"host":"x","data_protection":"clear"}"#,
                "/connection/data_protection",
            ),
            (
                r#"{"host":"x","tls":"explicit","tls_trust":"me"}"#,
                "/connection/tls_trust",
            ),
        ] {
            let error = Connection::parse(json).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (Kind::InvalidSettings, Some(field)),
                "{json}"
            );
        }
        let error = Options::parse(r#"{"pth":"a"}"#).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("/options/pth"));
        // Found by the target `command`: a terminal would have done what the name says.
        let error = Options::parse(r#"{"p\u001b[31mth":"a"}"#).unwrap_err();
        assert!(!error.message.contains(char::is_control), "{:?}", error.message);
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
        let connection = flow_connector::settings::schema::<Connection>();
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
                "tls_trust",
                "tls_server_name",
                "tls_client_certificate",
                "data_protection",
                "data_connection",
                "data_address",
                "active_ports",
                "encoding",
                "timezone",
                "keep_alive",
                "busy_pattern"
            ]
        );
        let put = options_schema("put", &["command", "path", "root", "match"]);
        assert_eq!(
            names(&put)[..5],
            ["command", "path", "root", "match", "recursive"]
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
            connection.pointer("/properties/tls/default"),
            Some(&"none".into())
        );
        assert_eq!(
            connection.pointer("/properties/data_connection/default"),
            Some(&"auto".into())
        );
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
