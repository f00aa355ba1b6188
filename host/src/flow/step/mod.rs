//! The kinds of steps, one a file. Each makes *one try* over the payloads that wait for it; trying again is the
//! runner's.

pub mod endpoint;
pub mod http;
pub mod path;
pub mod read;
pub mod write;

use super::Flow;
use super::runner::book::{Book, Item};
use super::template::Scope;
use crate::contract::{Effect, Error, ErrorKind, LogLevel};
use crate::event::Events;
use crate::failure::Failure;
use crate::instance::Instance;
use crate::policy::Policy;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// Calls an endpoint of a connector.
    Endpoint(endpoint::EndpointStep),
    /// Sends payloads to a web server.
    Http(http::HttpStep),
    /// Makes payloads of local files.
    Read(read::ReadStep),
    /// Writes payloads to local files.
    Write(write::WriteStep),
}

impl Action {
    /// All templates of the step: JSON Pointer below the step, and source.
    #[must_use]
    pub fn templates(&self) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = match self {
            Self::Endpoint(step) => {
                let source = |pointer: &String| step.options.pointer(pointer)?.as_str().map(str::to_owned);
                let template = |pointer| Some((format!("/options{pointer}"), source(pointer)?));
                step.templates.iter().filter_map(template).collect()
            }
            Self::Http(step) => step.templates(),
            Self::Read(step) => vec![("/folder/read".to_owned(), step.path.clone())],
            Self::Write(step) => {
                let name = step
                    .name
                    .iter()
                    .map(|name| ("/folder/name".to_owned(), name.clone()));
                name.chain([("/folder/write".to_owned(), step.folder.clone())])
                    .collect()
            }
        };
        fields.retain(|(_, source)| super::template::is_template(source));
        fields
    }

    /// Makes one try. What becomes of each payload is written into the step's book.
    pub(super) async fn attempt(&self, work: &Work<'_>, session: &mut Session) -> Result<(), Failure> {
        match self {
            Self::Endpoint(step) => step.attempt(work, session).await,
            Self::Http(step) => step.attempt(work, session).await,
            Self::Read(step) => step.attempt(work).await,
            Self::Write(step) => step.attempt(work).await,
        }
    }
}

/// What one try of a step works with.
pub(super) struct Work<'a> {
    /// The flow.
    pub(super) flow: &'a Flow,
    /// The step's id.
    pub(super) step: &'a str,
    /// What the step has to do, and what became of it.
    pub(super) book: &'a Arc<Book>,
    /// The try; the first is 1.
    pub(super) attempt: u32,
    /// Names for templates, without a payload's.
    pub(super) scope: &'a Scope,
    /// Identifies the run.
    pub(super) run_id: &'a str,
    /// Where events go; secrets are blacked out on the way.
    pub(super) events: &'a Events,
    /// Ends the run.
    pub(super) cancel: &'a CancellationToken,
    /// The quietest log lines of a connector that become events.
    pub(super) log_threshold: LogLevel,
    /// What the operator says: what connectors may reach and use.
    pub(super) policy: &'a Policy,
    /// When the step has to be done.
    pub(super) deadline: Instant,
    /// The step's time limit, to be named when it is over.
    pub(super) timeout: Duration,
}

impl Work<'_> {
    /// Waits for something, unless the run is cancelled or the step's time is up.
    ///
    /// # Errors
    /// When it is, or was already.
    pub(super) async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Failure::Cancelled),
            () = tokio::time::sleep_until(self.deadline) => {
                let message = format!("the step did not end within {:?}; give it a larger `timeout`", self.timeout);
                let error = Error { effect: Effect::Unknown, ..Error::new(ErrorKind::Timeout, message) };
                Err(Failure::Connector(error))
            }
            value = future => Ok(value),
        }
    }

    /// The next payload that this try has not had.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn next(&self) -> Result<Option<Item>, Failure> {
        self.book.next().map_err(|error| Failure::Host(error.into()))
    }
}

/// What lives as long as the run.
#[derive(Default)]
pub(super) struct Session {
    /// Live connectors by the name of their instance, and of the step that streams with it.
    pub(super) instances: HashMap<String, Instance>,
    /// The one client of all http steps.
    pub(super) client: Option<reqwest::Client>,
}

/// An error of a template for one payload, with the step and field that it is in.
fn template_error(step: &str, field: &str, error: &super::template::TemplateError) -> Error {
    Error::new(
        ErrorKind::InvalidSettings,
        format!("step `{step}`, {field}: {error}"),
    )
}
