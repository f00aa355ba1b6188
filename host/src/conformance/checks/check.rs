//! How a connector checks a connection.

use super::describe::not_an_object;
use super::verdicts::{ended, unchanged};
use super::{Check, CheckId, Needs};
use crate::conformance::bench::Bench;
use crate::conformance::counterpart::Canceller;
use crate::conformance::report::Verdict;
use crate::contract::{CheckStatus, CheckStep};
use crate::failure::Failure;
use serde_json::Value;

/// It finds the connection well.
pub const PASSES: Check = Check {
    id: "check.passes",
    interface: "connector",
    sentence: "Connects and signs in with these settings and tells what it found, step by step, the failed step last.",
    does: "Calls `check` with the connection: at least one step, and none has failed.",
    needs: Needs::Connection,
};
/// It finds a wrong secret.
pub const SECRET: Check = Check {
    id: "check.secret",
    interface: "types",
    sentence: "The remote system does not accept the account.",
    does: "Calls `check` with every secret of the connection changed: an error or a failed step, never a trap, and not all \
           well.",
    needs: Needs::Connection,
};
/// Its steps.
pub const STEPS: Check = Check {
    id: "check.steps",
    interface: "connector",
    sentence: "What was found, and for a failure what would be right.",
    does: "Looks at all steps: a name, a message, `details` that are a JSON object, and nothing after a failed step.",
    needs: Needs::Connection,
};
/// It changes nothing.
pub const READ_ONLY: Check = Check {
    id: "check.read-only",
    interface: "connector",
    sentence: "Without it, it MUST change nothing on the remote system.",
    does: "Compares what is on the remote system before and after a `check`.",
    needs: Needs::Remains,
};
/// It removes what it made.
pub const PROBE: Check = Check {
    id: "check.probe-write",
    interface: "connector",
    sentence: "MUST remove them again;",
    does: "Compares what is on the remote system before and after a `check` with `probe-write`.",
    needs: Needs::Remains,
};

pub(super) const CHECKS: &[CheckId] = &[&PASSES, &SECRET, &STEPS, &READ_ONLY, &PROBE];

type Checked = Result<Vec<CheckStep>, Failure>;

pub(super) async fn run(bench: &mut Bench) {
    let Some(connection) = bench.settings.connection.clone() else {
        return;
    };
    let before = bench.remains().await;
    let plain = check(bench, &connection, false).await;
    let looked = bench.remains().await;
    let read_only = unchanged(before.as_ref(), looked.clone(), false);
    let probed = check(bench, &connection, true).await;
    let probe = unchanged(looked.as_ref(), bench.remains().await, false);
    let wrong = match other_secrets(bench, &connection) {
        Some(other) => Some(check(bench, &other, false).await),
        None => None,
    };
    for (name, checked) in [("", &plain), ("with `probe-write`", &probed)] {
        bench
            .book
            .put(&PASSES, name, Verdict::unless(unless_passed(checked)));
    }
    let verdict = match &wrong {
        None => Verdict::NotApplicable("the connection has no secret".to_owned()),
        Some(Err(Failure::Connector(_))) => Verdict::Passed,
        Some(Ok(steps)) if has_failed(steps) => Verdict::Passed,
        Some(Ok(_)) => Verdict::Failed("it found all well".to_owned()),
        Some(other) => Verdict::Failed(ended(other)),
    };
    bench.book.put(&SECRET, "", verdict);
    let looked = [
        ("", Some(&plain)),
        ("with `probe-write`", Some(&probed)),
        ("with a wrong secret", wrong.as_ref()),
    ];
    for (name, checked) in looked {
        let Some(Ok(steps)) = checked else { continue };
        bench.book.put(&STEPS, name, Verdict::unless(malformed(steps)));
    }
    for (check, verdict) in [(&READ_ONLY, read_only), (&PROBE, probe)] {
        if let Some(verdict) = verdict {
            bench.book.put(check, "", verdict);
        }
    }
}

async fn check(bench: &Bench, connection: &Value, probe_write: bool) -> Checked {
    let connection = connection.to_string();
    bench
        .check(&connection, probe_write, &Canceller::default(), None)
        .await
}

fn has_failed(steps: &[CheckStep]) -> bool {
    steps.iter().any(|step| step.status == CheckStatus::Failed)
}

fn unless_passed(checked: &Checked) -> Option<String> {
    match checked {
        Ok(steps) if steps.is_empty() => Some("it told no step".to_owned()),
        Ok(steps) => {
            let failed = steps.iter().find(|step| step.status == CheckStatus::Failed)?;
            Some(format!("the step `{}` failed: {}", failed.name, failed.message))
        }
        Err(_) => Some(ended(checked)),
    }
}

fn malformed(steps: &[CheckStep]) -> Option<String> {
    let last = steps.len().checked_sub(1)?;
    steps.iter().enumerate().find_map(|(index, step)| {
        if step.name.trim().is_empty() || step.message.trim().is_empty() {
            return Some(format!("step {} has no name or no message", index + 1));
        }
        if step.status == CheckStatus::Failed && index != last {
            return Some(format!("steps follow the failed one, `{}`", step.name));
        }
        let details = not_an_object(step.details.as_deref()?)?;
        Some(format!("the `details` of `{}`: {details}", step.name))
    })
}

/// The connection with other secrets of the same form; none where it has no secret.
fn other_secrets(bench: &mut Bench, connection: &Value) -> Option<Value> {
    let mut other = connection.clone();
    let mut changed = false;
    for pointer in bench.settings.secrets.clone() {
        let Some(place) = other.pointer_mut(&pointer) else {
            continue;
        };
        let Some(secret) = place.as_str().map(shifted) else {
            continue;
        };
        bench.ears.listen_for(&format!("{pointer}, changed"), &secret);
        bench.settings.redactor.add(secret.clone().into());
        *place = secret.into();
        changed = true;
    }
    changed.then_some(other)
}

/// Another text of the same form: the next letter or digit for each.
fn shifted(secret: &str) -> String {
    let next = |letter: char| match letter {
        'z' => 'a',
        'Z' => 'A',
        '9' => '0',
        'a'..='y' | 'A'..='Y' | '0'..='8' => char::from(letter as u8 + 1),
        other => other,
    };
    let shifted: String = secret.chars().map(next).collect();
    if shifted == secret {
        format!("{secret}-wrong")
    } else {
        shifted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, status: CheckStatus, details: Option<&str>) -> CheckStep {
        CheckStep {
            name: name.to_owned(),
            status,
            message: "found".to_owned(),
            details: details.map(str::to_owned),
        }
    }

    #[test]
    fn steps_have_a_form() {
        use CheckStatus::{Failed, Passed};
        assert_eq!(
            malformed(&[step("a", Passed, Some("{}")), step("b", Failed, None)]),
            None
        );
        for (steps, words) in [
            (vec![step(" ", Passed, None)], "no name"),
            (
                vec![step("a", Failed, None), step("b", Passed, None)],
                "follow the failed one",
            ),
            (vec![step("a", Passed, Some("1"))], "no object"),
        ] {
            assert!(
                malformed(&steps).is_some_and(|text| text.contains(words)),
                "{words}"
            );
        }
        assert_eq!(unless_passed(&Ok(vec![step("a", Passed, None)])), None);
        assert!(unless_passed(&Ok(vec![])).is_some());
        assert!(unless_passed(&Ok(vec![step("a", Failed, None)])).is_some());
    }

    #[test]
    fn another_secret_has_the_same_form() {
        assert_eq!(shifted("aZ9-é"), "bA0-é");
        assert_ne!(shifted("--"), "--");
    }
}
