//! The tries of one step.

use super::book::{Book, End};
use crate::event::Event;
use crate::failure::Failure;
use crate::flow::Step;
use crate::flow::step::{Session, Work};

/// How a step ended, all its tries together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is through with what it was given.
    Done,
    /// It makes more when the later steps have made room.
    More,
    /// The run was asked to end.
    Interrupted,
}

/// Makes tries until everything is done, has failed for good, or may not be tried again.
///
/// # Errors
/// When the ledger fails: then nothing can be done that would not be forgotten.
pub(super) async fn all(step: &Step, mut work: Work<'_>, session: &mut Session) -> Result<Ended, Failure> {
    let book = work.book;
    let ended = loop {
        book.begin_try(work.attempt);
        work.events.send(&Event::StepStarted {
            step: step.id.clone(),
            payloads: book.waiting().map_err(|error| Failure::Host(error.into()))?,
            attempt: work.attempt,
        });
        let answer = step.action.attempt(&work, session).await;
        let again = match book.end_try(answer).await? {
            End::Done => break Ended::Done,
            End::More => break Ended::More,
            End::Interrupted => break Ended::Interrupted,
            End::Again(again) => again,
        };
        work.events.send(&Event::Retry {
            step: step.id.clone(),
            attempt: work.attempt,
            after_ms: u64::try_from(again.pause.as_millis()).unwrap_or(u64::MAX),
            message: again.reason,
        });
        work.attempt += 1;
        if let Err(failure) = work.within(tokio::time::sleep(again.pause)).await {
            book.begin_try(work.attempt);
            break match book.end_try(Err(failure)).await? {
                End::Interrupted => Ended::Interrupted,
                _ => Ended::Done,
            };
        }
    };
    tell_finished(book, step);
    Ok(ended)
}

fn tell_finished(book: &Book, step: &Step) {
    let tally = book.tally();
    // What the connector itself does not count are the bodies that it made.
    let bytes = if tally.bytes > 0 {
        tally.bytes
    } else {
        tally.made_bytes
    };
    let finished = Event::StepFinished {
        step: step.id.clone(),
        payloads: tally.made + tally.passed,
        bytes,
        skipped: tally.skipped,
        failed: tally.failed + tally.problems,
    };
    drop(tally);
    book.events.send(&finished);
}
