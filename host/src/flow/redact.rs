//! Events without secrets.

use super::secret::Redactor;
use crate::event::{Event, Events};

/// Blacks out secrets on the way to whoever listens. A connector should not tell any; a server may.
#[must_use]
pub fn redacted(events: &Events, redactor: &Redactor) -> Events {
    let (events, redactor) = (events.clone(), redactor.clone());
    Events::new(move |event| match redact(event, &redactor) {
        Some(event) => events.send(&event),
        None => events.send(event),
    })
}

/// The event with its secrets blacked out; none when there are none.
fn redact(event: &Event, redactor: &Redactor) -> Option<Event> {
    let mut event = event.clone();
    let mut found = false;
    let mut black_out = |text: &mut String| {
        if redactor.concerns(text) {
            *text = redactor.redact(text);
            found = true;
        }
    };
    match &mut event {
        Event::Log { message, .. }
        | Event::Retry { message, .. }
        | Event::StepFailed { message, .. }
        | Event::Progress { what: message, .. }
        | Event::Bytes { payload: message, .. } => black_out(message),
        Event::PayloadFailed { message, payload, .. } | Event::PayloadProblem { message, payload, .. } => {
            black_out(message);
            black_out(payload);
        }
        Event::PayloadDone {
            payload, attributes, ..
        } => {
            black_out(payload);
            for (_, value) in attributes {
                black_out(value);
            }
        }
        Event::RunStarted { .. }
        | Event::RunResumed { .. }
        | Event::RunSkipped { .. }
        | Event::StepStarted { .. }
        | Event::StepFinished { .. }
        | Event::RunFinished { .. } => {}
    }
    found.then_some(event)
}
