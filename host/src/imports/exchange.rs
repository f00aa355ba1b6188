//! `flow:connector/exchange`: payloads between the flow and a connector.

mod body;

use super::State;
use crate::bindings::flow::connector::exchange::{Earlier, Host, HostReader, HostWriter, Offer, Outcome};
use crate::contract::{Effect, Error, ErrorKind, Metadata};
use crate::event::Event;
use crate::meter::Meter;
use crate::payload::Payload;
use crate::policy::LimitReached;
use crate::state::spool::Spool;
use body::{Begun, SourceStream};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

/// A payload to hand to a connector, with the endpoint's options for it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The payload.
    pub payload: Payload,
    /// The endpoint's options with the templates filled in, JSON text.
    pub options: String,
    /// An earlier try of which nobody knows how far it came.
    pub earlier: Option<Earlier>,
}

/// What one call of an endpoint takes and gives. It is kept over the tries of the same call, so that what was
/// accepted in one try is skipped in the next.
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
    /// may be handed in again; after one that ended well, [`unsettled`] is what happened to them.
    pub unsettled: Vec<Incoming>,
    /// Payloads that were begun, and neither finished nor given up when the call ended. After a call that ended well,
    /// [`unsettled`] is what happened to them.
    pub unfinished: Vec<Metadata>,
    /// Payloads that were begun and given up, and not accepted later.
    pub aborted: Vec<(Metadata, Error)>,
    /// Offers answered with `skip`.
    pub skipped: u64,
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
            skipped: 0,
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

    /// Notes a problem; false when it was noted before.
    fn note(&mut self, id: &str, problem: &Error) -> bool {
        let key = (id.to_owned(), problem.kind.name(), problem.message.clone());
        let new = self.told.insert(key);
        if new {
            self.reported.push((id.to_owned(), problem.clone()));
        }
        new
    }
}

/// The exchange of the call that runs now, if one does: `describe`, `plan` and `check` have none.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) exchange: Option<Exchange>,
    /// Readers handed out and not settled, by their handle.
    open: HashMap<u32, Incoming>,
    /// Writers handed out and not finished, by their handle.
    begun: HashMap<u32, Begun>,
}

impl Desk {
    /// Ends a call. Readers that the guest still holds were not settled, and writers not finished; from now on these take
    /// nothing.
    pub(crate) fn close(&mut self) -> Option<Exchange> {
        let mut exchange = self.exchange.take()?;
        for (_, incoming) in self.open.drain() {
            exchange.unsettled.push(incoming);
        }
        for (_, begun) in self.begun.drain() {
            begun.close();
            if !exchange.has(&begun.metadata) {
                exchange.unfinished.push(begun.metadata);
            }
        }
        Some(exchange)
    }
}

/// The failure of a payload of which the connector does not say what became.
#[must_use]
pub fn unsettled() -> Error {
    Error {
        effect: Effect::Unknown,
        ..Error::new(
            ErrorKind::Internal,
            "the connector took the payload and did not say what became of it",
        )
    }
}

/// What reaches the guest when it would go beyond a limit.
fn denied(reached: &LimitReached) -> Error {
    Error::new(ErrorKind::DeniedByHost, reached.to_string())
}

/// The answer to the second of two writers of one payload.
fn accepted_meanwhile(metadata: &Metadata) -> Error {
    let label = metadata.name.as_deref().unwrap_or(&metadata.id);
    let message = format!("the payload {label:?} was accepted from another writer since it was begun");
    Error::new(ErrorKind::Conflict, message).tamed()
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the run is being cancelled")
}

/// A payload on its way in: behind the guest's `writer` handle. The payload itself is at the desk: the guest may keep
/// its handle longer than the call lasts.
pub struct Writer(());

/// A payload that was handed in: behind the guest's `reader` handle. The payload itself is at the desk.
pub struct Reader(());

impl State {
    fn meter(&self, metadata: &Metadata) -> Meter {
        let label = metadata.name.as_deref().unwrap_or(&metadata.id);
        Meter::new(&self.context.events, &self.context.step, label, metadata.size)
    }

    fn check_metadata(&self, metadata: &Metadata) -> Result<(), LimitReached> {
        if metadata_bytes(metadata) as u64 > self.bounds.limits().metadata.0 {
            return Err(self.bounds.reached("metadata"));
        }
        Ok(())
    }

    /// Notes that a payload will not come, unless another writer has delivered it.
    fn give_up(&mut self, metadata: Metadata, reason: Error) {
        if let Some(exchange) = &mut self.desk.exchange
            && !exchange.has(&metadata)
        {
            exchange.aborted.retain(|(other, _)| other.id != metadata.id);
            exchange.aborted.push((metadata, reason));
        }
    }
}

/// The payload's name, where the id is one that this call knows.
fn label<'a>(desk: &'a Desk, id: &'a str) -> &'a str {
    let exchange = desk.exchange.iter();
    // From the back: a problem is mostly one of the payload that was accepted last.
    let accepted = exchange
        .clone()
        .flat_map(|exchange| exchange.accepted.iter().rev());
    let settled = exchange
        .flat_map(|exchange| exchange.settled.iter().rev())
        .map(|(incoming, _)| &incoming.payload);
    let open = desk.open.values().map(|incoming| &incoming.payload);
    accepted
        .chain(settled)
        .chain(open)
        .find(|payload| payload.metadata.id == id)
        .map_or(id, Payload::label)
}

fn metadata_bytes(metadata: &Metadata) -> usize {
    let texts = [&metadata.version, &metadata.name, &metadata.content_type];
    metadata.id.len()
        + texts.into_iter().flatten().map(String::len).sum::<usize>()
        + metadata
            .attributes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
}

impl Host for State {
    fn begin(&mut self, metadata: Metadata) -> wasmtime::Result<Result<Offer, Error>> {
        self.may_call("exchange.begin")?;
        if self.context.cancel.is_cancelled() {
            return Ok(Err(cancelled()));
        }
        if metadata.id.is_empty() {
            return Ok(Err(Error::new(
                ErrorKind::InvalidSettings,
                "the payload's id is empty",
            )));
        }
        if let Err(reached) = self.check_metadata(&metadata) {
            return Ok(Err(denied(&reached)));
        }
        let meter = self.meter(&metadata);
        let Some(exchange) = &mut self.desk.exchange else {
            return Ok(Ok(Offer::Stop));
        };
        if exchange.has(&metadata) {
            return Ok(Ok(Offer::Accepted));
        }
        // With those that are on their way: each of them may still be accepted.
        let made = exchange.accepted.len() + exchange.aborted.len() + self.desk.begun.len();
        if made as u64 >= self.bounds.limits().payloads {
            return Ok(Err(denied(&self.bounds.reached("payloads"))));
        }
        let begun = Begun::new(metadata, exchange.spool.writer(), meter, self.bounds.clone());
        let writer = self.table.push(Writer(()))?;
        self.desk.begun.insert(writer.rep(), begun);
        Ok(Ok(Offer::Accept(writer)))
    }

    fn next(&mut self) -> wasmtime::Result<Result<Option<Resource<Reader>>, Error>> {
        self.may_call("exchange.next")?;
        if self.context.cancel.is_cancelled() {
            return Ok(Err(cancelled()));
        }
        let Some(incoming) = self
            .desk
            .exchange
            .as_mut()
            .and_then(|exchange| exchange.inbox.pop_front())
        else {
            return Ok(Ok(None));
        };
        let reader = self.table.push(Reader(()))?;
        self.desk.open.insert(reader.rep(), incoming);
        Ok(Ok(Some(reader)))
    }

    fn report(&mut self, id: String, problem: Error) -> wasmtime::Result<()> {
        self.may_call("exchange.report")?;
        let most = self.bounds.limits().payloads;
        let Some(exchange) = &mut self.desk.exchange else {
            return Ok(()); // `check` has no payloads to tell of.
        };
        if exchange.reported.len() as u64 >= most {
            return Err(self.bounds.reached("payloads").into());
        }
        let problem = problem.tamed();
        if exchange.note(&id, &problem) {
            self.context.events.send(&Event::PayloadProblem {
                step: self.context.step.clone(),
                payload: label(&self.desk, &id).to_owned(),
                kind: problem.kind.name().to_owned(),
                message: problem.message,
                code: problem.code,
            });
        }
        Ok(())
    }
}

impl State {
    /// Takes a writer of this call out of the guest's hands.
    fn take(&mut self, writer: Resource<Writer>) -> wasmtime::Result<Begun> {
        let handle = writer.rep();
        self.table.delete(writer)?;
        self.desk.begun.remove(&handle).ok_or_else(outlived)
    }
}

fn outlived() -> wasmtime::Error {
    wasmtime::Error::msg("a writer outlived its call")
}

impl HostWriter for State {
    fn body(&mut self, writer: Resource<Writer>) -> wasmtime::Result<Resource<DynOutputStream>> {
        let begun = self.desk.begun.get_mut(&writer.rep()).ok_or_else(outlived)?;
        let stream: DynOutputStream = Box::new(begun.open()?);
        Ok(self.table.push(stream)?)
    }

    fn finish(&mut self, writer: Resource<Writer>) -> wasmtime::Result<Result<(), Error>> {
        let begun = self.take(writer)?;
        if self.context.cancel.is_cancelled() {
            begun.close();
            self.give_up(begun.metadata, cancelled());
            return Ok(Err(cancelled()));
        }
        let exchange = self.desk.exchange.as_ref();
        if exchange.is_some_and(|exchange| exchange.has(&begun.metadata)) {
            begun.close();
            return Ok(Err(accepted_meanwhile(&begun.metadata)));
        }
        match begun.store() {
            Ok(payload) => {
                let Some(exchange) = &mut self.desk.exchange else {
                    return Ok(Err(cancelled())); // There are no writers without one.
                };
                exchange
                    .aborted
                    .retain(|(other, _)| other.id != payload.metadata.id);
                exchange
                    .seen
                    .insert((payload.metadata.id.clone(), payload.metadata.version.clone()));
                self.context.events.send(&Event::PayloadDone {
                    step: self.context.step.clone(),
                    payload: payload.label().to_owned(),
                    bytes: payload.metadata.size.unwrap_or(0),
                    attributes: payload.metadata.attributes.clone(),
                });
                exchange.accepted.push(payload);
                Ok(Ok(()))
            }
            Err(error) => {
                self.give_up(begun.metadata, error.clone());
                Ok(Err(error))
            }
        }
    }

    fn abort(&mut self, writer: Resource<Writer>, reason: Error) -> wasmtime::Result<()> {
        let begun = self.take(writer)?;
        begun.close();
        self.give_up(begun.metadata, reason.tamed());
        Ok(())
    }

    fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        // Taken out of the table by `finish` or `abort`, unless the guest let it fall.
        let handle = writer.rep();
        if self.table.delete(writer).is_ok()
            && let Some(begun) = self.desk.begun.remove(&handle)
        {
            begun.close();
            self.give_up(begun.metadata, unsettled());
        }
        Ok(())
    }
}

impl State {
    fn incoming(&self, reader: &Resource<Reader>) -> wasmtime::Result<&Incoming> {
        let incoming = self.desk.open.get(&reader.rep());
        incoming.ok_or_else(|| wasmtime::Error::msg("the reader was settled before"))
    }
}

impl HostReader for State {
    fn metadata(&mut self, reader: Resource<Reader>) -> wasmtime::Result<Metadata> {
        Ok(self.incoming(&reader)?.payload.metadata.clone())
    }

    fn options(&mut self, reader: Resource<Reader>) -> wasmtime::Result<String> {
        Ok(self.incoming(&reader)?.options.clone())
    }

    fn body(
        &mut self,
        reader: Resource<Reader>,
    ) -> wasmtime::Result<Result<Option<Resource<DynInputStream>>, Error>> {
        let payload = &self.incoming(&reader)?.payload;
        let Some(body) = &payload.body else {
            return Ok(Ok(None));
        };
        let stream = match body.open() {
            Ok(reader) => SourceStream {
                reader,
                meter: self.meter(&payload.metadata),
            },
            Err(error) => {
                let message = format!("the spooled body cannot be read: {error}");
                return Ok(Err(Error::new(ErrorKind::Internal, message)));
            }
        };
        let stream: DynInputStream = Box::new(stream);
        Ok(Ok(Some(self.table.push(stream)?)))
    }

    fn earlier(&mut self, reader: Resource<Reader>) -> wasmtime::Result<Option<Earlier>> {
        Ok(self.incoming(&reader)?.earlier.clone())
    }

    fn note(&mut self, reader: Resource<Reader>, text: String) -> wasmtime::Result<Result<(), Error>> {
        if text.len() as u64 > self.bounds.limits().metadata.0 {
            return Ok(Err(denied(&self.bounds.reached("metadata"))));
        }
        let incoming = self.desk.open.get_mut(&reader.rep());
        let incoming = incoming.ok_or_else(|| wasmtime::Error::msg("the reader was settled before"))?;
        incoming.earlier = Some(Earlier { note: Some(text) });
        Ok(Ok(()))
    }

    fn settle(&mut self, reader: Resource<Reader>, outcome: Outcome) -> wasmtime::Result<()> {
        let handle = reader.rep();
        self.table.delete(reader)?;
        let Some(incoming) = self.desk.open.remove(&handle) else {
            wasmtime::bail!("the reader was settled before");
        };
        let outcome = match outcome {
            Outcome::Fail(error) => Outcome::Fail(error.tamed()),
            Outcome::Pass(metadata) if let Err(reached) = self.check_metadata(&metadata) => {
                Outcome::Fail(denied(&reached))
            }
            Outcome::Pass(metadata) if metadata.id != incoming.payload.metadata.id => {
                let message = "the connector passed the payload on under another id";
                Outcome::Fail(Error {
                    effect: Effect::Unknown,
                    ..Error::new(ErrorKind::Internal, message)
                })
            }
            outcome => outcome,
        };
        if let Some(exchange) = &mut self.desk.exchange {
            exchange.settled.push((incoming, outcome));
        }
        Ok(())
    }

    fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        let handle = reader.rep();
        if self.table.delete(reader).is_ok()
            && let Some(incoming) = self.desk.open.remove(&handle)
            && let Some(exchange) = &mut self.desk.exchange
        {
            exchange.unsettled.push(incoming);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
