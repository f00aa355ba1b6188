//! `delivery: streaming`: two endpoints at work at the same time, and what the first reads goes to the second at once.
//!
//! Nothing is stored. A document is accepted when the second has delivered it: only then does `finish` return to the
//! first, which may then delete the original. The ledger knows of each document before the second is given it, so that
//! after a crash that one looks before it does anything twice.

use super::desk::{Desk, facts, not_tried};
use super::{EndpointStep, Filler};
use crate::bindings::flow::connector::exchange::Earlier;
use crate::contract::{Effect, Error, ErrorKind, Metadata, Outcome, Retry};
use crate::failure::Failure;
use crate::flow::runner::book::{Book, Item};
use crate::flow::step::{Action, Session, Work};
use crate::imports::exchange::counterpart::{Counterpart, Incoming, Loss, Offered, Reception, Target};
use crate::imports::exchange::unsettled;
use crate::payload::Payload;
use crate::state::body::Body;
use crate::state::pipe::pipe;
use async_trait::async_trait;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// What the second endpoint says of a document: what is known of it now, and what proves it.
type Verdict = Result<(Metadata, Value), Error>;

/// A document on its way from the first endpoint to the second.
struct Passing {
    item: Item,
    verdict: oneshot::Sender<Verdict>,
}

/// Makes one try of both.
pub(super) async fn attempt(
    from: &EndpointStep,
    work: &Work<'_>,
    session: &mut Session,
) -> Result<(), Failure> {
    let (id, to) = next(work)?;
    let (sender, receiver) = mpsc::channel(1);
    let source = Source {
        desk: Desk::new(from, work),
        book: Arc::clone(work.book),
        to: id.clone(),
        sender,
        open: None,
    };
    let sink = Sink {
        book: Arc::clone(work.book),
        filler: Filler::of(to, &id, work),
        receiver,
        held: HashMap::new(),
        problems: 0,
    };
    // One live connector makes one call at a time.
    let (here, there) = (from.instance.clone(), format!("{} of {id}", to.instance));
    let mut getting = from.live(&here, work, session).await?;
    let mut putting = to.live(&there, work, session).await?;
    let limit = work.deadline.saturating_duration_since(Instant::now());
    let attempt = work.attempt;
    let (step, endpoint, call) = (work.step.to_owned(), from.endpoint.clone(), from.call(work)?);
    let get = tokio::spawn(async move {
        let (_, answer) = getting
            .call(&step, &endpoint, &call, attempt, limit, source)
            .await;
        (getting, answer)
    });
    let (endpoint, call) = (to.endpoint.clone(), to.call(work)?);
    let put = tokio::spawn(async move {
        let (_, answer) = putting.call(&id, &endpoint, &call, attempt, limit, sink).await;
        (putting, answer)
    });
    let broke = |error: tokio::task::JoinError| Failure::Host(error.into());
    let (got, put) = tokio::join!(get, put);
    let ((getting, got), (putting, put)) = (got.map_err(broke)?, put.map_err(broke)?);
    session.instances.insert(here, getting);
    session.instances.insert(there, putting);
    // Where the second ended, the first could not but end, too.
    let answers = put.and(got);
    match answers {
        Ok(summary) => {
            work.book.count(summary.skipped, summary.bytes);
            Ok(())
        }
        Err(Failure::TimeOut(_)) if Instant::now() >= work.deadline => Err(Failure::TimeOut(work.timeout)),
        Err(failure) => Err(failure.tamed()),
    }
}

/// The step that takes what this one reads.
fn next<'a>(work: &Work<'a>) -> Result<(String, &'a EndpointStep), Failure> {
    let mut steps = work.flow.steps.iter().skip_while(|step| step.id != work.step);
    match steps.nth(1).map(|step| (step.id.clone(), &step.action)) {
        Some((id, Action::Endpoint(endpoint))) => Ok((id, endpoint)),
        _ => Err(Failure::Host(anyhow::anyhow!(
            "the step `{}` streams, and no endpoint follows it",
            work.step
        ))),
    }
}

/// The flow's side of the endpoint that reads.
struct Source {
    desk: Desk,
    book: Arc<Book>,
    /// The step that takes what is read.
    to: String,
    sender: mpsc::Sender<Passing>,
    /// The document that the second endpoint has: what it has not said yet.
    open: Option<Open>,
}

struct Open {
    item: Item,
    verdict: oneshot::Receiver<Verdict>,
}

impl Source {
    /// Waits for what the second endpoint makes of the document that it has.
    async fn verdict(&mut self) -> Option<(Item, Verdict)> {
        let Open { item, verdict } = self.open.take()?;
        let verdict = verdict.await.unwrap_or_else(|_| Err(broken_off(&self.to)));
        if let Err(error) = &verdict
            && error.effect != Effect::Unknown
        {
            // It is as if it had never been on its way.
            self.book.forget_stream(item.seq);
        }
        Some((item, verdict))
    }
}

/// The second endpoint ended with a document in its hands.
fn broken_off(step: &str) -> Error {
    Error {
        retry: Retry::Backoff,
        effect: Effect::Unknown,
        ..Error::new(
            ErrorKind::Data,
            format!("the step `{step}` ended before it said what became of the document"),
        )
    }
}

#[async_trait]
impl Counterpart for Source {
    async fn offered(&mut self, payload: &Offered) -> Result<Reception, Error> {
        // One that was given up; it is not to overtake the next.
        self.verdict().await;
        match self.desk.offered(payload).await? {
            Reception::Accept(_) => {}
            other => return Ok(other),
        }
        let metadata = &payload.metadata;
        let (seq, earlier) = self.book.stream(metadata).await?;
        let (writer, reader) = pipe();
        let body = Body::on_its_way(reader, metadata.size.unwrap_or(0));
        let item = Item {
            seq,
            payload: Payload {
                metadata: metadata.clone(),
                body: Some(body),
            },
            earlier,
            origin: self.book.place.run_id.clone(),
        };
        let (sender, verdict) = oneshot::channel();
        let passing = Passing {
            item: item.clone(),
            verdict: sender,
        };
        if self.sender.send(passing).await.is_err() {
            return Err(Error {
                effect: Effect::None,
                ..broken_off(&self.to)
            });
        }
        self.open = Some(Open { item, verdict });
        Ok(Reception::Accept(Target::Pipe(writer)))
    }

    async fn had(&mut self, metadata: &Metadata) -> Result<bool, Error> {
        self.desk.had(metadata).await
    }

    fn made(&self) -> u64 {
        self.desk.made()
    }

    async fn accept(&mut self, payload: Offered, body: Target) -> Result<bool, Error> {
        let Target::Pipe(pipe) = body else {
            return Err(Error::new(
                ErrorKind::Internal,
                "a step that streams stores nothing",
            ));
        };
        pipe.finish();
        let Some((item, verdict)) = self.verdict().await else {
            return Err(Error::new(ErrorKind::Internal, "the payload was finished before"));
        };
        let size = payload.metadata.size.unwrap_or(0);
        let (metadata, facts) = verdict?;
        self.book.arrived(&item, &self.to, metadata, size, &facts).await?;
        self.desk.has_made();
        Ok(true)
    }

    async fn refusal(&mut self, error: Error) -> Error {
        match self.verdict().await {
            Some((_, Err(verdict))) => verdict,
            _ => error,
        }
    }

    fn give_up(&mut self, payload: Offered, loss: Loss) {
        self.desk.give_up(payload, loss);
    }

    fn unfinished(&mut self, payload: Offered) {
        self.desk.unfinished(payload);
    }

    async fn next(&mut self) -> Result<Option<Incoming>, Error> {
        self.desk.next().await
    }

    async fn note(&mut self, incoming: &mut Incoming, text: String) -> Result<(), Error> {
        self.desk.note(incoming, text).await
    }

    fn settled(&mut self, incoming: Incoming, outcome: Outcome) {
        self.desk.settled(incoming, outcome);
    }

    fn unsettled(&mut self, incoming: Incoming) {
        self.desk.unsettled(incoming);
    }

    fn problem(&mut self, id: &str, problem: &Error) -> bool {
        self.desk.problem(id, problem)
    }

    fn problems(&self) -> u64 {
        self.desk.problems()
    }

    fn label(&self, id: &str) -> Option<String> {
        self.desk.label(id)
    }
}

/// The flow's side of the endpoint that writes.
struct Sink {
    book: Arc<Book>,
    filler: Filler,
    receiver: mpsc::Receiver<Passing>,
    /// What the connector has in its hands, by its row.
    held: HashMap<i64, Passing>,
    problems: u64,
}

impl Sink {
    fn say(&mut self, incoming: &Incoming, verdict: impl FnOnce(&Item) -> Verdict) {
        if let Some(Passing {
            item,
            verdict: sender,
        }) = self.held.remove(&incoming.ticket)
        {
            let _ = sender.send(verdict(&item)); // The first endpoint may have ended.
        }
    }
}

#[async_trait]
impl Counterpart for Sink {
    async fn offered(&mut self, _: &Offered) -> Result<Reception, Error> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "a step that takes a stream (`delivery: streaming` in the step before) cannot make documents of its own",
        ))
    }

    async fn had(&mut self, _: &Metadata) -> Result<bool, Error> {
        Ok(false)
    }

    fn made(&self) -> u64 {
        0
    }

    async fn accept(&mut self, _: Offered, _: Target) -> Result<bool, Error> {
        Ok(false) // Nothing was offered.
    }

    fn give_up(&mut self, _: Offered, _: Loss) {}

    fn unfinished(&mut self, _: Offered) {}

    async fn next(&mut self) -> Result<Option<Incoming>, Error> {
        while let Some(passing) = self.receiver.recv().await {
            match self.filler.fill(&passing.item.payload) {
                Ok(options) => {
                    let Passing { item, .. } = &passing;
                    let incoming = Incoming {
                        payload: item.payload.clone(),
                        options,
                        earlier: item.earlier.clone().map(|note| Earlier { note }),
                        ticket: item.seq,
                    };
                    self.held.insert(item.seq, passing);
                    return Ok(Some(incoming));
                }
                Err(error) => {
                    let error = not_tried(&passing.item, error);
                    let _ = passing.verdict.send(Err(error));
                }
            }
        }
        Ok(None)
    }

    async fn note(&mut self, incoming: &mut Incoming, text: String) -> Result<(), Error> {
        self.book.note(incoming.ticket, text.clone()).await?;
        incoming.earlier = Some(Earlier { note: Some(text) });
        Ok(())
    }

    fn settled(&mut self, incoming: Incoming, outcome: Outcome) {
        self.say(&incoming, |item| match outcome {
            Outcome::Pass(metadata) => {
                let facts = facts(&item.payload.metadata, &metadata);
                Ok((metadata, facts))
            }
            Outcome::Consume => Err(Error::new(
                ErrorKind::Unsupported,
                "the step that takes the stream kept the document to itself; with `delivery: streaming` it has to pass it on",
            )),
            Outcome::Fail(error) => Err(error.tamed()),
        });
    }

    fn unsettled(&mut self, incoming: Incoming) {
        self.say(&incoming, |_| {
            Err(Error {
                retry: Retry::Backoff,
                ..unsettled()
            })
        });
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
        let held = self.held.values().map(|passing| &passing.item.payload);
        let mut held = held.filter(|payload| payload.metadata.id == id);
        held.next().map(|payload| payload.label().to_owned())
    }
}
