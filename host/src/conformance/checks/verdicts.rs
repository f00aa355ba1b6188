//! What several families of checks say in the same words.

use crate::conformance::counterpart::Act;
use crate::conformance::ran::{Ran, Remains};
use crate::conformance::report::Verdict;
use crate::contract::{Effect, ErrorKind, Outcome, Summary};
use crate::failure::Failure;
use std::time::Duration;

/// A second is soon, and the machine may be slow: what is not soon at all waits for something that takes longer.
const SOON: Duration = Duration::from_secs(3);

/// What came of a call, in words.
pub(super) fn ended<T>(result: &Result<T, Failure>) -> String {
    match result {
        Ok(_) => "it ended well".to_owned(),
        Err(failure @ Failure::Connector(error)) => {
            format!("it ended with `{}`: {failure}", error.kind.name())
        }
        Err(failure) => failure.to_string(),
    }
}

/// A complaint where a call did not end in the connector's own words: it trapped, or had to be ended.
pub(super) fn unless_spoken<T>(result: &Result<T, Failure>) -> Option<String> {
    match result {
        Ok(_) | Err(Failure::Connector(_)) => None,
        Err(_) => Some(ended(result)),
    }
}

/// Whether a call told that something was not done: by an error, by its summary, or for a payload.
pub(super) fn told_failure(ran: &Ran) -> bool {
    let failed = |summary: &Summary| summary.failed > 0;
    let settled = |act: &Act| matches!(act, Act::Settled(_, Outcome::Fail(_)));
    ran.result.as_ref().is_ok_and(failed) || ran.result.is_err() || ran.count(settled) > 0
}

/// Whether a call that was cancelled ended as it should.
pub(super) fn stopped<T>(result: &Result<T, Failure>, cancelled_for: Option<Duration>) -> Verdict {
    let Some(took) = cancelled_for else {
        return match result {
            Err(failure) if unless_spoken(result).is_some() => Verdict::Failed(failure.to_string()),
            _ => Verdict::NotApplicable("the call ended before it could be cancelled there".to_owned()),
        };
    };
    let seconds = took.as_secs_f32();
    match result {
        Err(Failure::Connector(error)) if error.kind == ErrorKind::Cancelled && took <= SOON => {
            Verdict::Passed
        }
        Err(Failure::Connector(error)) if error.kind == ErrorKind::Cancelled => Verdict::Failed(format!(
            "it returned `cancelled` {seconds:.1} s after it was cancelled"
        )),
        Err(Failure::Cancelled) => Verdict::Failed(format!(
            "it went on for {seconds:.1} s after it was cancelled, and was ended by force"
        )),
        other => Verdict::Failed(format!("{}; `cancelled` would be right", ended(other))),
    }
}

/// Whether a call told that what it was about may be done in part, or whole.
pub(super) fn told_effect(ran: &Ran) -> bool {
    let own = matches!(&ran.result, Err(Failure::Connector(error)) if error.effect != Effect::None);
    own || ran
        .count(|act| matches!(act, Act::Settled(_, Outcome::Fail(error)) if error.effect != Effect::None))
        > 0
}

/// What has changed on the remote system between two looks at it. Where an effect was `told`, what was there before may
/// have changed, but nothing may be left behind.
pub(super) fn changed(before: &Remains, after: &Remains, told: bool) -> Option<String> {
    let new: Vec<_> = after
        .keys()
        .filter(|id| !before.contains_key(*id))
        .map(String::as_str)
        .collect();
    let gone: Vec<_> = before
        .keys()
        .filter(|id| !after.contains_key(*id))
        .map(String::as_str)
        .collect();
    let other = before
        .iter()
        .filter(|(id, sum)| !told && after.get(*id).is_some_and(|now| now != *sum));
    let other: Vec<_> = other.map(|(id, _)| id.as_str()).collect();
    let parts = [
        ("left behind", new),
        ("gone", gone),
        ("with another content", other),
    ];
    let parts = parts.into_iter().filter(|(_, ids)| !ids.is_empty());
    let text: Vec<_> = parts
        .map(|(what, ids)| format!("{what}: {}", ids.join(", ")))
        .collect();
    (!text.is_empty()).then(|| text.join("; "))
}

/// The same of looks that may have failed.
pub(super) fn unchanged(
    before: Option<&Result<Remains, String>>,
    after: Option<Result<Remains, String>>,
    told: bool,
) -> Option<Verdict> {
    Some(match (before?, after?) {
        (Ok(before), Ok(after)) => Verdict::unless(changed(before, &after, told)),
        (Err(reason), _) => Verdict::Failed(reason.clone()),
        (_, Err(reason)) => Verdict::Failed(reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::counterpart::Sum;
    use crate::contract::Error;

    #[test]
    fn changes_are_named() {
        let sum = |bytes| Sum {
            bytes,
            digest: [0; 32],
        };
        let remains = |of: &[(&str, u64)]| {
            of.iter()
                .map(|(id, bytes)| ((*id).to_owned(), sum(*bytes)))
                .collect()
        };
        let before: Remains = remains(&[("a", 1), ("b", 1)]);
        assert_eq!(changed(&before, &before, false), None);
        let after = remains(&[("a", 2), (".a.part", 1)]);
        assert_eq!(
            changed(&before, &after, false).as_deref(),
            Some("left behind: .a.part; gone: b; with another content: a")
        );
        assert_eq!(
            changed(&before, &after, true).as_deref(),
            Some("left behind: .a.part; gone: b")
        );
    }

    #[test]
    fn a_cancelled_call_says_so_soon() {
        let error = |kind| Err::<(), _>(Failure::Connector(Error::new(kind, "x")));
        let (soon, late) = (Some(Duration::from_millis(10)), Some(Duration::from_secs(9)));
        assert_eq!(stopped(&error(ErrorKind::Cancelled), soon), Verdict::Passed);
        assert!(matches!(
            stopped(&error(ErrorKind::Cancelled), None),
            Verdict::NotApplicable(_)
        ));
        for (result, after) in [
            (error(ErrorKind::Cancelled), late),
            (error(ErrorKind::Unreachable), soon),
            (Ok(()), soon),
            (Err(Failure::Cancelled), late),
            (Err(Failure::TimeOut(Duration::ZERO)), None),
        ] {
            assert!(
                matches!(stopped(&result, after), Verdict::Failed(_)),
                "{result:?}"
            );
        }
    }
}
