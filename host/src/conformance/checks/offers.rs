//! How a connector offers payloads, and what it says of them.

use super::verdicts::{ended, unless_spoken};
use super::{Check, CheckId, Needs};
use crate::conformance::bench::{Bench, Inbox};
use crate::conformance::counterpart::{Act, Offers, Script};
use crate::conformance::ran::Ran;
use crate::conformance::report::Verdict;
use crate::contract::{Metadata, Outcome, Summary};
use crate::imports::exchange::counterpart::Breach;
use std::collections::HashSet;

/// The calls work.
pub const WORKS: Check = Check {
    id: "call.works",
    interface: "connector",
    sentence: "An endpoint returns an error when the call as a whole could not go on, and a summary otherwise, even when \
               single payloads failed.",
    does: "Makes each call and accepts everything: a summary, no payload has failed, and as many were made as the \
           settings file says.",
    needs: Needs::Calls,
};
/// Summaries are right.
pub const SUMMARY: Check = Check {
    id: "call.summary",
    interface: "types",
    sentence: "Payloads made or passed on.",
    does: "Compares the summary of each call with what was seen: payloads that were accepted or passed on, and those \
           that failed.",
    needs: Needs::Calls,
};
/// Nothing is left open.
pub const CLOSED: Check = Check {
    id: "call.closed",
    interface: "exchange",
    sentence: "An endpoint takes incoming payloads with `next`, one after another, and settles each.",
    does: "Looks at calls that ended well: every payload that was handed out is settled once, and every payload that was \
           begun is finished or given up.",
    needs: Needs::Calls,
};
/// Writers' streams.
pub const STREAMS: Check = Check {
    id: "call.writer-streams",
    interface: "exchange",
    sentence: "The stream MUST be dropped before `finish` or `abort`.",
    does: "Sees at each `finish` and `abort` whether the connector still holds the stream.",
    needs: Needs::Calls,
};
/// Ids are not empty.
pub const ID: Check = Check {
    id: "offer.id",
    interface: "exchange",
    sentence: "A host MUST refuse an empty `id` with `invalid-settings`",
    does: "Looks at all payloads that are offered.",
    needs: Needs::Calls,
};
/// Names are names.
pub const NAME: Check = Check {
    id: "offer.name",
    interface: "types",
    sentence: "File name without folders.",
    does: "Looks at the names of all payloads that are offered or passed on: not empty, and without `/` and `\\`.",
    needs: Needs::Calls,
};
/// Attributes.
pub const ATTRIBUTES: Check = Check {
    id: "offer.attributes",
    interface: "types",
    sentence: "Names are unique.",
    does: "Looks at the attributes of all payloads that are offered or passed on: none has a name twice or an empty one.",
    needs: Needs::Calls,
};
/// Sizes.
pub const SIZE: Check = Check {
    id: "offer.size",
    interface: "types",
    sentence: "Length of the body in bytes, where it is known before reading.",
    does: "Compares the length of each body with the size that was offered.",
    needs: Needs::Calls,
};
/// Ids are the same again.
pub const STABLE: Check = Check {
    id: "offer.stable",
    interface: "types",
    sentence: "Names the payload for good within its connector instance: the same thing found again has the same id.",
    does: "Makes each call twice, in two instances, and says `skip` to everything: the same ids and versions both times.",
    needs: Needs::Calls,
};
/// `skip` is heeded.
pub const SKIP: Check = Check {
    id: "offer.skip",
    interface: "exchange",
    sentence: "Leave the original alone, go on to the next.",
    does: "Says `skip` to everything: the call ends well, offers as many as when all are accepted, and none is missing \
           afterwards.",
    needs: Needs::Calls,
};
/// Skipped payloads are counted.
pub const SKIPPED: Check = Check {
    id: "offer.skipped",
    interface: "types",
    sentence: "Things found and not taken, because the host said `skip` or there was nothing to do.",
    does: "Compares `skipped` in the summary with how often `skip` was said, and sees that none counts as made.",
    needs: Needs::Calls,
};
/// `stop` is heeded.
pub const STOP: Check = Check {
    id: "offer.stop",
    interface: "exchange",
    sentence: "The flow wants no more payloads from this call; return when the current work is done.",
    does: "Says `stop` to the first payload: the call ends well and offers no other.",
    needs: Needs::Calls,
};

pub(super) const CHECKS: &[CheckId] = &[
    &WORKS,
    &SUMMARY,
    &CLOSED,
    &STREAMS,
    &ID,
    &NAME,
    &ATTRIBUTES,
    &SIZE,
    &STABLE,
    &SKIP,
    &SKIPPED,
    &STOP,
];

/// Looks without taking anything. Calls that are given documents are not made here.
pub(super) async fn run(bench: &mut Bench, index: usize) {
    let call = bench.settings.calls[index].clone();
    bench.acts.clear();
    bench.offered.clear();
    if call.takes() {
        return;
    }
    let skip = Script {
        offers: Offers::Skip,
        ..Script::default()
    };
    let first = bench.call(&call, skip, Inbox::Whole).await;
    let second = bench.call(&call, skip, Inbox::Whole).await;
    bench.offered = first.offered();
    let name = &call.name;
    if bench.offered.is_empty() && unless_spoken(&first.result).is_none() {
        for check in [&STABLE, &SKIP, &SKIPPED, &STOP] {
            let reason = "the call offers no payload".to_owned();
            bench.book.put(check, name, Verdict::NotApplicable(reason));
        }
        return;
    }
    let (before, after) = (first.offered(), second.offered());
    bench
        .book
        .put(&STABLE, name, Verdict::unless(differ(&before, &after)));
    bench
        .book
        .put(&SKIP, name, Verdict::unless(not_left(&first, &second)));
    if let Ok(summary) = &first.result {
        let said = before.len() as u64;
        let complaint = (summary.skipped < said || summary.payloads > 0).then(|| {
            format!(
                "`skip` was said {said} times; the summary has {} skipped and {} made",
                summary.skipped, summary.payloads
            )
        });
        bench.book.put(&SKIPPED, name, Verdict::unless(complaint));
    }
    let stop = Script {
        offers: Offers::Stop,
        ..Script::default()
    };
    let stopped = bench.call(&call, stop, Inbox::Whole).await;
    let offers = stopped.offered().len();
    let complaint = match &stopped.result {
        Ok(_) => (offers > 1).then(|| format!("it offered {offers} payloads")),
        Err(_) => Some(ended(&stopped.result)),
    };
    bench.book.put(&STOP, name, Verdict::unless(complaint));
}

/// Takes everything, and judges what was said in all calls.
pub(super) async fn run_last(bench: &mut Bench, index: usize) {
    let call = bench.settings.calls[index].clone();
    let name = &call.name;
    let ran = bench.call(&call, Script::default(), Inbox::Whole).await;
    let made = ran.count(|act| matches!(act, Act::Finished(_, Ok(_))));
    let passed = ran.count(|act| matches!(act, Act::Settled(_, Outcome::Pass(_))));
    let failed = ran.count(|act| matches!(act, Act::Settled(_, Outcome::Fail(_)) | Act::GivenUp(..)));
    let mut works = (ran.result.is_err() || failed > 0).then(|| failure_of(&ran));
    if works.is_none() && made < call.payloads {
        works = Some(format!(
            "it made {made} payloads; the settings file says at least {}",
            call.payloads
        ));
    }
    bench.book.put(&WORKS, name, Verdict::unless(works));
    if let Ok(summary) = &ran.result {
        bench.book.put(
            &SUMMARY,
            name,
            Verdict::unless(miscounted(summary, made + passed, failed)),
        );
        bench.book.put(&CLOSED, name, Verdict::unless(left_open(&ran)));
    }
    let wrong = ran.acts.iter().find_map(|act| match act {
        Act::Refused(error) => Some(error.message.clone()),
        _ => None,
    });
    let verdict = if made + u64::from(wrong.is_some()) == 0 {
        Verdict::NotApplicable("the call makes no payload".to_owned())
    } else {
        Verdict::unless(wrong)
    };
    bench.book.put(&SIZE, name, verdict);
    if !call.takes() && bench.offered.len() != ran.offered().len() && call.repeatable {
        let (skipped, taken) = (bench.offered.len(), ran.offered().len());
        let reason =
            format!("{skipped} were offered where all are skipped, and {taken} where all are accepted");
        bench.book.put(&SKIP, name, Verdict::Failed(reason));
    }
    metadata(bench, name);
}

fn failure_of(ran: &Ran) -> String {
    let told = ran.acts.iter().find_map(|act| match act {
        Act::Settled(id, Outcome::Fail(error)) | Act::Reported(id, error) => Some((id, error)),
        Act::GivenUp(metadata, error) => Some((&metadata.id, error)),
        _ => None,
    });
    match told {
        Some((id, error)) if ran.result.is_ok() => format!("the payload `{id}` failed: {}", error.message),
        _ => ended(&ran.result),
    }
}

fn miscounted(summary: &Summary, payloads: u64, failed: u64) -> Option<String> {
    let seen = [
        ("payloads", summary.payloads, payloads),
        ("failed", summary.failed, failed),
    ];
    let wrong = seen.into_iter().find(|(_, told, seen)| told != seen)?;
    Some(format!("`{}` is {}, and {} were seen", wrong.0, wrong.1, wrong.2))
}

fn left_open(ran: &Ran) -> Option<String> {
    ran.acts.iter().find_map(|act| match act {
        Act::Unsettled(id) => Some(format!("the payload `{id}` was handed out and not settled")),
        Act::Unfinished(metadata) => Some(format!(
            "the payload `{}` was begun and neither finished nor given up",
            metadata.id
        )),
        _ => None,
    })
}

fn differ(before: &[(String, Option<String>)], after: &[(String, Option<String>)]) -> Option<String> {
    if before == after {
        return None;
    }
    let shown = |(id, version): &(String, Option<String>)| format!("`{id}` in version {version:?}");
    let other = before.iter().find(|one| !after.contains(one));
    Some(match other {
        Some(one) => format!("the second time {} was not among them", shown(one)),
        None => format!(
            "{} were offered the first time, {} the second time",
            before.len(),
            after.len()
        ),
    })
}

/// A complaint where something that was skipped was not left alone.
fn not_left(first: &Ran, second: &Ran) -> Option<String> {
    for ran in [first, second] {
        if ran.result.is_err() {
            return Some(ended(&ran.result));
        }
    }
    let there: HashSet<_> = second.offered().into_iter().map(|(id, _)| id).collect();
    // Ids that change from call to call are another check's.
    (there.len() < first.offered().len()).then(|| "less was offered the second time".to_owned())
}

/// Judges the metadata and the streams of all calls that were made since the first one of this name.
fn metadata(bench: &mut Bench, name: &str) {
    let offered: Vec<&Metadata> = bench
        .acts
        .iter()
        .filter_map(|act| match act {
            Act::Offered(metadata) | Act::Settled(_, Outcome::Pass(metadata)) => Some(metadata),
            _ => None,
        })
        .collect();
    let breach = |wanted: fn(&Breach) -> Option<String>| {
        bench.acts.iter().find_map(|act| match act {
            Act::Broken(breach) => wanted(breach),
            _ => None,
        })
    };
    let empty = breach(|breach| {
        (*breach == Breach::EmptyId).then(|| "a payload was offered without an id".to_owned())
    });
    let held = breach(|breach| match breach {
        Breach::WriterStream(id) => Some(format!("the stream of `{id}` was still held")),
        _ => None,
    });
    let begun = bench
        .acts
        .iter()
        .any(|act| matches!(act, Act::Finished(..) | Act::GivenUp(..) | Act::Refused(_)));
    let any = !offered.is_empty() || empty.is_some();
    let names = offered.iter().find_map(|metadata| bad_name(metadata));
    let attributes = offered.iter().find_map(|metadata| bad_attribute(metadata));
    let book = &mut bench.book;
    for (check, applies, complaint) in [
        (&ID, any, empty),
        (&NAME, any, names),
        (&ATTRIBUTES, any, attributes),
        (&STREAMS, begun || held.is_some(), held),
    ] {
        let verdict = if applies {
            Verdict::unless(complaint)
        } else {
            Verdict::NotApplicable("the call makes no payload".to_owned())
        };
        book.put(check, name, verdict);
    }
}

fn bad_name(metadata: &Metadata) -> Option<String> {
    let name = metadata.name.as_deref()?;
    let wrong = name.is_empty() || name.contains(['/', '\\']);
    wrong.then(|| format!("the payload `{}` has the name {name:?}", metadata.id))
}

fn bad_attribute(metadata: &Metadata) -> Option<String> {
    let mut names = HashSet::new();
    let twice = metadata
        .attributes
        .iter()
        .find(|(name, _)| name.is_empty() || !names.insert(name));
    twice.map(|(name, _)| {
        format!(
            "the payload `{}` has the attribute {name:?} twice, or it is empty",
            metadata.id
        )
    })
}
