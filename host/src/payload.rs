//! One document moving through a run.

use crate::contract::Metadata;
use crate::state::body::Body;

/// A payload between two steps: what is known of it, and its bytes.
#[derive(Debug, Clone)]
pub struct Payload {
    /// What is known of it.
    pub metadata: Metadata,
    /// Its bytes; none for the trigger of a run.
    pub body: Option<Body>,
}

impl Payload {
    /// The payload that stands for the run itself and starts its first step.
    #[must_use]
    pub fn trigger(run_id: &str) -> Self {
        let metadata = Metadata {
            id: run_id.to_owned(),
            version: None,
            name: None,
            content_type: None,
            size: None,
            modified_ms: None,
            attributes: Vec::new(),
        };
        Self { metadata, body: None }
    }

    /// What a report calls it: its name, else its id.
    #[must_use]
    pub fn label(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or(&self.metadata.id)
    }
}
