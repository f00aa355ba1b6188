//! A step that calls an endpoint of a connector.

use super::{Memory, Session, Tried, Work, template_error};
use crate::contract::{Call, Error, ErrorKind, Outcome};
use crate::failure::Failure;
use crate::flow::Configured;
use crate::flow::document::field_name;
use crate::flow::schema::Schema;
use crate::imports::exchange::{self, Exchange, Incoming};
use crate::instance::{Instance, RunContext};
use crate::payload::Payload;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::collections::VecDeque;
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
}

impl EndpointStep {
    pub(super) async fn attempt(
        &self,
        work: &Work<'_>,
        session: &mut Session,
        memory: &mut Memory,
        inbox: Vec<Payload>,
    ) -> Tried {
        let mut tried = Tried::default();
        let incoming = self.incoming(work, inbox, &mut tried);
        if incoming.is_empty() {
            return tried;
        }
        let Some(configured) = work.flow.instances.get(&self.instance) else {
            let error = anyhow::anyhow!("the flow has no instance {}", self.instance);
            return unstarted(tried, incoming, Failure::Host(error));
        };
        let mut instance = match live(&self.instance, configured, work, session).await {
            Ok(instance) => instance,
            Err(failure) => return unstarted(tried, incoming, failure),
        };
        let mut exchange = memory
            .exchange
            .take()
            .unwrap_or_else(|| Exchange::new(Arc::clone(work.spool), []));
        exchange.inbox = incoming;
        let call = Call {
            connection: configured.connection.expose_secret().to_owned(),
            options: self.options.to_string(),
        };
        let limit = work.deadline.saturating_duration_since(Instant::now());
        let (skipped_before, reported_before) = (exchange.skipped, exchange.reported.len());
        let (mut exchange, answer) = instance
            .call(work.step, &self.endpoint, &call, work.attempt, limit, exchange)
            .await;
        session.instances.insert(self.instance.clone(), instance);

        // What an earlier try took was skipped in this one; that is no skip of the run.
        let taken_before = if work.attempt > 1 {
            exchange.skipped - skipped_before
        } else {
            0
        };
        match answer {
            Ok(summary) => {
                tried.skipped = summary.skipped.saturating_sub(taken_before);
                tried.bytes = summary.bytes;
            }
            // The call had what was left of the step's time; what can be changed is the step's.
            Err(Failure::TimeOut(_)) if Instant::now() >= work.deadline => {
                tried.failure = Some(Failure::TimeOut(work.timeout));
            }
            Err(failure) => tried.failure = Some(failure),
        }
        tried.problems = (exchange.reported.len() - reported_before) as u64;
        collect(&mut exchange, &mut tried);
        memory.exchange = Some(exchange);
        tried
    }

    /// Fills in the templates for each payload; those for which that fails are failed at once.
    fn incoming(&self, work: &Work<'_>, inbox: Vec<Payload>, tried: &mut Tried) -> VecDeque<Incoming> {
        let as_written = self.options.to_string();
        let mut incoming = VecDeque::with_capacity(inbox.len());
        for payload in inbox {
            let options = if self.templates.is_empty() {
                Ok(as_written.clone())
            } else {
                self.render(work, &payload)
            };
            match options {
                Ok(options) => incoming.push_back(Incoming {
                    payload,
                    options,
                    earlier: None,
                }),
                Err(error) => tried.failed.push((payload, error)),
            }
        }
        incoming
    }

    fn render(&self, work: &Work<'_>, payload: &Payload) -> Result<String, Error> {
        let field = |pointer: &str| field_name(&format!("/options{pointer}"));
        let scope = work.scope.with(payload);
        let mut options = scope
            .render_all(&self.options, &self.templates)
            .map_err(|(pointer, error)| template_error(work.step, &field(&pointer), &error))?;
        self.schema.coerce(&mut options, &self.templates);
        if let Some(finding) = self.schema.check(&options, |_| false).first() {
            let message = format!(
                "step `{}`, {}: what the template gives for this payload does not fit: {}",
                work.step,
                field(&finding.pointer),
                finding.message
            );
            return Err(Error::new(ErrorKind::InvalidSettings, message));
        }
        Ok(options.to_string())
    }
}

/// The run's live connector; a new one for the first call, and after one that did not survive its call.
async fn live(
    name: &str,
    configured: &Configured,
    work: &Work<'_>,
    session: &mut Session,
) -> Result<Instance, Failure> {
    if let Some(instance) = session.instances.remove(name).filter(Instance::is_alive) {
        return Ok(instance);
    }
    let run = RunContext {
        log_threshold: work.log_threshold,
        cancel: work.cancel.clone(),
        policy: work.policy.of(name),
        identities: Arc::clone(&configured.identities),
        ..RunContext::new(work.run_id, name, work.events.clone())
    };
    Instance::start(&configured.connector, run).await
}

fn unstarted(mut tried: Tried, incoming: VecDeque<Incoming>, failure: Failure) -> Tried {
    tried
        .untouched
        .extend(incoming.into_iter().map(|incoming| incoming.payload));
    tried.failure = Some(failure);
    tried
}

/// Takes out of an exchange what became of its payloads.
fn collect(finished: &mut Exchange, tried: &mut Tried) {
    tried.made.append(&mut finished.accepted);
    tried.lost.append(&mut finished.aborted);
    tried
        .untouched
        .extend(finished.inbox.drain(..).map(|incoming| incoming.payload));
    let unfinished = std::mem::take(&mut finished.unfinished);
    let unsettled = finished.unsettled.drain(..).map(|incoming| incoming.payload);
    if tried.failure.is_some() {
        // The failure of the call tells more than the connector's silence.
        tried.untouched.extend(unsettled);
    } else {
        tried
            .failed
            .extend(unsettled.map(|payload| (payload, exchange::unsettled())));
        let unfinished = unfinished.into_iter();
        tried
            .lost
            .extend(unfinished.map(|metadata| (metadata, exchange::unsettled())));
    }
    for (incoming, outcome) in finished.settled.drain(..) {
        let Payload { body, .. } = incoming.payload.clone();
        match outcome {
            Outcome::Pass(metadata) => tried.passed.push(Payload { metadata, body }),
            Outcome::Consume => tried.consumed.push(incoming.payload),
            Outcome::Fail(error) => tried.failed.push((incoming.payload, error)),
        }
    }
}
