//! What the connector and its endpoints are, and what a call will reach. Nothing here calls the host, but what it hands on
//! to `check` and `flow`.

use flow_connector::schemars::Schema;
use flow_connector::{Call, CheckStep, Connector, Direction, Egress, Endpoint, Error, Summary};

use crate::check::check;
use crate::command::Verb;
use crate::flow;
use crate::held::HOST;
use crate::settings::{Connection, DataAddress, DataConnection, Options, options_schema};
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

/// The connector.
pub struct Ftp;

impl Connector for Ftp {
    type Connection = Connection;

    const ID: &str = "ftp";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const TITLE: &str = "FTP";
    const DESCRIPTION: &str = DESCRIPTION;

    fn connection(json: &str) -> Result<Connection, Error> {
        Ok(Connection::parse(json)?)
    }

    /// Every host and port that a call will need.
    fn egress(connection: &Connection) -> Vec<Egress> {
        let control = Egress {
            host: connection.host.clone(),
            first_port: connection.port(),
            last_port: connection.port(),
            direction: Direction::Connect,
            secondary: false,
            reason: "FTP control connection".to_owned(),
        };
        vec![control, data_egress(connection)]
    }

    fn check(connection: &Connection, probe_write: bool) -> Result<Vec<CheckStep>, Error> {
        Ok(check(connection, probe_write, HOST)?)
    }
}

/// `ftp-get`.
pub struct Get;

impl Endpoint for Get {
    type Connector = Ftp;
    type Options = Options;

    const TITLE: &str = "Receive files";
    const DESCRIPTION: &str = GET_DESCRIPTION;

    fn options(json: &str) -> Result<Options, Error> {
        Ok(Options::parse(json)?)
    }

    fn options_schema() -> Schema {
        options_schema("get", &[])
    }

    fn examine(connection: &Connection, options: &Options) -> Result<(), Error> {
        Ok(check_stated(options, connection, Verb::Get)?)
    }

    fn run(call: &Call<Self>) -> Result<Summary, Error> {
        flow::run(&call.connection, Verb::Get)
    }
}

/// `ftp-put`.
pub struct Put;

impl Endpoint for Put {
    type Connector = Ftp;
    type Options = Options;

    const TITLE: &str = "Send or change files";
    const DESCRIPTION: &str = PUT_DESCRIPTION;

    fn options(json: &str) -> Result<Options, Error> {
        Ok(Options::parse(json)?)
    }

    fn options_schema() -> Schema {
        options_schema("put", &PUT_ORDER)
    }

    fn examine(connection: &Connection, options: &Options) -> Result<(), Error> {
        Ok(check_stated(options, connection, Verb::Put)?)
    }

    fn run(call: &Call<Self>) -> Result<Summary, Error> {
        flow::run(&call.connection, Verb::Put)
    }
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
    use flow_connector::harness::rules::assert_described;

    #[test]
    fn it_describes_itself_as_hosts_want_it() {
        assert_described::<Ftp>();
    }

    #[test]
    fn both_endpoints_show_the_same_options() {
        let (get, put) = (Get::options_schema(), Put::options_schema());
        let names = |schema: &Schema| {
            let properties = schema.get("properties").unwrap().as_object().unwrap();
            properties.keys().cloned().collect::<Vec<_>>()
        };
        let (mut of_get, mut of_put) = (names(&get), names(&put));
        assert_eq!((of_get[0].as_str(), of_put[0].as_str()), ("path", "command"));
        of_get.sort_unstable();
        of_put.sort_unstable();
        assert_eq!(of_get, of_put);
        let default = |schema: &Schema| schema.pointer("/properties/command/default").cloned();
        assert_eq!(
            (default(&get), default(&put)),
            (Some("get".into()), Some("put".into()))
        );
    }

    #[test]
    fn the_plan_names_ports() {
        let plan = |connection: &str| Ftp::egress(&Connection::parse(connection).unwrap());
        let passive = plan(r#"{"host":"h","port":2121}"#);
        assert_eq!(
            (passive[0].first_port, passive[0].last_port, passive[0].secondary),
            (2121, 2121, false)
        );
        assert!(passive[1].secondary && passive[1].direction == Direction::Connect);
        let active = plan(r#"{"host":"h","data_connection":"active"}"#);
        assert!(active[1].secondary && active[1].direction == Direction::Accept);
        for (tls, port) in [("explicit", 21), ("implicit", 990)] {
            let secured = plan(&format!(r#"{{"host":"h","tls":"{tls}"}}"#));
            assert_eq!(secured[0].first_port, port);
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
            let connection = Connection::parse(&format!(r#"{{"host":"h"{more}}}"#)).unwrap();
            let data = data_egress(&connection);
            assert_eq!(
                (data.host.as_str(), (data.first_port, data.last_port)),
                (host, ports),
                "{more}"
            );
            assert!(data.secondary && data.direction == direction);
        }
    }
}
