//! Runs a connector natively in tests: no wasm, no host, no network of its own.
//!
//! A [`Harness`] is one call of an endpoint: settings, incoming payloads, what the flow answers to offers, when it is
//! cancelled. [`Harness::call`] asks the plan as a host does, runs the endpoint, and gives the [`Outcome`]: what was
//! accepted, settled, given up, logged. A connector that breaks the contract makes it panic; [`rules`] has what is looked
//! at.
//!
//! ```
//! # use flow_connector::{Call, Connector, Done, Endpoint, Error, Summary, settings::Nothing};
//! # struct Echo;
//! # impl Connector for Echo {
//! #     type Connection = Nothing;
//! #     const ID: &str = "echo";
//! #     const VERSION: &str = "1.0.0";
//! #     const TITLE: &str = "Echo";
//! #     const DESCRIPTION: &str = "Passes everything on.";
//! # }
//! # struct Pass;
//! # impl Endpoint for Pass {
//! #     type Connector = Echo;
//! #     type Options = Nothing;
//! #     const TITLE: &str = "Pass";
//! #     const DESCRIPTION: &str = "Passes everything on.";
//! #     fn run(call: &Call<Self>) -> Result<Summary, Error> {
//! #         call.each(|reader, _, _| Ok(Done::Pass(reader.metadata())))
//! #     }
//! # }
//! # flow_connector::connector! {
//! #     connector: Echo, wit: ["wit"], world: "echo", endpoints: echo::endpoints { pass: Pass }
//! # }
//! use flow_connector::harness::{Harness, Payload};
//!
//! let outcome = Harness::new().payload(Payload::of("a.txt", "hello")).call::<Echo>("pass");
//! assert_eq!(outcome.summary().payloads, 1);
//! assert_eq!(outcome.passed()[0].name.as_deref(), Some("a.txt"));
//! ```

pub(crate) mod imports;
mod outcome;
pub mod rules;
mod world;

use std::time::Duration;

use serde_json::{Value, json};

use crate::bindings::flow::connector::types;
use crate::context::Level;
use crate::exchange::Earlier;
use crate::glue::{self, Endpoints};
use crate::{Error, Metadata};

pub use outcome::{Accepted, Line, Outcome, Settled};
use world::World;

/// A payload that comes in.
#[derive(Debug, Clone)]
pub struct Payload {
    metadata: Metadata,
    body: Option<Vec<u8>>,
    options: Option<Value>,
    earlier: Option<Earlier>,
}

impl Payload {
    /// A file of this name, with the attributes of one that comes from another connector.
    pub fn of(name: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut metadata = Metadata::new(name);
        metadata.name = Some(name.rsplit('/').next().unwrap_or(name).to_owned());
        metadata.size = Some(body.len() as u64);
        metadata.set_attribute(
            Metadata::ORIGINAL_FILENAME,
            metadata.name.clone().unwrap_or_default(),
        );
        metadata.set_attribute(Metadata::ORIGINAL_PATH, name);
        Self {
            metadata,
            body: Some(body),
            options: None,
            earlier: None,
        }
    }

    /// The trigger of a run: a payload without a body.
    #[must_use]
    pub fn trigger() -> Self {
        Self {
            metadata: Metadata::new("run"),
            body: None,
            options: None,
            earlier: None,
        }
    }

    /// With other metadata.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// With its values filled into the options' templates; otherwise they are as stated.
    #[must_use]
    pub fn options(mut self, options: Value) -> Self {
        self.options = Some(options);
        self
    }

    /// An earlier try may have done something with it, and has noted this.
    #[must_use]
    pub fn after_a_try(mut self, note: Option<&str>) -> Self {
        let note = note.map(str::to_owned);
        self.earlier = Some(Earlier { note });
        self
    }
}

/// What the flow answers to an offered payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It wants it.
    Accept,
    /// It wants it, and has room for so many bytes of it.
    Full(u64),
    /// It wants it, and takes no byte of it. The call has to be cancelled.
    Stall,
    /// It does not want it.
    Skip,
    /// It has had it.
    Accepted,
    /// It wants no more.
    Stop,
}

/// One call of an endpoint, in the making.
pub struct Harness {
    connection: Value,
    options: Value,
    world: World,
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// A call without settings or payloads, which accepts everything.
    #[must_use]
    pub fn new() -> Self {
        Self {
            connection: json!({}),
            options: json!({}),
            world: World::default(),
        }
    }

    /// With these connection settings.
    #[must_use]
    pub fn connection(mut self, connection: Value) -> Self {
        self.connection = connection;
        self
    }

    /// With these options, as a flow states them.
    #[must_use]
    pub fn options(mut self, options: Value) -> Self {
        self.options = options;
        self
    }

    /// With another incoming payload.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.world.inbox.push_back(payload);
        self
    }

    /// What the flow answers to an offered payload.
    #[must_use]
    pub fn answer(mut self, answer: impl FnMut(&Metadata) -> Answer + 'static) -> Self {
        self.world.answer = Box::new(answer);
        self
    }

    /// The host wants the call to end when it was asked so often whether it does.
    #[must_use]
    pub fn cancelled_after(mut self, looks: u32) -> Self {
        self.world.looks_left = Some(looks);
        self
    }

    /// The host ends the call by force after this time.
    #[must_use]
    pub fn remaining(mut self, time: Duration) -> Self {
        self.world.remaining = time;
        self
    }

    /// This try of the call; otherwise the first.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.world.attempt = attempt;
        self
    }

    /// The quietest level of log lines that the host keeps; otherwise `debug`.
    #[must_use]
    pub fn threshold(mut self, level: Level) -> Self {
        self.world.threshold = level;
        self
    }

    /// Asks the plan and runs the endpoint, as a host does.
    ///
    /// # Panics
    /// When there is no such endpoint, or the connector breaks the contract.
    #[must_use]
    pub fn call<C: Endpoints>(mut self, endpoint: &str) -> Outcome {
        rules::assert_described::<C>();
        let names: Vec<_> = C::endpoints().into_iter().map(|entry| entry.name).collect();
        assert!(
            names.iter().any(|name| name == endpoint),
            "there is no endpoint `{endpoint}`: {names:?}"
        );
        for payload in &mut self.world.inbox {
            payload.options.get_or_insert_with(|| self.options.clone());
        }
        let call = types::Call {
            connection: self.connection.to_string(),
            options: self.options.to_string(),
        };
        // Outside of the world, where the host's functions panic: a plan calls none.
        let (world, result) = match glue::plan::<C>(Some(endpoint), &call) {
            Err(error) => (self.world, Err(error)),
            Ok(_) => self.world.during(|| {
                let entry = C::endpoints().into_iter().find(|entry| entry.name == endpoint);
                entry.map_or_else(|| Err(Error::internal("It is gone.")), |entry| entry.run(&call))
            }),
        };
        let outcome = world.outcome(result);
        rules::assert_kept::<C>(&outcome, &[&self.connection, &self.options]);
        outcome
    }
}
