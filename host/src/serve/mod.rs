//! Runs flows by their triggers, for as long as the process lives.
//!
//! - [`clock`]: when a schedule is due. `lane`: one flow: who leads it, what is due, what is going.
//! - `scheduler`: the one loop to which all of that belongs: the time, the files, the runs, and what others ask for. It
//!   never waits for any of them, so that the watchdog sees when it hangs.
//! - `files`, `load`: flow files that change while they are served.
//! - `http`, `listener`: starting runs over HTTP, [`health`] and [`metrics`]; what a connection may cost.
//! - [`journal`], `tell`: what is told. `systemd`: words with the service manager.

pub mod clock;
mod files;
pub mod health;
mod http;
pub mod journal;
mod lane;
mod listener;
mod load;
pub mod metrics;
mod scheduler;
mod systemd;
mod tell;

use crate::engine::Runtime;
use crate::flow::{Flow, Problems, RunOptions, problem};
use crate::state::store::Store;
use files::Files;
use journal::{Journal, Notice};
use metrics::Metrics;
use scheduler::Scheduler;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use systemd::Systemd;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What others ask of the scheduler at the same time, at most: more wait.
const ASKED: usize = 64;

/// How flows are served.
#[derive(Clone)]
pub struct ServeOptions {
    /// Loads connectors.
    pub runtime: Arc<Runtime>,
    /// Flow files, and folders whose `.yaml` and `.yml` files are flows.
    pub flows: Vec<PathBuf>,
    /// Values for the `variables` of those flows that have them.
    pub variables: BTreeMap<String, String>,
    /// Where the HTTP endpoints are.
    pub listen: SocketAddr,
    /// How long runs may go on after the end has begun.
    pub grace: Duration,
    /// How flows are run. Events, the run's id and its end are the scheduler's affair.
    pub run: RunOptions,
    /// Where it is told what happens.
    pub journal: Journal,
}

/// What the operator wants of a process that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Load all flows again.
    Reload,
    /// End in good order.
    Stop,
}

/// Why flows cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Some are wrong; each with its problems.
    #[error("{}", lines(.0))]
    Flows(Vec<Problems>),
    /// What was asked for cannot be.
    #[error("{0}")]
    Wrong(String),
    /// The state folder cannot be used.
    #[error("{0}; `--state` names another folder")]
    State(String),
    /// Nothing can listen there.
    #[error("cannot listen on {address}: {source}; `--http` names another address")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

fn lines(problems: &[Problems]) -> String {
    problems
        .iter()
        .enumerate()
        .fold(String::new(), |mut lines, (index, problems)| {
            let separator = if index == 0 { "" } else { "\n" };
            // A string takes everything.
            let _ = write!(lines, "{separator}{problems}");
            lines
        })
}

/// A flow as it is served, with what it was loaded from.
#[derive(Debug)]
struct Served {
    flow: Arc<Flow>,
    path: PathBuf,
    text: Arc<str>,
}

/// Serves flows until it is ordered to stop. All flows have to be right at the start; one that becomes wrong later
/// goes on as it was.
///
/// # Errors
/// When it cannot begin.
pub async fn serve(options: ServeOptions, orders: mpsc::Receiver<Order>) -> Result<(), ServeError> {
    let store = match &options.run.store {
        Some(store) => Arc::clone(store),
        None => Store::open(&options.run.state, options.run.spool_quota)
            .map_err(|error| ServeError::State(format!("{error:#}")))?,
    };
    let options = Arc::new(ServeOptions {
        run: RunOptions {
            store: Some(store),
            ..options.run
        },
        ..options
    });
    let look = files::look(&options.flows);
    let files = Files::begin(&look);
    let flows = load::all(&options, look).await?;
    check_variables(&options.variables, &flows)?;
    let failed = |source| ServeError::Listen {
        address: options.listen,
        source,
    };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let metrics = Arc::new(Metrics::new());
    let (asks, asked) = mpsc::channel(ASKED);
    let desk = http::Desk::new(Arc::clone(&options), asks, Arc::clone(&metrics));
    let listening = tokio::spawn(listener::listen(listener, http::router(desk)));
    let mut systemd = Systemd::new();
    systemd.ready();
    let serving = Notice::Serving {
        listen: address.to_string(),
        flows: flows.len(),
    };
    options.journal.notice(None, &serving);
    if !address.ip().is_loopback() {
        options.journal.notice(None, &Notice::ListensToOthers);
    }
    Scheduler::new(options, files, flows, metrics, systemd, asked, orders)
        .run()
        .await;
    listening.abort();
    Ok(())
}

/// A variable that no flow has is a mistake.
fn check_variables(variables: &BTreeMap<String, String>, flows: &[Served]) -> Result<(), ServeError> {
    let known = || flows.iter().flat_map(|served| served.flow.variables.keys());
    for name in variables.keys() {
        if !known().any(|one| one == name) {
            let hint = problem::hint(name, known().map(String::as_str));
            return Err(ServeError::Wrong(format!(
                "no flow has a variable `{name}` to set{hint}"
            )));
        }
    }
    Ok(())
}
