//! What a connector does with the payloads that it is given.

use super::verdicts::{ended, told_effect, told_failure, unchanged, unless_spoken};
use super::{Check, CheckId, Needs};
use crate::conformance::bench::{BAD_OPTIONS, Bench, Inbox};
use crate::conformance::counterpart::{Act, Next, Offers, Script};
use crate::conformance::ran::{Ran, Remains};
use crate::conformance::report::Verdict;
use crate::conformance::settings::Planned;
use crate::contract::{ErrorKind, Outcome};
use crate::imports::exchange::counterpart::Breach;

/// `next` fails.
pub const NEXT: Check = Check {
    id: "incoming.next",
    interface: "exchange",
    sentence: "The next incoming payload, or none when there are no more.",
    does: "Answers `next` with an error: the call ends with an error of its own, and does nothing else.",
    needs: Needs::Calls,
};
/// Wrong options.
pub const OPTIONS: Check = Check {
    id: "incoming.options",
    interface: "exchange",
    sentence: "The siblings MUST go on; whether the run ends is the flow's choice.",
    does: "Gives the first of several payloads options that are no JSON: it fails with `invalid-settings`, and the others \
           are dealt with.",
    needs: Needs::Calls,
};
/// Ids stay.
pub const ID: Check = Check {
    id: "incoming.id",
    interface: "exchange",
    sentence: "Its id MUST be the one it came with;",
    does: "Compares the ids of payloads that are passed on with those that they came with.",
    needs: Needs::Calls,
};
/// Readers' streams.
pub const STREAMS: Check = Check {
    id: "incoming.streams",
    interface: "exchange",
    sentence: "All streams MUST be dropped before `settle`.",
    does: "Sees at each `settle` whether the connector still holds a stream of the body.",
    needs: Needs::Calls,
};
/// A body breaks off.
pub const BROKEN: Check = Check {
    id: "incoming.broken",
    interface: "exchange",
    sentence: "`internal`: the host cannot read what it stored",
    does: "Lets the first body break off in the middle: the payload is told to have failed, and what is on the remote system \
           is as before, where the settings file has `remains`. Where the error says that it had an effect, what was \
           there may have another content.",
    needs: Needs::Calls,
};
/// Not twice.
pub const EARLIER: Check = Check {
    id: "incoming.earlier",
    interface: "exchange",
    sentence: "What a second time would do twice MUST be looked for before it is done again.",
    does: "Makes the call, and then again with what an interrupted try would have left: the same payloads, attempt 2, \
           `earlier` with the last note. What is on the remote system is the same after both.",
    needs: Needs::Remains,
};

pub(super) const CHECKS: &[CheckId] = &[&NEXT, &OPTIONS, &ID, &STREAMS, &BROKEN, &EARLIER];

pub(super) async fn run(bench: &mut Bench, index: usize) {
    let call = bench.settings.calls[index].clone();
    let next = Script {
        next: Next::Fail,
        ..Script::default()
    };
    let failed = bench.call(&call, next, Inbox::Whole).await;
    let complaint = match &failed.result {
        Ok(_) => Some("it ended well".to_owned()),
        Err(_) => unless_spoken(&failed.result),
    };
    bench.book.put(&NEXT, &call.name, Verdict::unless(complaint));
    bad_options(bench, &call).await;
    if !call.takes() {
        return;
    }
    if call.repeatable {
        again(bench, &call).await;
        broken(bench, &call).await;
    } else {
        for check in [&BROKEN, &EARLIER] {
            let reason = "the call is not `repeatable`".to_owned();
            bench.book.put(check, &call.name, Verdict::NotRun(reason));
        }
    }
}

async fn bad_options(bench: &mut Bench, call: &Planned) {
    if !call.repeatable && call.takes() {
        let reason = "the call is not `repeatable`".to_owned();
        bench.book.put(&OPTIONS, &call.name, Verdict::NotRun(reason));
        return;
    }
    // Nothing is taken: what matters is what becomes of the trigger and its siblings.
    let skip = Script {
        offers: Offers::Skip,
        ..Script::default()
    };
    let ran = bench.call(call, skip, Inbox::BadOptions).await;
    bench.book.put(
        &OPTIONS,
        &call.name,
        Verdict::unless(unless_siblings_go_on(&ran, call)),
    );
}

fn unless_siblings_go_on(ran: &Ran, call: &Planned) -> Option<String> {
    if ran.result.is_err() {
        return Some(ended(&ran.result));
    }
    let outcome = |wanted: &str| {
        ran.acts.iter().find_map(|act| match act {
            Act::Settled(id, outcome) if id == wanted => Some(outcome),
            _ => None,
        })
    };
    match outcome(BAD_OPTIONS) {
        Some(Outcome::Fail(error)) if error.kind == ErrorKind::InvalidSettings => {}
        Some(Outcome::Fail(error)) => {
            return Some(format!(
                "it failed with `{}`: {}",
                error.kind.name(),
                error.message
            ));
        }
        Some(_) => return Some("it did not fail".to_owned()),
        None => return Some("it was not settled".to_owned()),
    }
    call.incoming
        .iter()
        .find_map(|given| match outcome(&given.metadata.id) {
            Some(Outcome::Fail(error)) => Some(format!(
                "its sibling `{}` failed as well: {}",
                given.metadata.id, error.message
            )),
            Some(_) => None,
            None => Some(format!("its sibling `{}` was not settled", given.metadata.id)),
        })
}

async fn broken(bench: &mut Bench, call: &Planned) {
    let before = bench.remains().await;
    let ran = bench.call(call, Script::default(), Inbox::Broken).await;
    let first = &call.incoming[0].metadata.id;
    let done = ran
        .count(|act| matches!(act, Act::Settled(id, Outcome::Pass(_) | Outcome::Consume) if id == first))
        > 0;
    let complaint = unless_spoken(&ran.result)
        .or_else(|| done.then(|| format!("the payload `{first}` counts as done")))
        .or_else(|| (!told_failure(&ran)).then(|| "it ended well and counts nothing as failed".to_owned()));
    bench.book.put(&BROKEN, &call.name, Verdict::unless(complaint));
    compare(bench, &BROKEN, &call.name, (before, told_effect(&ran))).await;
}

/// The same payloads again, after a try that came to its end and of which the host does not know.
async fn again(bench: &mut Bench, call: &Planned) {
    if bench.settings.remains.is_none() {
        return;
    }
    let first = bench.call(call, Script::default(), Inbox::Whole).await;
    let note = first.acts.iter().rev().find_map(|act| match act {
        Act::Noted(text) => Some(text.clone()),
        _ => None,
    });
    let before = bench.remains().await;
    let second = bench
        .call_twice(
            call,
            Script {
                next: Next::Fail,
                ..Script::default()
            },
            (Script::default(), Inbox::Again(note)),
        )
        .await
        .1;
    bench.book.put(
        &EARLIER,
        &call.name,
        Verdict::unless(unless_spoken(&second.result)),
    );
    compare(bench, &EARLIER, &call.name, (before, false)).await;
}

async fn compare(
    bench: &mut Bench,
    check: CheckId,
    name: &str,
    (before, told): (Option<Result<Remains, String>>, bool),
) {
    if let Some(verdict) = unchanged(before.as_ref(), bench.remains().await, told) {
        bench.book.put(check, name, verdict);
    }
}

/// Judges what was seen in all calls that were made since the first one of this name.
pub(super) fn run_last(bench: &mut Bench, index: usize) {
    let call = bench.settings.calls[index].clone();
    let settled = bench.acts.iter().any(|act| matches!(act, Act::Settled(..)));
    let seen = bench.acts.iter().filter_map(|act| match act {
        Act::Broken(breach) => Some(breach),
        _ => None,
    });
    let seen: Vec<&Breach> = seen.collect();
    let other = seen.iter().find_map(|breach| match breach {
        Breach::OtherId { came, went } => Some(format!("`{came}` was passed on as `{went}`")),
        _ => None,
    });
    let held = seen.iter().find_map(|breach| match breach {
        Breach::ReaderStream(id) => Some(format!("a stream of `{id}` was still held")),
        _ => None,
    });
    for (check, complaint) in [(&ID, other), (&STREAMS, held)] {
        let verdict = if settled {
            Verdict::unless(complaint)
        } else {
            Verdict::NotApplicable("no payload was settled".to_owned())
        };
        bench.book.put(check, &call.name, verdict);
    }
}
