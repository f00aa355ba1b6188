//! The tries of one step, and what is counted in the end.

use crate::contract::{Error, Metadata, Retry};
use crate::event::Event;
use crate::failure::Failure;
use crate::flow::Step;
use crate::flow::retry::jitter;
use crate::flow::step::{Memory, Session, Tried, Work};
use crate::payload::Payload;
use crate::state::spool::Body;
use std::time::Duration;
use tokio::time::Instant;

/// What a step did, all its tries together.
#[derive(Default)]
pub(super) struct StepDone {
    /// Payloads for the next step.
    pub(super) output: Vec<Payload>,
    /// Payloads that the step made.
    pub(super) made: u64,
    /// Bytes of their bodies.
    pub(super) made_bytes: u64,
    /// Bytes of bodies that moved.
    pub(super) bytes: u64,
    pub(super) skipped: u64,
    /// Payloads that failed, or 1 when the step failed without one.
    pub(super) failed: u64,
    /// Problems with payloads that did not fail.
    pub(super) problems: u64,
}

/// Makes tries until everything is done, has failed for good, or may not be tried again.
pub(super) async fn all(
    step: &Step,
    mut work: Work<'_>,
    session: &mut Session,
    payloads: Vec<Payload>,
) -> StepDone {
    let mut memory = Memory::default();
    let mut done = StepDone::default();
    let mut inbox = payloads;
    loop {
        work.events.send(&Event::StepStarted {
            step: step.id.clone(),
            payloads: inbox.len() as u64,
            attempt: work.attempt,
        });
        let tried = step.action.attempt(&work, session, &mut memory, inbox).await;
        let again = sort(step, &work, tried, &mut done);
        let Some(pause) = again.pause.filter(|_| !again.payloads.is_empty()) else {
            break;
        };
        work.events.send(&Event::Retry {
            step: step.id.clone(),
            attempt: work.attempt,
            after_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            message: again.reason,
        });
        inbox = again.payloads;
        if let Err(failure) = work.within(tokio::time::sleep(pause)).await {
            give_up(&work, &failure, inbox, &mut done);
            break;
        }
        work.attempt += 1;
    }
    work.events.send(&Event::StepFinished {
        step: step.id.clone(),
        payloads: done.output.len() as u64,
        bytes: done.bytes,
        skipped: done.skipped,
        failed: done.failed + done.problems,
    });
    done
}

/// What is to be tried again.
#[derive(Default)]
struct Again {
    payloads: Vec<Payload>,
    pause: Option<Duration>,
    reason: String,
}

impl Again {
    fn wait(&mut self, pause: Duration, reason: &str) {
        if self.pause.is_none_or(|longest| pause > longest) {
            self.pause = Some(pause);
        }
        if self.reason.is_empty() {
            reason.clone_into(&mut self.reason);
        }
    }
}

/// Sorts what a try did into done, failed, and to be tried again.
fn sort(step: &Step, work: &Work<'_>, tried: Tried, done: &mut StepDone) -> Again {
    let mut again = Again::default();
    let pause = |retry: &Retry| {
        let pause = step.retry.pause(work.attempt, retry, jitter())?;
        // A pause beyond the step's deadline would end in a time-out that hides the reason.
        (Instant::now() + pause < work.deadline && !work.cancel.is_cancelled()).then_some(pause)
    };
    done.made += tried.made.len() as u64;
    done.made_bytes += tried.made.iter().map(body_bytes).sum::<u64>();
    done.skipped = done.skipped.saturating_add(tried.skipped);
    done.problems += tried.problems;
    done.bytes = done.bytes.saturating_add(if tried.bytes > 0 {
        tried.bytes
    } else {
        tried.made.iter().map(body_bytes).sum()
    });
    for payload in &tried.passed {
        tell_done(work, payload);
    }
    done.output.extend(tried.made);
    done.output.extend(tried.passed);

    for (payload, error) in tried.failed {
        if let Some(pause) = pause(&error.retry) {
            again.wait(pause, &error.message);
            again.payloads.push(payload);
        } else if work.is_trigger(&payload) {
            // No document failed: the step itself did.
            give_up(work, &Failure::Connector(error), Vec::new(), done);
        } else {
            tell_failed(work, payload.label(), &error);
            done.failed += 1;
        }
    }
    let mut retried = false;
    for (metadata, error) in tried.lost {
        if let Some(pause) = pause(&error.retry).filter(|_| !tried.consumed.is_empty()) {
            again.wait(pause, &error.message);
            retried = true;
        } else {
            tell_failed(work, label(&metadata), &error);
            done.failed += 1;
        }
    }
    if retried {
        // What came of them is offered again; what was accepted is skipped.
        again.payloads.extend(tried.consumed);
    }
    match tried.failure {
        Some(failure) => match pause(failure.retry()) {
            Some(pause) if !tried.untouched.is_empty() => {
                again.wait(pause, &failure.to_string());
                again.payloads.extend(tried.untouched);
            }
            _ => give_up(work, &failure, tried.untouched, done),
        },
        None => {
            for payload in tried.untouched.iter().filter(|payload| !work.is_trigger(payload)) {
                let error = Error::new(
                    crate::contract::ErrorKind::Internal,
                    "the connector ended without taking this payload",
                );
                tell_failed(work, payload.label(), &error);
                done.failed += 1;
            }
        }
    }
    again
}

/// The step fails as a whole, and with it each payload that it had not dealt with.
fn give_up(work: &Work<'_>, failure: &Failure, untouched: Vec<Payload>, done: &mut StepDone) {
    let code = match failure {
        Failure::Connector(error) => error.code.clone(),
        _ => None,
    };
    work.events.send(&Event::StepFailed {
        step: work.step.to_owned(),
        kind: failure.kind().to_owned(),
        message: failure.to_string(),
        code: code.clone(),
    });
    let payloads: Vec<Payload> = untouched
        .into_iter()
        .filter(|payload| !work.is_trigger(payload))
        .collect();
    for payload in &payloads {
        work.events.send(&Event::PayloadFailed {
            step: work.step.to_owned(),
            payload: payload.label().to_owned(),
            kind: failure.kind().to_owned(),
            message: failure.to_string(),
            code: code.clone(),
        });
    }
    done.failed += (payloads.len() as u64).max(1);
}

fn body_bytes(payload: &Payload) -> u64 {
    payload.body.as_ref().map_or(0, Body::len)
}

fn label(metadata: &Metadata) -> &str {
    metadata.name.as_deref().unwrap_or(&metadata.id)
}

fn tell_done(work: &Work<'_>, payload: &Payload) {
    if work.is_trigger(payload) {
        return;
    }
    work.events.send(&Event::PayloadDone {
        step: work.step.to_owned(),
        payload: payload.label().to_owned(),
        bytes: body_bytes(payload),
        attributes: payload.metadata.attributes.clone(),
    });
}

fn tell_failed(work: &Work<'_>, payload: &str, error: &Error) {
    work.events.send(&Event::PayloadFailed {
        step: work.step.to_owned(),
        payload: payload.to_owned(),
        kind: error.kind.name().to_owned(),
        message: error.message.clone(),
        code: error.code.clone(),
    });
}
