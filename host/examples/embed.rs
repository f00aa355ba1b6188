//! Loads the FTP connector, gets all CSV files of a folder, and prints what arrived.
//!
//! Usage: `embed HOST PORT USER PASSWORD FOLDER`

use flowhost::contract::Call;
use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::event::Events;
use flowhost::imports::exchange::{Exchange, Incoming};
use flowhost::instance::{Instance, RunContext};
use flowhost::payload::Payload;
use flowhost::policy::Policy;
use flowhost::state::spool::Spool;
use serde_json::json;
use std::time::Duration;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, user, password, folder] = arguments.as_slice() else {
        anyhow::bail!("usage: embed HOST PORT USER PASSWORD FOLDER");
    };

    // Once a process: the engine. Once a component: compile it and check it against the contract.
    let runtime = Runtime::new(RuntimeOptions::default())?;
    let connector = runtime.load(flowhost::FTP_COMPONENT).await?;

    // One live connector for one instance within one run.
    let events = Events::new(|event| eprintln!("{}", json!(event)));
    let run = RunContext {
        // Public addresses may be reached; one's own only when they are named, as whoever calls this program does.
        policy: Policy::default()
            .allow(host)
            .map_err(anyhow::Error::msg)?
            .of("server"),
        ..RunContext::new("run-1", "server", events)
    };
    let mut instance = Instance::start(&connector, run).await?;

    // The connection settings and the endpoint's options are JSON, described by the connector's schemas.
    let port: u16 = port.parse()?;
    let connection =
        json!({ "host": host, "port": port, "auth": { "username": user, "password": password } });
    let options = json!({ "root": folder, "path": r".*\.csv" }).to_string();
    let call = Call {
        connection: connection.to_string(),
        options: options.clone(),
    };

    // The first step of a flow is given the trigger of the run.
    let spool = Spool::create(&std::env::temp_dir(), None)?;
    let trigger = Incoming::new(Payload::trigger("run-1"), options);
    let exchange = Exchange::new(spool, [trigger]);
    let limit = Duration::from_mins(1);
    let (exchange, summary) = instance.call("pull", "ftp-get", &call, 1, limit, exchange).await;

    for payload in &exchange.accepted {
        println!(
            "{}: {} bytes",
            payload.label(),
            payload.body.as_ref().map_or(0, flowhost::state::body::Body::len)
        );
    }
    println!("{} payloads", summary?.payloads);
    Ok(())
}
