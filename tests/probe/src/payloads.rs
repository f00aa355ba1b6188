//! Steps of the exchange.

use serde_json::Value;

use crate::bindings::flow::connector::exchange::{self, Offer, Outcome, Reader, Writer};
use crate::bindings::flow::connector::types::{Error, Metadata, Summary};
use crate::expect;
use crate::script::{Ending, PayloadStep, seen};
use crate::slots::{Slots, get, take};

/// Does a step.
///
/// # Errors
/// When it goes otherwise.
pub fn perform(step: &PayloadStep, slots: &mut Slots, summary: &mut Summary) -> Result<(), String> {
    match step {
        PayloadStep::Begin {
            place,
            metadata,
            padding,
            expect: expected,
        } => {
            let mut metadata = Metadata::from(metadata);
            if *padding > 0 {
                metadata
                    .attributes
                    .push(("padding".to_owned(), "x".repeat(*padding)));
            }
            let came = match exchange::begin(&metadata) {
                Ok(Offer::Accept(writer)) => {
                    slots.writers.insert(place.clone(), writer);
                    "accept".to_owned()
                }
                Ok(Offer::Skip) => "skip".to_owned(),
                Ok(Offer::Accepted) => "accepted".to_owned(),
                Ok(Offer::Stop) => "stop".to_owned(),
                Err(error) => seen(&error),
            };
            summary.skipped += u64::from(came == "skip" || came == "accepted");
            expect(expected, &came)
        }
        PayloadStep::Finish { of, expect: expected } => {
            slots.sinks.remove(of);
            let came = Writer::finish(take(&mut slots.writers, of)?);
            summary.payloads += u64::from(came.is_ok());
            expect(expected, &told(&came))
        }
        PayloadStep::Abort { of, reason } => {
            slots.sinks.remove(of);
            summary.failed += 1;
            Writer::abort(take(&mut slots.writers, of)?, &reason.into());
            Ok(())
        }
        PayloadStep::Drop { of } => {
            slots.sinks.remove(of);
            if slots.writers.remove(of).is_none() {
                take(&mut slots.readers, of)?;
            }
            Ok(())
        }
        PayloadStep::Report { id, problem } => {
            exchange::report(id, &problem.into());
            Ok(())
        }
        _ => handed(step, slots, summary),
    }
}

/// Does a step of payloads that are handed in.
fn handed(step: &PayloadStep, slots: &mut Slots, summary: &mut Summary) -> Result<(), String> {
    match step {
        PayloadStep::Next {
            place,
            expect: expected,
        } => {
            let came = match exchange::next() {
                Ok(Some(reader)) => {
                    slots.readers.insert(place.clone(), reader);
                    "payload".to_owned()
                }
                Ok(None) => "none".to_owned(),
                Err(error) => seen(&error),
            };
            expect(expected, &came)
        }
        PayloadStep::Metadata { of, expect: expected } => {
            let metadata = json(&get(&mut slots.readers, of)?.metadata());
            for (name, value) in expected {
                expect(
                    &format!("{name}: {value}"),
                    &format!("{name}: {}", metadata[name]),
                )?;
            }
            Ok(())
        }
        PayloadStep::Options { of, expect: expected } => {
            let options = get(&mut slots.readers, of)?.options();
            let options: Value =
                serde_json::from_str(&options).map_err(|error| format!("{options:?} is no JSON: {error}"))?;
            expect(&expected.to_string(), &options.to_string())
        }
        PayloadStep::Earlier { of, expect: expected } => {
            let came = match get(&mut slots.readers, of)?.earlier() {
                None => "none".to_owned(),
                Some(exchange::Earlier { note: None }) => "unknown".to_owned(),
                Some(exchange::Earlier { note: Some(text) }) => format!("note {text}"),
            };
            expect(expected, &came)
        }
        PayloadStep::Note {
            of,
            text,
            padding,
            expect: expected,
        } => {
            let text = text.clone() + &"x".repeat(*padding);
            expect(expected, &told(&get(&mut slots.readers, of)?.note(&text)))
        }
        PayloadStep::Settle {
            of,
            outcome,
            metadata,
            error,
        } => {
            let reader = take(&mut slots.readers, of)?;
            let outcome = match outcome {
                Ending::Pass => {
                    summary.payloads += 1;
                    Outcome::Pass(metadata.as_ref().map_or_else(|| reader.metadata(), Into::into))
                }
                Ending::Consume => Outcome::Consume,
                Ending::Fail => {
                    summary.failed += 1;
                    Outcome::Fail(error.as_ref().ok_or("a fail needs an error")?.into())
                }
            };
            Reader::settle(reader, &outcome);
            Ok(())
        }
        PayloadStep::Begin { .. }
        | PayloadStep::Finish { .. }
        | PayloadStep::Abort { .. }
        | PayloadStep::Drop { .. }
        | PayloadStep::Report { .. } => unreachable!("these are of payloads that are made"),
    }
}

fn told<T>(came: &Result<T, Error>) -> String {
    match came {
        Ok(_) => "done".to_owned(),
        Err(error) => seen(error),
    }
}

fn json(metadata: &Metadata) -> Value {
    serde_json::json!({
        "id": metadata.id,
        "version": metadata.version,
        "name": metadata.name,
        "content_type": metadata.content_type,
        "size": metadata.size,
        "modified_ms": metadata.modified_ms,
        "attributes": metadata.attributes,
    })
}
