//! What a connector does with payloads that the flow does not accept, or has accepted before.

use super::verdicts::{ended, told_failure, unchanged, unless_spoken};
use super::{Check, CheckId, Needs};
use crate::conformance::bench::{Bench, Inbox};
use crate::conformance::counterpart::{Act, Bodies, Finish, Offers, Script};
use crate::conformance::ran::Ran;
use crate::conformance::report::Verdict;

/// `begin` fails.
pub const BEGIN: Check = Check {
    id: "accept.begin",
    interface: "exchange",
    sentence: "`denied-by-host`: a limit on payloads is reached; the message names it",
    does: "Answers every `begin` with `denied-by-host`: the call tells it, by an error of its own or in its summary, and \
           counts nothing as made.",
    needs: Needs::Calls,
};
/// `finish` fails.
pub const FINISH: Check = Check {
    id: "accept.finish",
    interface: "exchange",
    sentence: "It MUST NOT return before the flow has accepted the payload for good;",
    does: "Answers every `finish` with an error: the call tells it, and counts nothing as made.",
    needs: Needs::Calls,
};
/// The stream fails.
pub const STREAM: Check = Check {
    id: "accept.stream",
    interface: "exchange",
    sentence: "When the host cannot take more bytes (a full disk, a limit) the stream fails, and `finish` MUST give the reason.",
    does: "Lets the stream of every payload fail at its first byte: the call tells it, and counts nothing as made.",
    needs: Needs::Calls,
};
/// Originals stay.
pub const ORIGINAL: Check = Check {
    id: "accept.original",
    interface: "exchange",
    sentence: "only then may the original be moved or deleted.",
    does: "Makes the call again after each refusal, in the same instance, where that lives: everything is offered again. \
           Compares what is on the remote system, where the settings file has `remains`.",
    needs: Needs::Calls,
};
/// Accepted before.
pub const BEFORE: Check = Check {
    id: "accept.before",
    interface: "exchange",
    sentence: "Do with the original what is done after `finish`, and go on to the next.",
    does: "Answers every `begin` with `accepted`: the call ends well, goes on to the next, and counts none as failed.",
    needs: Needs::Calls,
};

pub(super) const CHECKS: &[CheckId] = &[&BEGIN, &FINISH, &STREAM, &ORIGINAL, &BEFORE];

pub(super) async fn run(bench: &mut Bench, index: usize) {
    let call = bench.settings.calls[index].clone();
    let name = &call.name;
    if call.takes() {
        return;
    }
    if bench.offered.is_empty() {
        for check in CHECKS {
            let reason = "the call offers no payload".to_owned();
            bench.book.put(check, name, Verdict::NotApplicable(reason));
        }
        return;
    }
    let refusals = [
        (
            &BEGIN,
            Script {
                offers: Offers::Refuse,
                ..Script::default()
            },
        ),
        (
            &FINISH,
            Script {
                finish: Finish::Refuse,
                ..Script::default()
            },
        ),
        (
            &STREAM,
            Script {
                bodies: Bodies::Break,
                ..Script::default()
            },
        ),
    ];
    let skip = Script {
        offers: Offers::Skip,
        ..Script::default()
    };
    for (check, script) in refusals {
        let before = bench.remains().await;
        let (refused, again) = bench.call_twice(&call, script, (skip, Inbox::Whole)).await;
        let verdict = if check == &STREAM && !broke(&refused) && refused.result.is_ok() {
            Verdict::NotApplicable("no payload has a body".to_owned())
        } else {
            Verdict::unless(untold(&refused))
        };
        bench.book.put(check, name, verdict);
        let after = bench.remains().await;
        let case = format!("{name}, after `{}`", check.id);
        bench
            .book
            .put(&ORIGINAL, &case, Verdict::unless(missing(bench, &again)));
        if let Some(verdict) = unchanged(before.as_ref(), after, false) {
            bench.book.put(&ORIGINAL, &case, verdict);
        }
    }
    before(bench, index).await;
}

async fn before(bench: &mut Bench, index: usize) {
    let call = bench.settings.calls[index].clone();
    if !call.repeatable {
        let reason = "the call is not `repeatable`: its originals would be dealt with".to_owned();
        bench.book.put(&BEFORE, &call.name, Verdict::NotRun(reason));
        return;
    }
    let script = Script {
        offers: Offers::Accepted,
        ..Script::default()
    };
    let ran = bench.call(&call, script, Inbox::Whole).await;
    let complaint = match &ran.result {
        Err(_) => Some(ended(&ran.result)),
        Ok(summary) if summary.failed > 0 => Some(format!("{} payloads count as failed", summary.failed)),
        Ok(_) => missing(bench, &ran),
    };
    bench.book.put(&BEFORE, &call.name, Verdict::unless(complaint));
}

/// Whether any payload was refused for its stream.
fn broke(ran: &Ran) -> bool {
    ran.count(|act| matches!(act, Act::Refused(_) | Act::GivenUp(..) | Act::Unfinished(_))) > 0
}

/// A complaint where a refusal was not told.
fn untold(ran: &Ran) -> Option<String> {
    if let Some(complaint) = unless_spoken(&ran.result) {
        return Some(complaint);
    }
    if let Ok(summary) = &ran.result
        && summary.payloads > 0
    {
        return Some(format!(
            "its summary has {} payloads as made, and none was accepted",
            summary.payloads
        ));
    }
    (!told_failure(ran)).then(|| "it ended well and counts nothing as failed".to_owned())
}

/// A complaint where something is not offered that was there before.
fn missing(bench: &Bench, again: &Ran) -> Option<String> {
    let now = again.offered();
    let gone = bench
        .offered
        .iter()
        .find(|(id, _)| !now.iter().any(|(other, _)| other == id));
    match gone {
        // Ids that change from call to call are another check's.
        Some((id, _)) if now.len() < bench.offered.len() => Some(format!(
            "`{id}` was not offered again ({}/{})",
            now.len(),
            bench.offered.len()
        )),
        _ => None,
    }
}
