//! What the requests are about: connectors by their names, live instances by theirs, and the calls that are under way.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowhost::component::Connector;
use flowhost::contract::CONTRACT_VERSION;
use flowhost::engine::{Runtime, RuntimeOptions};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::nothing;
use super::outcome::{Outcome, given, refused, reply};
use super::suite::Suite;
use super::words;
use crate::protocol::PROTOCOL;
use crate::protocol::event::{Failed, Hello, Loaded, Reply};
use crate::protocol::request::{Start, Task};

/// The host under test.
pub(super) struct Host {
    suite: Suite,
    runtime: Arc<Runtime>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    connectors: HashMap<String, Arc<Connector>>,
    /// None: it was there, and is gone.
    instances: HashMap<String, Option<Arc<Live>>>,
    /// What ends the calls and checks that are under way.
    under_way: HashMap<u64, CancellationToken>,
}

impl Host {
    /// # Errors
    /// When this machine cannot run components.
    pub(super) fn new(suite: Suite) -> anyhow::Result<Self> {
        Ok(Self {
            suite,
            // What is loaded once in a run of the suite needs no cache.
            runtime: Runtime::new(RuntimeOptions::default())?,
            known: Mutex::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call or check is under way. What ends it is known from now on.
    pub(super) fn begin(&self, id: u64) -> CancellationToken {
        let cancel = CancellationToken::new();
        self.known().under_way.insert(id, cancel.clone());
        cancel
    }

    /// A request is done.
    pub(super) fn end(&self, id: u64, reply: Reply) {
        self.known().under_way.remove(&id);
        self.suite.reply(reply);
    }

    /// Asks all calls to end.
    pub(super) fn cancel_all(&self) {
        self.known()
            .under_way
            .values()
            .for_each(CancellationToken::cancel);
    }

    /// Does what a request wants; `cancel` ends it, where it can be ended.
    pub(super) async fn perform(&self, id: u64, task: Task, cancel: Option<CancellationToken>) -> Reply {
        let cancel = cancel.unwrap_or_default();
        let outcome = match task {
            Task::Hello { protocol } => hello(protocol),
            Task::Load { name, component } => self.load(name, &component).await,
            Task::Start(start) => self.start(start).await,
            Task::Plan {
                instance,
                endpoint,
                connection,
                options,
            } => match self.instance(&instance) {
                Ok(live) => live.plan(endpoint.as_deref(), connection, options).await,
                Err(failed) => Err(failed),
            },
            Task::Check {
                instance,
                connection,
                probe_write,
                limit_ms,
            } => match self.instance(&instance) {
                Ok(live) => live.check(id, &connection, probe_write, limit_ms, cancel).await,
                Err(failed) => Err(failed),
            },
            Task::Call(call) => match self.instance(&call.instance) {
                Ok(live) => return live.call(id, call, cancel).await,
                Err(failed) => Err(failed),
            },
            Task::Cancel { call } => {
                if let Some(cancel) = self.known().under_way.get(&call) {
                    cancel.cancel();
                }
                Ok(nothing())
            }
            Task::End { instance } => self.end_instance(&instance),
        };
        reply(id, outcome)
    }

    async fn load(&self, name: String, component: &Path) -> Outcome {
        let bytes = tokio::fs::read(component)
            .await
            .map_err(|error| refused(format!("{} cannot be read: {error}", component.display())))?;
        let connector = self.runtime.load(&bytes).await;
        let connector = connector.map_err(|error| refused(error.to_string()))?;
        let loaded = Loaded {
            endpoints: connector.endpoints().map(str::to_owned).collect(),
            descriptor: words::descriptor(&connector.descriptor),
        };
        self.known().connectors.insert(name, connector);
        given(&loaded)
    }

    async fn start(&self, start: Start) -> Outcome {
        let name = start.instance.clone();
        let connector = self.known().connectors.get(&start.connector).cloned();
        let connector =
            connector.ok_or_else(|| refused(format!("no connector {:?} is loaded", start.connector)))?;
        if self.instance(&name).is_ok_and(|live| live.is_there()) {
            return Err(refused(format!("there is an instance {name:?} already")));
        }
        let live = Live::start(&self.suite, &connector, start).await?;
        self.known().instances.insert(name, Some(Arc::new(live)));
        Ok(nothing())
    }

    fn instance(&self, name: &str) -> Result<Arc<Live>, Failed> {
        match self.known().instances.get(name) {
            Some(Some(live)) => Ok(Arc::clone(live)),
            Some(None) => Err(refused(format!("the instance {name:?} has ended"))),
            None => Err(refused(format!("there is no instance {name:?}"))),
        }
    }

    /// Ends an instance, also one that is gone.
    fn end_instance(&self, name: &str) -> Outcome {
        match self.known().instances.get_mut(name) {
            Some(live) => {
                *live = None;
                Ok(nothing())
            }
            None => Err(refused(format!("there is no instance {name:?}"))),
        }
    }
}

fn hello(protocol: u32) -> Result<Value, Failed> {
    if protocol != PROTOCOL {
        return Err(refused(format!(
            "this adapter speaks protocol {PROTOCOL}, not {protocol}"
        )));
    }
    given(&Hello {
        name: "flowhost".to_owned(),
        // All crates of the workspace have one version.
        version: env!("CARGO_PKG_VERSION").to_owned(),
        contract: CONTRACT_VERSION.to_owned(),
        protocol: PROTOCOL,
    })
}
