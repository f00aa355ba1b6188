//! The kinds of steps, one a file. Each makes *one try* over a set of payloads; trying again is the
//! runner's.

pub mod endpoint;
pub mod http;
pub mod path;
pub mod read;
pub mod write;

use super::Flow;
use super::template::Scope;
use crate::contract::{Effect, Error, ErrorKind, LogLevel, Metadata};
use crate::event::Events;
use crate::failure::Failure;
use crate::imports::exchange::Exchange;
use crate::instance::Instance;
use crate::payload::Payload;
use crate::policy::Policy;
use crate::state::spool::Spool;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
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

    /// Makes one try.
    pub async fn attempt(
        &self,
        work: &Work<'_>,
        session: &mut Session,
        memory: &mut Memory,
        inbox: Vec<Payload>,
    ) -> Tried {
        match self {
            Self::Endpoint(step) => step.attempt(work, session, memory, inbox).await,
            Self::Http(step) => step.attempt(work, session, inbox).await,
            Self::Read(step) => step.attempt(work, memory, inbox).await,
            Self::Write(step) => step.attempt(work, memory, inbox).await,
        }
    }
}

/// What one try of a step works with.
pub struct Work<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// The step's id.
    pub step: &'a str,
    /// The try; the first is 1.
    pub attempt: u32,
    /// Names for templates, without a payload's.
    pub scope: &'a Scope,
    /// Identifies the run.
    pub run_id: &'a str,
    /// Where events go; secrets are blacked out on the way.
    pub events: &'a Events,
    /// Ends the run.
    pub cancel: &'a CancellationToken,
    /// Where bodies go.
    pub spool: &'a Arc<Spool>,
    /// The quietest log lines of a connector that become events.
    pub log_threshold: LogLevel,
    /// What the operator says: what connectors may reach and use.
    pub policy: &'a Policy,
    /// When the step has to be done.
    pub deadline: Instant,
    /// The step's time limit, to be named when it is over.
    pub timeout: Duration,
}

impl Work<'_> {
    /// Waits for something, unless the run is cancelled or the step's time is up.
    ///
    /// # Errors
    /// When it is, or was already.
    pub async fn within<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
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

    /// Whether a payload only stands for the run itself.
    #[must_use]
    pub fn is_trigger(&self, payload: &Payload) -> bool {
        payload.body.is_none() && payload.metadata.id == self.run_id
    }
}

/// What lives as long as the run.
#[derive(Default)]
pub struct Session {
    /// Live connectors by the name of their instance.
    pub instances: HashMap<String, Instance>,
    /// The one client of all http steps.
    pub client: Option<reqwest::Client>,
}

/// What a step remembers from one try to the next.
#[derive(Default)]
pub struct Memory {
    /// Of an endpoint: what was accepted is not taken again.
    pub exchange: Option<Exchange>,
    /// Of a folder that is read: files that are payloads already.
    pub found: HashSet<PathBuf>,
    /// Of a folder that is written: files of this run, and the payload that each holds.
    pub written: HashMap<PathBuf, String>,
}

/// What one try did.
#[derive(Debug, Default)]
pub struct Tried {
    /// Payloads made.
    pub made: Vec<Payload>,
    /// Payloads passed on.
    pub passed: Vec<Payload>,
    /// Payloads that ended here and may have made others.
    pub consumed: Vec<Payload>,
    /// Payloads that failed.
    pub failed: Vec<(Payload, Error)>,
    /// Payloads that were begun and given up.
    pub lost: Vec<(Metadata, Error)>,
    /// Payloads that were not touched, or of which nothing is known but the failure.
    pub untouched: Vec<Payload>,
    /// Why the try as a whole failed, if it did.
    pub failure: Option<Failure>,
    /// Things that were skipped.
    pub skipped: u64,
    /// Bytes of bodies that moved.
    pub bytes: u64,
    /// Problems with payloads that did not fail, each told already.
    pub problems: u64,
}

impl Tried {
    /// Sorts in what became of one payload of a step that takes them one after the other, and gives it back when it
    /// is done. When the step has to end, what is left of the inbox stays untouched.
    fn sort<T>(
        &mut self,
        payload: Payload,
        answer: Result<Result<T, Error>, Failure>,
        inbox: &mut VecDeque<Payload>,
    ) -> Option<(Payload, T)> {
        match answer {
            Ok(Ok(value)) => return Some((payload, value)),
            Ok(Err(error)) => self.failed.push((payload, error)),
            Err(failure) => {
                self.untouched.push(payload);
                self.untouched.extend(inbox.drain(..));
                self.failure = Some(failure);
            }
        }
        None
    }
}

/// An error of a template for one payload, with the step and field that it is in.
fn template_error(step: &str, field: &str, error: &super::template::TemplateError) -> Error {
    Error::new(
        ErrorKind::InvalidSettings,
        format!("step `{step}`, {field}: {error}"),
    )
}
