//! `describe` and `plan`: what the connector is, and what a call will reach. Neither calls an import.

use crate::bindings::exports::flow::connector::connector::{Descriptor, Direction, Egress, Endpoint};
use crate::bindings::flow::connector::types::Call;
use crate::command::Verb;
use crate::error::{Error, Kind};
use crate::settings::{Connection, DataAddress, DataConnection, Options, connection_schema, options_schema};
use crate::task::check_stated;

/// The order of the options that fits sending: what to do first. That of [`Options`] fits receiving.
const PUT_ORDER: [&str; 8] = [
    "command",
    "path",
    "if_exists",
    "temporary_name",
    "verify",
    "preserve_modified",
    "transfer_type",
    "root",
];

const DESCRIPTION: &str = "\
Receives files from an FTP or FTPS server (RFC 959, RFC 4217), and sends, renames and deletes files there.

Every path is relative to the connection's root folder and cannot leave it. Uploads are written under a \
temporary name and renamed when they are complete.";

const GET_DESCRIPTION: &str = "\
Makes one payload of each file that `path` names: a single file, all files of a folder (`orders/`), or, with \
`root` set, all files below that folder whose path the regular expression in `path` fits. No match is a \
success without payloads.

Each payload has the attributes `path`, `original_filename` and `original_path`, which later steps use to \
rename or delete the original. `command` may be any FTP command; the default is `get`.";

const PUT_DESCRIPTION: &str = "\
Writes each incoming payload to the file that `path` names. A path that ends in `/` is a folder, and the file \
keeps its original name. Missing folders are made.

`command` says what else may be done: `append` adds to the end of a file (not atomic: a broken connection \
leaves part of it), `rename processed/` moves the file that the payload came from, `delete` deletes it. The \
default is `put`.";

/// What the connector is.
pub fn descriptor() -> Descriptor {
    let endpoint = |name: &str, title: &str, description: &str, command: &str, order: &[&str]| Endpoint {
        name: name.to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
        options_schema: options_schema(command, order).as_value().to_string(),
    };
    Descriptor {
        id: "ftp".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: "FTP".to_owned(),
        description: DESCRIPTION.to_owned(),
        connection_schema: connection_schema().as_value().to_string(),
        endpoints: vec![
            endpoint("ftp-get", "Receive files", GET_DESCRIPTION, "get", &[]),
            endpoint(
                "ftp-put",
                "Send or change files",
                PUT_DESCRIPTION,
                "put",
                &PUT_ORDER,
            ),
        ],
        details: None,
    }
}

/// Checks settings and options, and names every host and port that the call will need.
pub fn plan(endpoint: Option<&str>, call: &Call) -> Result<Vec<Egress>, Error> {
    let connection = Connection::parse(&call.connection)?;
    let default = match endpoint {
        Some("ftp-get") => Some(Verb::Get),
        Some("ftp-put") => Some(Verb::Put),
        Some(other) => {
            return Err(Error::new(
                Kind::InvalidSettings,
                format!("There is no endpoint `{other}`."),
            ));
        }
        // A check has no options.
        None => None,
    };
    if let Some(default) = default {
        check_stated(&Options::parse(&call.options)?, &connection, default)?;
    }
    let control = Egress {
        host: connection.host.clone(),
        first_port: connection.port(),
        last_port: connection.port(),
        direction: Direction::Connect,
        secondary: false,
        reason: "FTP control connection".to_owned(),
    };
    let data = data_egress(&connection);
    Ok(vec![control, data])
}

/// Where data connections go or come from.
fn data_egress(connection: &Connection) -> Egress {
    let host = || connection.host.clone();
    // Servers pick from these; below are services that nobody wants to be talked into connecting to.
    let picked = (1024, u16::MAX);
    let passive = "FTP data connections, on ports that the server picks (passive mode)";
    let (host, ports, direction, reason) = match (connection.data_connection, connection.data_address) {
        (DataConnection::Active, _) => (
            host(),
            connection
                .active_ports
                .map_or((1, u16::MAX), |range| (range.first, range.last)),
            Direction::Accept,
            "FTP data connections that the server opens (active mode)",
        ),
        (_, DataAddress::Fixed(address)) => (
            address.to_string(),
            picked,
            Direction::Connect,
            "FTP data connections, to the address in `data_address`, on ports that the server picks \
             (passive mode)",
        ),
        // EPSV gives no address, so there is none to follow.
        (DataConnection::Auto | DataConnection::Pasv, DataAddress::AsGiven) => (
            "*".to_owned(),
            picked,
            Direction::Connect,
            "FTP data connections, to whatever address and port the server names in its answer to PASV \
             (`data_address` is `as-given`)",
        ),
        _ => (host(), picked, Direction::Connect, passive),
    };
    Egress {
        host,
        first_port: ports.0,
        last_port: ports.1,
        direction,
        secondary: true,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_endpoints_show_the_same_options() {
        let descriptor = descriptor();
        let [get, put] = &descriptor.endpoints[..] else {
            panic!()
        };
        let names = |endpoint: &Endpoint| {
            let schema: serde_json::Value = serde_json::from_str(&endpoint.options_schema).unwrap();
            let properties = schema["properties"].as_object().unwrap();
            properties.keys().cloned().collect::<Vec<_>>()
        };
        let (mut of_get, mut of_put) = (names(get), names(put));
        assert_eq!((of_get[0].as_str(), of_put[0].as_str()), ("path", "command"));
        of_get.sort_unstable();
        of_put.sort_unstable();
        assert_eq!(of_get, of_put);
        let default = |endpoint: &Endpoint| {
            let schema: serde_json::Value = serde_json::from_str(&endpoint.options_schema).unwrap();
            schema.pointer("/properties/command/default").cloned()
        };
        assert_eq!(
            (default(get), default(put)),
            (Some("get".into()), Some("put".into()))
        );
    }

    #[test]
    fn the_plan_names_ports() {
        let call = |connection: &str| Call {
            connection: connection.to_owned(),
            options: "{}".to_owned(),
        };
        let passive = plan(Some("ftp-get"), &call(r#"{"host":"h","port":2121}"#)).unwrap();
        assert_eq!(
            (passive[0].first_port, passive[0].last_port, passive[0].secondary),
            (2121, 2121, false)
        );
        assert!(passive[1].secondary && passive[1].direction == Direction::Connect);
        let active = plan(
            Some("ftp-get"),
            &call(r#"{"host":"h","data_connection":"active"}"#),
        )
        .unwrap();
        assert!(active[1].secondary && active[1].direction == Direction::Accept);
        for (tls, port) in [("explicit", 21), ("implicit", 990)] {
            let secured = call(&format!(r#"{{"host":"h","tls":"{tls}"}}"#));
            assert_eq!(plan(Some("ftp-get"), &secured).unwrap()[0].first_port, port);
        }
    }

    #[test]
    fn the_plan_says_where_data_connections_go() {
        for (more, host, ports, direction) in [
            ("", "h", (1024, 65535), Direction::Connect),
            (
                r#","data_address":"192.0.2.10""#,
                "192.0.2.10",
                (1024, 65535),
                Direction::Connect,
            ),
            (
                r#","data_address":"as-given""#,
                "*",
                (1024, 65535),
                Direction::Connect,
            ),
            (
                r#","data_address":"as-given","data_connection":"epsv""#,
                "h",
                (1024, 65535),
                Direction::Connect,
            ),
            (
                r#","data_connection":"active","active_ports":"50000-50100""#,
                "h",
                (50000, 50100),
                Direction::Accept,
            ),
        ] {
            let call = Call {
                connection: format!(r#"{{"host":"h"{more}}}"#),
                options: "{}".to_owned(),
            };
            let data = &plan(None, &call).unwrap()[1];
            assert_eq!(
                (data.host.as_str(), (data.first_port, data.last_port)),
                (host, ports),
                "{more}"
            );
            assert!(data.secondary && data.direction == direction);
        }
    }
}
