//! The requests of a case as the protocol has them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::case::{Case, Content, Incoming, Kind, Request};
use super::servers::bytes;
use super::values::Values;
use crate::protocol::contract::Metadata;
use crate::protocol::request::{self, Body, Call, Start, Task};

/// What makes them.
pub struct Requests<'a> {
    pub case: &'a Case,
    /// What its component is called.
    pub connector: String,
    pub values: &'a Values,
    /// Where bodies are.
    pub folder: &'a Path,
}

impl Requests<'_> {
    /// What starts the instance of a request.
    ///
    /// # Errors
    /// When the policy names something that is not known.
    pub fn start(&self, instance: String, request: &Request) -> Result<Task> {
        let start = &self.case.start;
        let policy = self.values.fill(&serde_json::to_value(&start.policy)?)?;
        Ok(Task::Start(Start {
            instance,
            connector: self.connector.clone(),
            run: request.run.clone().unwrap_or_else(|| self.run()),
            policy: serde_json::from_value(policy)?,
            limits: start.limits,
            log_threshold: start.log_threshold,
        }))
    }

    /// The id of the case's run.
    fn run(&self) -> String {
        format!("run-{}", self.case.id.replace('/', "-"))
    }

    /// What a request is to its host.
    ///
    /// # Errors
    /// When it names something that is not known, or has not what it needs.
    pub fn task(&self, instance: String, request: &Request) -> Result<Task> {
        let connection = match &request.connection_text {
            Some(text) => text.clone(),
            None => self.values.fill(&request.connection)?.to_string(),
        };
        let mut options = self.values.fill(&request.options)?;
        if let Some(script) = &request.script {
            options["script"] = self.values.fill(script)?;
        }
        Ok(match request.kind {
            Kind::Plan => Task::Plan {
                instance,
                endpoint: request.endpoint.clone(),
                connection,
                options: options.to_string(),
            },
            Kind::Check => Task::Check {
                instance,
                connection,
                probe_write: request.probe_write,
                limit_ms: request.limit_ms,
            },
            Kind::Call => Task::Call(Call {
                instance,
                endpoint: request.endpoint.clone().context("a call needs an endpoint")?,
                connection,
                options: options.to_string(),
                attempt: request.attempt,
                limit_ms: request.limit_ms,
                incoming: self.incoming(request, &options)?,
            }),
        })
    }

    fn incoming(&self, request: &Request, options: &Value) -> Result<Vec<request::Incoming>> {
        let Some(incoming) = &request.incoming else {
            let metadata = Metadata {
                id: self.run(),
                ..Metadata::default()
            };
            return Ok(vec![request::Incoming {
                metadata,
                options: options.to_string(),
                body: None,
                earlier: None,
            }]);
        };
        incoming.iter().map(|one| self.payload(one, options)).collect()
    }

    fn payload(&self, incoming: &Incoming, options: &Value) -> Result<request::Incoming> {
        let mut members = Map::new();
        members.insert("id".to_owned(), json!(""));
        members.extend(incoming.metadata.clone());
        let metadata: Metadata = serde_json::from_value(members.into())?;
        let body = match &incoming.body {
            None => None,
            Some(Content::Text(text)) => Some(Body::Text(text.clone())),
            Some(content) => {
                let file = self.folder.join(format!("body-of-{}", metadata.id));
                fs::write(&file, bytes(content)?)?;
                Some(Body::File(file))
            }
        };
        let own = incoming
            .options
            .as_ref()
            .map(|own| self.values.fill(own))
            .transpose()?;
        Ok(request::Incoming {
            metadata,
            options: own.as_ref().unwrap_or(options).to_string(),
            body,
            earlier: incoming.earlier.clone(),
        })
    }
}
