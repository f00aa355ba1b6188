//! A step that calls an endpoint of a connector.

mod desk;
mod streaming;

use super::{Session, Work, template_error};
use crate::contract::{Call, Error, ErrorKind};
use crate::failure::Failure;
use crate::flow::Configured;
use crate::flow::document::field_name;
use crate::flow::schema::Schema;
use crate::flow::template::Scope;
use crate::instance::{Instance, RunContext};
use crate::payload::Payload;
use desk::Desk;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::sync::Arc;
use tokio::time::Instant;

/// Calls an endpoint of a connector.
#[derive(Debug)]
pub struct EndpointStep {
    /// The instance's name.
    pub instance: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// The options as written.
    pub options: Value,
    /// The pointers of the templates in the options.
    pub templates: Vec<String>,
    /// The schema of the options.
    pub schema: Arc<Schema>,
    /// Whether its documents go to the next step as they come.
    pub streams: bool,
}

impl EndpointStep {
    pub(super) async fn attempt(&self, work: &Work<'_>, session: &mut Session) -> Result<(), Failure> {
        if self.streams {
            return streaming::attempt(self, work, session).await;
        }
        let desk = Desk::new(self, work);
        let mut instance = self.live(&self.instance, work, session).await?;
        let call = self.call(work)?;
        let limit = work.deadline.saturating_duration_since(Instant::now());
        let (_, answer) = instance
            .call(work.step, &self.endpoint, &call, work.attempt, limit, desk)
            .await;
        session.instances.insert(self.instance.clone(), instance);
        match answer {
            Ok(summary) => {
                work.book.count(summary.skipped, summary.bytes);
                Ok(())
            }
            // The call had what was left of the step's time; what can be changed is the step's.
            Err(Failure::TimeOut(_)) if Instant::now() >= work.deadline => {
                Err(Failure::TimeOut(work.timeout))
            }
            Err(failure) => Err(failure.tamed()),
        }
    }

    /// What the endpoint is called with.
    fn call(&self, work: &Work<'_>) -> Result<Call, Failure> {
        Ok(Call {
            connection: self.configured(work)?.connection.expose_secret().to_owned(),
            options: self.options.to_string(),
        })
    }

    fn configured<'a>(&self, work: &Work<'a>) -> Result<&'a Configured, Failure> {
        work.flow.instances.get(&self.instance).ok_or_else(|| {
            let error = anyhow::anyhow!("the flow has no instance {}", self.instance);
            Failure::Host(error)
        })
    }

    /// The run's live connector; a new one for the first call, and after one that did not survive its call.
    async fn live(&self, key: &str, work: &Work<'_>, session: &mut Session) -> Result<Instance, Failure> {
        if let Some(instance) = session.instances.remove(key).filter(Instance::is_alive) {
            return Ok(instance);
        }
        let configured = self.configured(work)?;
        let run = RunContext {
            log_threshold: work.log_threshold,
            cancel: work.cancel.clone(),
            policy: work.policy.of(&self.instance),
            identities: Arc::clone(&configured.identities),
            ..RunContext::new(work.run_id, &self.instance, work.events.clone())
        };
        Instance::start(&configured.connector, run).await
    }
}

/// Fills in an endpoint's options for payloads. It outlives the borrow of the step: the desk of a live connector has it.
pub(super) struct Filler {
    step: String,
    options: Value,
    templates: Vec<String>,
    schema: Arc<Schema>,
    scope: Scope,
}

impl Filler {
    /// For an endpoint in the step with this id.
    pub(super) fn of(step: &EndpointStep, id: &str, work: &Work<'_>) -> Self {
        Self {
            step: id.to_owned(),
            options: step.options.clone(),
            templates: step.templates.clone(),
            schema: Arc::clone(&step.schema),
            scope: work.scope.clone(),
        }
    }

    /// The options for a payload, as JSON text.
    pub(super) fn fill(&self, payload: &Payload) -> Result<String, Error> {
        if self.templates.is_empty() {
            return Ok(self.options.to_string());
        }
        let field = |pointer: &str| field_name(&format!("/options{pointer}"));
        let scope = self.scope.with(payload);
        let mut options = scope
            .render_all(&self.options, &self.templates)
            .map_err(|(pointer, error)| template_error(&self.step, &field(&pointer), &error))?;
        self.schema.coerce(&mut options, &self.templates);
        if let Some(finding) = self.schema.check(&options, |_| false).first() {
            let message = format!(
                "step `{}`, {}: what the template gives for this payload does not fit: {}",
                self.step,
                field(&finding.pointer),
                finding.message
            );
            return Err(Error::new(ErrorKind::InvalidSettings, message));
        }
        Ok(options.to_string())
    }
}
