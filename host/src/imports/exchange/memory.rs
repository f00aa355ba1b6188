//! The flow's side of an exchange, in memory.

use super::accepted_meanwhile;
use super::counterpart::{Counterpart, Incoming, Loss, Offered, Reception, Target};
use crate::bindings::flow::connector::exchange::Earlier;
use crate::contract::{Error, ErrorKind, Metadata, Outcome};
use crate::payload::Payload;
use crate::state::spool::Spool;
use async_trait::async_trait;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// What one call of an endpoint takes and gives, for whoever calls a connector without a flow. It may be kept over the
/// tries of the same call, so that what was accepted in one try is not taken in the next.
#[derive(Debug)]
pub struct Exchange {
    /// Payloads to hand in. What is left after the call was not touched.
    pub inbox: VecDeque<Incoming>,
    /// Where bodies are stored.
    pub spool: Arc<Spool>,
    /// Payloads that the connector made and the flow accepted.
    pub accepted: Vec<Payload>,
    /// Payloads that were handed in, and what became of each.
    pub settled: Vec<(Incoming, Outcome)>,
    /// Payloads that were handed in and let fall without a word of what became of them. After a call that failed they
    /// may be handed in again; after one that ended well, [`unsettled`](super::unsettled) is what happened to them.
    pub unsettled: Vec<Incoming>,
    /// Payloads that were begun, and neither finished nor given up when the call ended. After a call that ended well,
    /// [`unsettled`](super::unsettled) is what happened to them.
    pub unfinished: Vec<Metadata>,
    /// Payloads that were begun and given up, and not accepted later.
    pub aborted: Vec<(Metadata, Error)>,
    /// Problems with payloads that were accepted: the payload's id and what is wrong. The same one is here once,
    /// however many tries told it.
    pub reported: Vec<(String, Error)>,
    seen: HashSet<(String, Option<String>)>,
    told: HashSet<(String, &'static str, String)>,
}

impl Exchange {
    /// An exchange that hands in these payloads.
    pub fn new(spool: Arc<Spool>, inbox: impl IntoIterator<Item = Incoming>) -> Self {
        Self {
            inbox: inbox.into_iter().collect(),
            spool,
            accepted: Vec::new(),
            settled: Vec::new(),
            unsettled: Vec::new(),
            unfinished: Vec::new(),
            aborted: Vec::new(),
            reported: Vec::new(),
            seen: HashSet::new(),
            told: HashSet::new(),
        }
    }

    /// Whether the flow has accepted this payload, in this version.
    fn has(&self, metadata: &Metadata) -> bool {
        let key = (metadata.id.clone(), metadata.version.clone());
        self.seen.contains(&key)
    }
}

#[async_trait]
impl Counterpart for Exchange {
    async fn offered(&mut self, payload: &Offered) -> Result<Reception, Error> {
        Ok(if self.has(&payload.metadata) {
            Reception::Accepted
        } else {
            Reception::Accept(Target::Spool(Box::new(self.spool.writer())))
        })
    }

    async fn had(&mut self, metadata: &Metadata) -> Result<bool, Error> {
        Ok(self.has(metadata))
    }

    fn made(&self) -> u64 {
        (self.accepted.len() + self.aborted.len()) as u64
    }

    async fn accept(&mut self, payload: Offered, body: Target) -> Result<bool, Error> {
        let metadata = payload.metadata;
        if self.has(&metadata) {
            return Err(accepted_meanwhile(
                metadata.name.as_deref().unwrap_or(&metadata.id),
            ));
        }
        let Target::Spool(writer) = body else {
            return Err(Error::new(ErrorKind::Internal, "this exchange made no pipe"));
        };
        let body = writer.finish().map_err(|error| Error::from(&error))?;
        self.aborted.retain(|(other, _)| other.id != metadata.id);
        self.seen.insert((metadata.id.clone(), metadata.version.clone()));
        self.accepted.push(Payload {
            metadata,
            body: Some(body),
        });
        Ok(true)
    }

    fn give_up(&mut self, payload: Offered, loss: Loss) {
        let metadata = payload.metadata;
        if !self.has(&metadata) {
            self.aborted.retain(|(other, _)| other.id != metadata.id);
            self.aborted.push((metadata, loss.reason()));
        }
    }

    fn unfinished(&mut self, payload: Offered) {
        if !self.has(&payload.metadata) {
            self.unfinished.push(payload.metadata);
        }
    }

    async fn next(&mut self) -> Result<Option<Incoming>, Error> {
        Ok(self.inbox.pop_front())
    }

    async fn note(&mut self, incoming: &mut Incoming, text: String) -> Result<(), Error> {
        incoming.earlier = Some(Earlier { note: Some(text) });
        Ok(())
    }

    fn settled(&mut self, incoming: Incoming, outcome: Outcome) {
        self.settled.push((incoming, outcome));
    }

    fn unsettled(&mut self, incoming: Incoming) {
        self.unsettled.push(incoming);
    }

    fn problem(&mut self, id: &str, problem: &Error) -> bool {
        let key = (id.to_owned(), problem.kind.name(), problem.message.clone());
        let new = self.told.insert(key);
        if new {
            self.reported.push((id.to_owned(), problem.clone()));
        }
        new
    }

    fn problems(&self) -> u64 {
        self.reported.len() as u64
    }

    fn label(&self, id: &str) -> Option<String> {
        // From the back: a problem is mostly one of the payload that was accepted last.
        let settled = self.settled.iter().rev().map(|(incoming, _)| &incoming.payload);
        self.accepted
            .iter()
            .rev()
            .chain(settled)
            .find(|payload| payload.metadata.id == id)
            .map(|payload| payload.label().to_owned())
    }
}
