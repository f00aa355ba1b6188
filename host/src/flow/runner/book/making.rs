//! What a step makes: payloads that are offered, accepted, taken over from earlier runs, or streamed.

use super::{Book, Item, internal};
use crate::contract::{Error, ErrorKind, Metadata};
use crate::event::Event;
use crate::imports::exchange::accepted_meanwhile;
use crate::imports::exchange::counterpart::{Reception, Target};
use crate::state::ledger::payloads::{self, Passed, Seq, Stored};
use crate::state::ledger::seen;
use crate::state::spool::BodyWriter;

impl Book {
    /// Whether a payload is wanted.
    pub(in crate::flow) async fn offered(&self, metadata: &Metadata) -> Result<Reception, Error> {
        if let Some(error) = self.broken() {
            return Err(internal(&error));
        }
        if self.had(metadata).await? {
            return Ok(Reception::Accepted);
        }
        if let Some(key) = self.dedupe.before(&self.place.flow, &self.place.step, metadata) {
            let had = self.store.ledger.read(|connection| seen::had(connection, &key));
            match had.map_err(|error| internal(&error))? {
                seen::Had::No => {}
                seen::Had::Elsewhere => return Ok(Reception::Skip),
                seen::Had::Yes => {
                    let expires = self.dedupe.expires();
                    let refreshed = move |connection: &_| seen::refresh(connection, &key, expires);
                    drop(self.store.ledger.write(refreshed));
                    return Ok(if self.dedupe.is_exact() {
                        self.tally().skipped += 1;
                        Reception::Accepted
                    } else {
                        Reception::Skip
                    });
                }
            }
        }
        if !self.spool.quota().has_room(metadata.size.unwrap_or(1)) && self.tally().made > 0 {
            // The later steps make room; then this one goes on.
            self.tally().stopped = true;
            return Ok(Reception::Stop);
        }
        Ok(Reception::Accept(Target::Spool(Box::new(self.spool.writer()))))
    }

    /// Whether a payload was accepted before, in this run or in one that left it to this one.
    pub(in crate::flow) async fn had(&self, metadata: &Metadata) -> Result<bool, Error> {
        Ok(self.is_made(metadata)? || self.adopts(metadata).await?)
    }

    /// Takes a payload over that an earlier run of the flow was left with, if there is one: it goes on where it was.
    async fn adopts(&self, metadata: &Metadata) -> Result<bool, Error> {
        let new = self.new_payload(metadata.clone(), None);
        let ledger = &self.store.ledger;
        let parked = ledger.read(|connection| payloads::parked(connection, &new));
        let Some(seq) = parked.map_err(|error| internal(&error))? else {
            return Ok(false);
        };
        self.store.takes_over();
        let run = self.place.run;
        let adopted = ledger.write(move |connection| payloads::adopt(connection, seq, run));
        adopted.durable().await.map_err(|error| internal(&error))?;
        let label = metadata.name.as_deref().unwrap_or(&metadata.id);
        self.events.send(&Event::Log {
            step: self.place.step.clone(),
            level: "info",
            message: format!("`{label}` was accepted by an earlier run, and goes on where that one ended."),
        });
        Ok(true)
    }

    /// A payload that the step makes.
    fn new_payload(&self, metadata: Metadata, body: Option<Stored>) -> payloads::New {
        payloads::New {
            run: self.place.run,
            maker: self.place.position,
            metadata,
            body,
            step: self.place.position + 1,
            done: self.place.position + 1 >= self.place.steps,
        }
    }

    /// Whether this step has made a payload before, in this run.
    pub(in crate::flow) fn is_made(&self, metadata: &Metadata) -> Result<bool, Error> {
        let (run, maker) = (self.place.run, self.place.position);
        let version = metadata.version.as_deref().unwrap_or_default();
        let made = self
            .store
            .ledger
            .read(|connection| payloads::is_made(connection, run, maker, &metadata.id, version));
        made.map_err(|error| internal(&error))
    }

    /// Accepts a payload for good. False when its content was had before: then it goes no further.
    pub(in crate::flow) async fn accept(
        &self,
        metadata: Metadata,
        writer: BodyWriter,
    ) -> Result<bool, Error> {
        let sealed = tokio::task::spawn_blocking(move || writer.seal()).await;
        let sealed = sealed
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?
            .map_err(|error| Error::from(&error))?;
        let Some(body) = sealed.stored().cloned() else {
            return Err(Error::new(ErrorKind::Internal, "the payload was finished before"));
        };
        if self.had_content(&body)? {
            self.tally().skipped += 1;
            return Ok(false);
        }
        let size = body.size;
        let key = (metadata.id.clone(), metadata.version.clone());
        let label = metadata.name.clone().unwrap_or_else(|| metadata.id.clone());
        let keys = self
            .dedupe
            .keys(&self.place.flow, &self.place.step, &metadata, &body.hash);
        let expires = self.dedupe.expires();
        let new = self.new_payload(metadata, Some(body));
        let through = new.done;
        let inserted = self.store.ledger.write(move |connection| {
            let seq = payloads::insert(connection, &new)?;
            if let Some(seq) = seq {
                for key in &keys {
                    seen::remember(connection, key, seq, expires)?;
                }
            }
            Ok(seq)
        });
        if inserted
            .durable()
            .await
            .map_err(|error| internal(&error))?
            .is_none()
        {
            return Err(accepted_meanwhile(&label));
        }
        if !through {
            sealed.keep();
        }
        self.has_made(&key, size);
        Ok(true)
    }

    fn has_made(&self, key: &(String, Option<String>), size: u64) {
        let mut tally = self.tally();
        tally.given_up.remove(key);
        tally.made += 1;
        tally.made_bytes += size;
    }

    /// Takes note of a payload that goes to the next step as it comes, before that step gets it. Says whether it was on
    /// its way before, and what was noted then.
    pub(in crate::flow) async fn stream(
        &self,
        metadata: &Metadata,
    ) -> Result<(Seq, Option<Option<String>>), Error> {
        let new = self.new_payload(metadata.clone(), None);
        let noted = self
            .store
            .ledger
            .write(move |connection| payloads::stream(connection, &new));
        noted.durable().await.map_err(|error| internal(&error))
    }

    /// A payload that was on its way did not arrive, and nothing is left of it.
    pub(in crate::flow) fn forget_stream(&self, seq: Seq) {
        drop(
            self.store
                .ledger
                .write(move |connection| payloads::forget_stream(connection, seq)),
        );
    }

    /// A payload that was on its way has been delivered by the next step: it is accepted, and through both.
    pub(in crate::flow) async fn arrived(
        &self,
        item: &Item,
        step: &str,
        metadata: Metadata,
        size: u64,
        facts: &serde_json::Value,
    ) -> Result<(), Error> {
        let position = self.place.position + 1;
        let known = self.dedupe.before(&self.place.flow, &self.place.step, &metadata);
        let expires = self.dedupe.expires();
        let passed = Passed {
            seq: item.seq,
            metadata: Metadata {
                size: Some(size),
                ..metadata.clone()
            },
            step: position,
            through: position + 1 >= self.place.steps,
            place: None,
            proof: self.redactor.redact(&facts.to_string()),
        };
        let written = self.store.ledger.write(move |connection| {
            payloads::arrive(connection, &passed, size)?;
            match &known {
                Some(known) => seen::remember(connection, known, passed.seq, expires),
                None => Ok(()),
            }
        });
        written.durable().await.map_err(|error| internal(&error))?;
        self.has_made(&(metadata.id.clone(), metadata.version.clone()), size);
        self.events.send(&Event::PayloadDone {
            step: step.to_owned(),
            payload: item.payload.label().to_owned(),
            bytes: size,
            attributes: metadata.attributes,
        });
        Ok(())
    }

    fn had_content(&self, body: &Stored) -> Result<bool, Error> {
        let key = self.dedupe.after(&self.place.flow, &self.place.step, &body.hash);
        let Some(key) = key else { return Ok(false) };
        let had = self.store.ledger.read(|connection| seen::had(connection, &key));
        // Also what this run or another is at: it is accepted for good.
        let had = had.map_err(|error| internal(&error))? != seen::Had::No;
        if had {
            let expires = self.dedupe.expires();
            drop(
                self.store
                    .ledger
                    .write(move |connection| seen::refresh(connection, &key, expires)),
            );
        }
        Ok(had)
    }
}
