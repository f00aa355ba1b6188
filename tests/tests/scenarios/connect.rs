//! Ways to connect.

use std::time::Duration;

use flow_tests::proxy::{CutProxy, Plan};
use flow_tests::run::{flow, get, put, with, write};
use flow_tests::servers::{FtpServer, Limits, free_range};
use serde_json::{Value, json};

use crate::arrange::{SHOP, Stage, files};

pub fn with_epsv(stage: &Stage) {
    there_and_back(stage, with(stage.server.settings(), "data_connection", "epsv"));
}

pub fn with_pasv(stage: &Stage) {
    there_and_back(stage, with(stage.server.settings(), "data_connection", "pasv"));
}

pub fn with_active_data_connections(stage: &Stage) {
    there_and_back(stage, with(stage.server.settings(), "data_connection", "active"));
}

/// In the answer to PASV these servers name the address that we came to.
pub fn with_the_address_in_the_answer(stage: &Stage) {
    let settings = with(stage.server.settings(), "data_address", "as-given");
    there_and_back(stage, with(settings, "data_connection", "pasv"));
}

pub fn with_a_fixed_address_for_data(stage: &Stage) {
    let settings = with(stage.server.settings(), "data_address", "127.0.0.1");
    there_and_back(stage, with(settings, "data_connection", "pasv"));
}

/// The server is told one of the ports that the firewall lets through.
pub fn with_active_data_connections_in_a_range_of_ports(stage: &Stage) {
    let (first, last) = free_range().expect("40 free ports");
    let proxy = CutProxy::before(&stage.server, Plan::new());
    let settings = with(proxy.settings(&stage.server), "data_connection", "active");
    there_and_back(stage, with(settings, "active_ports", format!("{first}-{last}")));
    let commands = proxy.commands();
    let ports: Vec<u16> = commands.iter().filter_map(|line| announced_port(line)).collect();
    assert!(ports.len() >= 5, "{commands:?}");
    assert!(
        ports.iter().all(|port| (first..=last).contains(port)),
        "{first}-{last}: {commands:?}"
    );
}

/// The port in a PORT or EPRT command.
fn announced_port(line: &str) -> Option<u16> {
    if let Some(numbers) = line.strip_prefix("PORT ") {
        let numbers: Vec<u16> = numbers
            .split(',')
            .filter_map(|number| number.parse().ok())
            .collect();
        return Some(numbers.get(4)? * 256 + numbers.get(5)?);
    }
    line.strip_prefix("EPRT |")?.split('|').nth(2)?.parse().ok()
}

/// A listing that is in the server's own time is read in the time zone that the settings name; the facts of MLSD
/// are in UTC, whatever they name.
pub fn to_a_server_in_another_time_zone(stage: &Stage) {
    let limits = Limits {
        time_zone: Some("Asia/Tokyo"),
        ..stage.server.limits
    };
    let server = FtpServer::start_with(stage.server.kind, limits).expect("the server starts");
    let server = server.expect("it has started before");
    let age = Duration::from_mins(20);
    server.write_aged("outbound/a.txt", "hello", age);
    let within = |zone: &str, min: &str, max: &str| {
        let settings = with(server.settings(), "timezone", zone);
        let options = json!({ "root": "outbound", "path": ".*", "min_age": min, "max_age": max });
        let run = stage
            .bench
            .run(&flow(&[(SHOP, settings)], vec![get(SHOP, options)]));
        assert_eq!(run.code, Some(0), "{run}");
        run.finished()["payloads"] == 1
    };
    assert!(within("Asia/Tokyo", "15m", "25m"));
    assert!(within("+09:00", "15m", "25m"));
    // Read in another zone, a time of LIST is another; one of MLSD stays what it is.
    assert_eq!(within("UTC", "15m", "25m"), stage.server.kind.has_mlsd());
}

/// A listing, two downloads and two uploads, one of them empty.
fn there_and_back(stage: &Stage, settings: Value) {
    stage.server.write("outbound/a.txt", "hello");
    stage.server.write("outbound/empty.txt", "");
    let steps = vec![
        get(SHOP, json!({ "root": "outbound", "path": ".*" })),
        write("in"),
        put("put", SHOP, json!({ "path": "inbound/" })),
    ];
    let run = stage.bench.run(&flow(&[(SHOP, settings)], steps));
    run.assert_ok(2);
    assert_eq!(stage.local("in"), files([("a.txt", "hello"), ("empty.txt", "")]));
    assert_eq!(stage.server.read("inbound/a.txt").as_deref(), Some(&b"hello"[..]));
    assert_eq!(stage.server.read("inbound/empty.txt").as_deref(), Some(&b""[..]));
}
