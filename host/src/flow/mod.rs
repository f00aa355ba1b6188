//! Flows: the file, its checks, and the runner.
//!
//! - [`document`], [`file`](mod@file), [`schema`], [`secret`], [`redact`], [`template`]: what a flow file may say, and
//!   words for what it should not have said, each with its line.
//! - [`mod@load`]: from the file to a [`Flow`] that is ready to run: everything that can be known before
//!   anything connects is checked here.
//! - [`trigger`]: what starts a run of a flow that is served.
//! - [`runner`]: runs the steps of a flow, one after the other, over the payloads in the ledger. [`step`] has one file
//!   for each kind of step; [`mod@retry`] the arithmetic of trying again, [`dedupe`] what was had before.

pub mod dedupe;
pub mod document;
pub mod file;
pub mod load;
pub mod problem;
pub mod redact;
pub mod retry;
pub mod runner;
pub mod schema;
pub mod secret;
pub mod step;
pub mod template;
pub mod trigger;

use crate::component::Connector;
use crate::tls::Identities;
use dedupe::Dedupe;
use file::{Delivery, OnError, Overlap};
use retry::RetryPolicy;
use secrecy::SecretString;
use secret::Redactor;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use step::Action;
use trigger::Trigger;

pub use load::{LoadOptions, load};
pub use problem::{Problem, Problems};
pub use runner::{Again, RunOptions, RunReport, Status, retry, run};

/// A checked flow, ready to run.
#[derive(Debug)]
pub struct Flow {
    /// Its name in reports.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// What happens when it is to run while a run of it goes on.
    pub overlap: Overlap,
    /// What templates see as `vars`.
    pub variables: BTreeMap<String, String>,
    /// Connectors with their settings.
    pub instances: BTreeMap<String, Configured>,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// What starts a run while the flow is served.
    pub triggers: Vec<Trigger>,
    /// Blacks out the flow's secrets.
    pub redactor: Redactor,
}

/// A connector with settings that fit its schema.
pub struct Configured {
    /// The connector.
    pub connector: Arc<Connector>,
    /// The settings with all secrets filled in, as JSON.
    pub connection: SecretString,
    /// The client certificates that it may use.
    pub identities: Arc<Identities>,
}

impl std::fmt::Debug for Configured {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Configured")
            .field("connector", &self.connector.descriptor.id)
            .finish_non_exhaustive()
    }
}

/// A checked step.
#[derive(Debug)]
pub struct Step {
    /// Its name in reports; no two steps of a flow have the same.
    pub id: String,
    /// What it does.
    pub action: Action,
    /// What it does not take again.
    pub dedupe: Dedupe,
    /// Whether its documents are stored before the next step gets them.
    pub delivery: Delivery,
    /// How often it tries.
    pub retry: RetryPolicy,
    /// What a failure means for the run.
    pub on_error: OnError,
    /// Limit for the whole step with all its tries.
    pub timeout: Duration,
}
