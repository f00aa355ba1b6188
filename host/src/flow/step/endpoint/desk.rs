//! The flow's side of a connector's exchange: what it takes and makes is in the step's book.

use super::{EndpointStep, Filler};
use crate::bindings::flow::connector::exchange::Earlier;
use crate::contract::{Effect, Error, ErrorKind, Metadata, Outcome};
use crate::flow::runner::book::{Book, Item, internal};
use crate::flow::step::Work;
use crate::imports::exchange::Incoming;
use crate::imports::exchange::counterpart::{Counterpart, Loss, Offered, Reception, Target};
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The flow's side of one call.
pub(super) struct Desk {
    book: Arc<Book>,
    filler: Filler,
    /// What the connector has in its hands, by its row.
    held: HashMap<i64, Item>,
    /// Names of payloads that were accepted last, for problems that are told of them.
    names: HashMap<String, String>,
    /// Payloads that were accepted or given up in this call.
    made: u64,
    problems: u64,
}

impl Desk {
    pub(super) fn new(step: &EndpointStep, work: &Work<'_>) -> Self {
        Self {
            book: Arc::clone(work.book),
            filler: Filler::of(step, work.step, work),
            held: HashMap::new(),
            names: HashMap::new(),
            made: 0,
            problems: 0,
        }
    }

    /// A payload was accepted.
    pub(super) fn has_made(&mut self) {
        self.made += 1;
    }

    /// Names are kept for the last few: a problem is mostly one of the payload that was accepted last.
    fn remember(&mut self, id: &str, name: Option<&str>) {
        const MOST: usize = 1_000;
        if self.names.len() >= MOST {
            self.names.clear();
        }
        if let Some(name) = name {
            self.names.insert(id.to_owned(), name.to_owned());
        }
    }
}

#[async_trait]
impl Counterpart for Desk {
    async fn offered(&mut self, payload: &Offered) -> Result<Reception, Error> {
        let metadata = &payload.metadata;
        self.remember(&metadata.id, metadata.name.as_deref());
        self.book.offered(metadata).await
    }

    async fn had(&mut self, metadata: &Metadata) -> Result<bool, Error> {
        self.book.had(metadata).await
    }

    fn made(&self) -> u64 {
        self.made
    }

    async fn accept(&mut self, payload: Offered, body: Target) -> Result<bool, Error> {
        let Target::Spool(writer) = body else {
            return Err(Error::new(ErrorKind::Internal, "this step made no pipe"));
        };
        let goes_on = self.book.accept(payload.metadata, *writer).await?;
        self.has_made();
        Ok(goes_on)
    }

    fn give_up(&mut self, payload: Offered, loss: Loss) {
        // Another writer may have delivered it.
        if !self.book.is_made(&payload.metadata).unwrap_or(false) {
            self.made += 1;
            self.book.lost(&payload.metadata, loss.reason().tamed());
        }
    }

    fn unfinished(&mut self, payload: Offered) {
        if !self.book.is_made(&payload.metadata).unwrap_or(false) {
            self.book.unfinished(payload.metadata);
        }
    }

    async fn next(&mut self) -> Result<Option<Incoming>, Error> {
        loop {
            let Some(item) = self.book.next().map_err(|error| internal(&error))? else {
                return Ok(None);
            };
            match self.filler.fill(&item.payload) {
                Ok(options) => {
                    let incoming = Incoming {
                        payload: item.payload.clone(),
                        options,
                        earlier: item.earlier.clone().map(|note| Earlier { note }),
                        ticket: item.seq,
                    };
                    self.held.insert(item.seq, item);
                    return Ok(Some(incoming));
                }
                Err(error) => self.book.fail(&item, not_tried(&item, error)),
            }
        }
    }

    async fn note(&mut self, incoming: &mut Incoming, text: String) -> Result<(), Error> {
        self.book.note(incoming.ticket, text.clone()).await?;
        incoming.earlier = Some(Earlier { note: Some(text) });
        Ok(())
    }

    fn settled(&mut self, incoming: Incoming, outcome: Outcome) {
        let Some(item) = self.held.remove(&incoming.ticket) else {
            return;
        };
        match outcome {
            Outcome::Pass(metadata) => {
                let facts = facts(&item.payload.metadata, &metadata);
                self.book.pass(&item, metadata, &facts, 0);
            }
            Outcome::Consume => self.book.consume(&item),
            Outcome::Fail(error) => self.book.fail(&item, error.tamed()),
        }
    }

    fn unsettled(&mut self, incoming: Incoming) {
        if let Some(item) = self.held.remove(&incoming.ticket) {
            self.book.unsettled(item);
        }
    }

    fn problem(&mut self, id: &str, problem: &Error) -> bool {
        let label = self.label(id).unwrap_or_else(|| id.to_owned());
        let new = self.book.trouble(&label, &problem.clone().tamed());
        self.problems += u64::from(new);
        new
    }

    fn problems(&self) -> u64 {
        self.problems
    }

    fn label(&self, id: &str) -> Option<String> {
        let held = self.held.values().map(|item| &item.payload);
        let mut held = held.filter(|payload| payload.metadata.id == id);
        held.next()
            .map(|payload| payload.label().to_owned())
            .or_else(|| self.names.get(id).cloned())
    }
}

/// The failure of a payload that was not given to the connector: what an earlier try has done is as little known as
/// before.
pub(super) fn not_tried(item: &Item, error: Error) -> Error {
    match item.earlier {
        Some(_) => Error {
            effect: Effect::Unknown,
            ..error
        },
        None => error,
    }
}

/// What a connector says of what it did: the attributes that it has set.
pub(super) fn facts(before: &Metadata, after: &Metadata) -> Value {
    let new = after
        .attributes
        .iter()
        .filter(|attribute| !before.attributes.contains(attribute));
    // `path` is what steps that take each place once say; a connector's word is not that.
    let facts: Map<String, Value> = new
        .filter(|(name, _)| name != "path")
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    facts.into()
}
