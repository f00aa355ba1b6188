//! flowhost's adapter for the conformance suite: a program that embeds flowhost as a library and does what the suite
//! writes, line by line (`docs/conformance.md`).
//!
//! # A tour
//!
//! - `run`: reads lines until there are no more.
//! - `suite`: the other end: what is written to it, what it is asked, and its answers.
//! - `host`: what the requests are about: connectors, instances, calls that are under way. `live`: one instance.
//! - `start`: a policy of the suite in flowhost's words. `settings`: settings and options against their schemas.
//! - `flow`: the flow's side of a call, which asks the suite. `body`: bodies on their way to it, at its pace.
//! - `outcome`: how a call ended. `words`: the contract's words, between flowhost and the protocol.

mod body;
mod flow;
mod host;
mod live;
mod outcome;
mod settings;
mod start;
mod suite;
mod words;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::protocol::event::{Failed, FailedKind, Reply};
use crate::protocol::request::{Line, Request, Task};
use host::Host;
use suite::Suite;

/// How long a connector has to return once it is asked to. The contract says that a second is soon.
const GRACE: Duration = Duration::from_secs(2);

/// Does what the suite writes to standard input, until that ends.
///
/// # Errors
/// When this machine cannot run components, or the suite cannot be read.
pub async fn run() -> anyhow::Result<()> {
    let (suite, written) = Suite::new();
    let host = Arc::new(Host::new(suite.clone())?);
    let mut requests = JoinSet::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.context("the suite cannot be read")? {
        match Line::parse(&line) {
            Ok(Line::Request(Request { id, task })) => {
                // Before the next line is read: that may cancel it.
                let cancel = matches!(task, Task::Call(_) | Task::Check { .. }).then(|| host.begin(id));
                let host = Arc::clone(&host);
                requests.spawn(async move {
                    let reply = host.perform(id, task, cancel).await;
                    host.end(id, reply);
                });
            }
            Ok(Line::Answer(answer)) => suite.answer(answer),
            Ok(Line::Take(take)) => suite.take(take),
            Err(error) => suite.reply(misread(&line, &error)?),
        }
        while requests.try_join_next().is_some() {}
    }
    host.cancel_all();
    let _ = timeout(2 * GRACE, requests.join_all()).await; // The rest ends with the process.
    suite.close();
    written.await.context("the suite cannot be written to")
}

/// The reply to a line that cannot be read.
///
/// # Errors
/// When nobody waits for one.
fn misread(line: &str, error: &serde_json::Error) -> anyhow::Result<Reply> {
    let id = serde_json::from_str(line).map_or(None, |line: Value| line["id"].as_u64());
    let id = id.with_context(|| format!("this line cannot be read: {error}: {line}"))?;
    Ok(Reply {
        id,
        ok: None,
        failed: Some(Failed {
            kind: FailedKind::Host,
            message: format!("the request cannot be read: {error}"),
            error: None,
        }),
        unsettled: Vec::new(),
    })
}

/// What `ok` holds where there is nothing to say.
fn nothing() -> Value {
    json!({})
}
