//! `flow:connector/exchange`: payloads between the flow and a connector.

mod body;
pub mod counterpart;
mod memory;

use super::State;
use crate::bindings::flow::connector::exchange::{Earlier, Host, HostReader, HostWriter, Offer, Outcome};
use crate::contract::{Effect, Error, ErrorKind, Metadata, Retry};
use crate::event::Event;
use crate::meter::Meter;
use crate::policy::LimitReached;
use body::{Begun, SourceStream};
use counterpart::{Breach, Counterpart, Loss, Offered, Reception};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

pub use counterpart::Incoming;
pub use memory::Exchange;

/// The exchange of the call that runs now, if one does: `describe`, `plan` and `check` have none.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) exchange: Option<Box<dyn Counterpart>>,
    /// Readers handed out and not settled, by their handle.
    open: HashMap<u32, Open>,
    /// Writers handed out and not finished, by their handle.
    begun: HashMap<u32, Begun>,
    /// The number of the writer that was begun last, in all calls.
    last_writer: u64,
}

/// A payload in the connector's hands.
struct Open {
    incoming: Incoming,
    /// What was known when it was handed out: a note of this try is the next one's to hear.
    earlier: Option<Earlier>,
    /// Each stream of its body has a clone.
    held: Arc<()>,
}

impl Desk {
    fn breach(&mut self, breach: Breach) {
        if let Some(exchange) = &mut self.exchange {
            exchange.breach(breach);
        }
    }

    /// Ends a call. Readers that the guest still holds were not settled, and writers not finished; from now on these take
    /// nothing.
    pub(crate) fn close(&mut self) -> Option<Box<dyn Counterpart>> {
        let mut exchange = self.exchange.take()?;
        for (_, open) in self.open.drain() {
            exchange.unsettled(open.incoming);
        }
        for (_, begun) in self.begun.drain() {
            begun.close();
            exchange.unfinished(begun.payload);
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

/// The answer to metadata that is larger than it may be.
fn too_large(reached: &LimitReached) -> Error {
    Error::new(ErrorKind::InvalidSettings, reached.to_string())
}

/// What reaches the guest when it would go beyond a limit.
fn denied(reached: &LimitReached) -> Error {
    Error::new(ErrorKind::DeniedByHost, reached.to_string())
}

/// The answer to the second of two writers of one payload.
pub(crate) fn accepted_meanwhile(label: &str) -> Error {
    let message = format!("the payload {label:?} was accepted from another writer since it was begun");
    Error::new(ErrorKind::Conflict, message).tamed()
}

/// The answer to a second reader of a body that is not stored.
fn read_once() -> Error {
    Error {
        retry: Retry::Backoff,
        ..Error::new(
            ErrorKind::Busy,
            "the document is not stored (`delivery: streaming`), so it cannot be read a second time",
        )
    }
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
    fn give_up(&mut self, payload: Offered, loss: Loss) {
        if let Some(exchange) = &mut self.desk.exchange {
            exchange.give_up(payload, loss);
        }
    }
}

/// The payload's name, where the id is one that this call knows.
fn label(desk: &Desk, id: &str) -> String {
    let open = desk.open.values().map(|open| &open.incoming.payload);
    let mut open = open.filter(|payload| payload.metadata.id == id);
    open.next()
        .map(|payload| payload.label().to_owned())
        .or_else(|| desk.exchange.as_ref()?.label(id))
        .unwrap_or_else(|| id.to_owned())
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
    async fn begin(&mut self, metadata: Metadata) -> wasmtime::Result<Result<Offer, Error>> {
        self.may_call("exchange.begin")?;
        if self.context.cancel.is_cancelled() {
            return Ok(Err(cancelled()));
        }
        if metadata.id.is_empty() {
            self.desk.breach(Breach::EmptyId);
            return Ok(Err(Error::new(
                ErrorKind::InvalidSettings,
                "the payload's id is empty",
            )));
        }
        if let Err(reached) = self.check_metadata(&metadata) {
            return Ok(Err(too_large(&reached)));
        }
        let meter = self.meter(&metadata);
        let Some(exchange) = &mut self.desk.exchange else {
            return Ok(Ok(Offer::Stop));
        };
        // With those that are on their way: each of them may still be accepted.
        let made = exchange.made() + self.desk.begun.len() as u64;
        if made >= self.bounds.limits().payloads {
            return Ok(match exchange.had(&metadata).await {
                Ok(true) => Ok(Offer::Accepted),
                Ok(false) => Err(denied(&self.bounds.reached("payloads"))),
                Err(error) => Err(error),
            });
        }
        self.desk.last_writer += 1;
        let payload = Offered {
            writer: self.desk.last_writer,
            metadata,
        };
        let target = match exchange.offered(&payload).await {
            Ok(Reception::Accept(target)) => target,
            Ok(Reception::Skip) => return Ok(Ok(Offer::Skip)),
            Ok(Reception::Accepted) => return Ok(Ok(Offer::Accepted)),
            Ok(Reception::Stop) => return Ok(Ok(Offer::Stop)),
            Err(error) => return Ok(Err(error)),
        };
        let begun = Begun::new(payload, target, meter, self.bounds.clone());
        let writer = self.table.push(Writer(()))?;
        self.desk.begun.insert(writer.rep(), begun);
        Ok(Ok(Offer::Accept(writer)))
    }

    async fn next(&mut self) -> wasmtime::Result<Result<Option<Resource<Reader>>, Error>> {
        self.may_call("exchange.next")?;
        if self.context.cancel.is_cancelled() {
            return Ok(Err(cancelled()));
        }
        let Some(exchange) = &mut self.desk.exchange else {
            return Ok(Ok(None));
        };
        let incoming = match exchange.next().await {
            Ok(Some(incoming)) => incoming,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(error)),
        };
        let reader = self.table.push(Reader(()))?;
        let open = Open {
            earlier: incoming.earlier.clone(),
            incoming,
            held: Arc::default(),
        };
        self.desk.open.insert(reader.rep(), open);
        Ok(Ok(Some(reader)))
    }

    fn report(&mut self, id: String, problem: Error) -> wasmtime::Result<()> {
        self.may_call("exchange.report")?;
        let most = self.bounds.limits().payloads;
        let Some(exchange) = &mut self.desk.exchange else {
            return Ok(()); // `check` has no payloads to tell of.
        };
        if exchange.problems() >= most {
            return Err(self.bounds.reached("payloads").into());
        }
        if exchange.problem(&id, &problem) {
            let problem = problem.tamed();
            self.context.events.send(&Event::PayloadProblem {
                step: self.context.step.clone(),
                payload: label(&self.desk, &id),
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
        let begun = self.desk.begun.remove(&handle).ok_or_else(outlived)?;
        if begun.is_held() {
            self.desk
                .breach(Breach::WriterStream(begun.payload.metadata.id.clone()));
        }
        Ok(begun)
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

    async fn finish(&mut self, writer: Resource<Writer>) -> wasmtime::Result<Result<(), Error>> {
        let begun = self.take(writer)?;
        if self.context.cancel.is_cancelled() {
            begun.close();
            self.give_up(begun.payload, Loss::Refused(cancelled()));
            return Ok(Err(cancelled()));
        }
        let Some(exchange) = &mut self.desk.exchange else {
            return Ok(Err(cancelled())); // There are no writers without one.
        };
        let accepted = match begun.whole() {
            Ok((payload, body)) => exchange
                .accept(payload.clone(), body)
                .await
                .map(|goes_on| goes_on.then_some(payload.metadata)),
            Err(error) => Err(exchange.refusal(error).await),
        };
        let metadata = match accepted {
            Ok(Some(metadata)) => metadata,
            Ok(None) => return Ok(Ok(())),
            Err(error) => {
                self.give_up(begun.payload, Loss::Refused(error.clone()));
                return Ok(Err(error));
            }
        };
        self.context.events.send(&Event::PayloadDone {
            step: self.context.step.clone(),
            payload: metadata.name.unwrap_or(metadata.id),
            bytes: metadata.size.unwrap_or(0),
            attributes: metadata.attributes,
        });
        Ok(Ok(()))
    }

    fn abort(&mut self, writer: Resource<Writer>, reason: Error) -> wasmtime::Result<()> {
        let begun = self.take(writer)?;
        begun.close();
        self.give_up(begun.payload, Loss::Aborted(reason));
        Ok(())
    }

    fn drop(&mut self, writer: Resource<Writer>) -> wasmtime::Result<()> {
        // Taken out of the table by `finish` or `abort`, unless the guest let it fall.
        let handle = writer.rep();
        if self.table.delete(writer).is_ok()
            && let Some(begun) = self.desk.begun.remove(&handle)
        {
            begun.close();
            self.give_up(begun.payload, Loss::Dropped);
        }
        Ok(())
    }
}

impl State {
    fn open(&self, reader: &Resource<Reader>) -> wasmtime::Result<&Open> {
        self.desk.open.get(&reader.rep()).ok_or_else(settled_before)
    }
}

fn settled_before() -> wasmtime::Error {
    wasmtime::Error::msg("the reader was settled before, or outlived its call")
}

impl HostReader for State {
    fn metadata(&mut self, reader: Resource<Reader>) -> wasmtime::Result<Metadata> {
        Ok(self.open(&reader)?.incoming.payload.metadata.clone())
    }

    fn options(&mut self, reader: Resource<Reader>) -> wasmtime::Result<String> {
        Ok(self.open(&reader)?.incoming.options.clone())
    }

    fn body(
        &mut self,
        reader: Resource<Reader>,
    ) -> wasmtime::Result<Result<Option<Resource<DynInputStream>>, Error>> {
        let open = self.open(&reader)?;
        let payload = &open.incoming.payload;
        let Some(body) = &payload.body else {
            return Ok(Ok(None));
        };
        let stream = match body.open() {
            Ok(reader) => SourceStream {
                reader,
                meter: self.meter(&payload.metadata),
                _held: Arc::clone(&open.held),
            },
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Ok(Err(read_once())),
            Err(error) => {
                let message = format!("the spooled body cannot be read: {error}");
                return Ok(Err(Error::new(ErrorKind::Internal, message)));
            }
        };
        let stream: DynInputStream = Box::new(stream);
        Ok(Ok(Some(self.table.push(stream)?)))
    }

    fn earlier(&mut self, reader: Resource<Reader>) -> wasmtime::Result<Option<Earlier>> {
        Ok(self.open(&reader)?.earlier.clone())
    }

    async fn note(&mut self, reader: Resource<Reader>, text: String) -> wasmtime::Result<Result<(), Error>> {
        if text.len() as u64 > self.bounds.limits().metadata.0 {
            return Ok(Err(denied(&self.bounds.reached("metadata"))));
        }
        let open = self.desk.open.get_mut(&reader.rep()).ok_or_else(settled_before)?;
        match &mut self.desk.exchange {
            Some(exchange) => Ok(exchange.note(&mut open.incoming, text).await),
            None => Ok(Err(cancelled())), // There are no readers without one.
        }
    }

    fn settle(&mut self, reader: Resource<Reader>, outcome: Outcome) -> wasmtime::Result<()> {
        let handle = reader.rep();
        self.table.delete(reader)?;
        let Open { incoming, held, .. } = self.desk.open.remove(&handle).ok_or_else(settled_before)?;
        let id = &incoming.payload.metadata.id;
        if Arc::strong_count(&held) > 1 {
            self.desk.breach(Breach::ReaderStream(id.clone()));
        }
        let outcome = match outcome {
            Outcome::Pass(metadata) if let Err(reached) = self.check_metadata(&metadata) => {
                Outcome::Fail(denied(&reached))
            }
            Outcome::Pass(metadata) if metadata.id != *id => {
                let (came, went) = (id.clone(), metadata.id);
                self.desk.breach(Breach::OtherId { came, went });
                let message = "the connector passed the payload on under another id";
                Outcome::Fail(Error {
                    effect: Effect::Unknown,
                    ..Error::new(ErrorKind::Internal, message)
                })
            }
            outcome => outcome,
        };
        if let Some(exchange) = &mut self.desk.exchange {
            exchange.settled(incoming, outcome);
        }
        Ok(())
    }

    fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        let handle = reader.rep();
        if self.table.delete(reader).is_ok()
            && let Some(open) = self.desk.open.remove(&handle)
            && let Some(exchange) = &mut self.desk.exchange
        {
            exchange.unsettled(open.incoming);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
