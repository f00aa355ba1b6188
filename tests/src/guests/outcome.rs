//! What became of a guest, and what tests want to know of it.

use std::sync::Arc;

use flowhost::flow::{Problems, RunReport};
use serde_json::Value;

use crate::run::Bench;

/// What a step says that was interrupted.
pub const INTERRUPTED: &str = "the run was asked to end; it goes on from here when the flow is run again";

/// What became of a guest.
pub struct Outcome {
    /// What the run came to; or why there was none.
    pub ended: Result<RunReport, Problems>,
    /// What it told.
    pub events: Vec<Value>,
    pub(super) bench: Arc<Bench>,
}

impl Outcome {
    /// What the run came to.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn report(&self) -> &RunReport {
        self.ended
            .as_ref()
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The events of a name.
    #[must_use]
    pub fn events(&self, name: &str) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|event| event["event"] == name)
            .collect()
    }

    /// The lines of the log that come from the policy.
    #[must_use]
    pub fn policy_lines(&self) -> Vec<&str> {
        let lines = self.events("log").into_iter();
        let of_policy = lines.filter(|line| line["step"] == "policy" && line["level"] == "warn");
        of_policy.filter_map(|line| line["message"].as_str()).collect()
    }

    /// Checks that the step failed once, in this way and in words that have all these parts, and nothing else did.
    ///
    /// # Panics
    /// When it did not.
    pub fn assert_step_failed(&self, kind: &str, parts: &[&str]) {
        let failed = self.failures();
        let [failure] = failed.as_slice() else {
            panic!("not one failure but {}: {self}", failed.len())
        };
        assert_eq!(failure["event"], "step-failed", "{self}");
        assert_failure(failure, kind, parts);
        assert_eq!(self.report().failed, 1, "{self}");
    }

    /// Checks that the step ended well as a whole, and that these payloads failed in it: each with its name and kind,
    /// and words that its message has.
    ///
    /// # Panics
    /// When it did not.
    pub fn assert_payloads_failed(&self, expected: &[(&str, &str, &str)]) {
        let failed = self.failures();
        assert_eq!(failed.len(), expected.len(), "{self}");
        for (failure, (payload, kind, part)) in failed.into_iter().zip(expected) {
            assert_eq!(failure["event"], "payload-failed", "{self}");
            assert_eq!(failure["payload"], *payload, "{self}");
            assert_failure(failure, kind, &[part]);
        }
        assert_eq!(self.report().failed, expected.len() as u64, "{self}");
    }

    /// The events of what failed.
    #[must_use]
    pub fn failures(&self) -> Vec<&Value> {
        let events = self.events.iter();
        events
            .filter(|event| event["event"] == "step-failed" || event["event"] == "payload-failed")
            .collect()
    }

    /// Checks that the flow was refused before anything ran, in words that have all these parts.
    ///
    /// # Panics
    /// When it was not.
    pub fn assert_refused(&self, parts: &[&str]) {
        let Err(problems) = &self.ended else {
            panic!("it ran: {self}")
        };
        let text = problems.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert!(text.len() < 20_000, "{} bytes of problems", text.len());
        assert!(self.events.is_empty(), "{self}");
    }

    /// Checks that the connector was refused because its description took too much work. Where much else goes on, the
    /// clock may come first.
    ///
    /// # Panics
    /// When it was not.
    pub fn assert_refused_for_work(&self) {
        let text = self.to_string();
        let clock = text.contains("did not end within 5s");
        let reason = if clock {
            "it did not end within 5s"
        } else {
            "it reached the limit `cpu_time` (2s)"
        };
        self.assert_refused(&[&format!("cannot describe itself: {reason}")]);
    }

    /// Checks that these files, and no others, came out of the flow, each with `content`.
    ///
    /// # Panics
    /// When others did.
    pub fn assert_arrived(&self, files: &[(&str, &str)]) {
        let arrived = self.bench.files("out");
        let arrived: Vec<_> = arrived
            .iter()
            .map(|(name, bytes)| (name.as_str(), String::from_utf8_lossy(bytes)))
            .collect();
        let expected: Vec<_> = files
            .iter()
            .map(|(name, content)| (*name, std::borrow::Cow::from(*content)))
            .collect();
        assert_eq!(arrived, expected, "{self}");
    }

    /// Nothing of the run is left but what it delivered: no body in the spool, no file where none belongs.
    pub(super) fn assert_nothing_left(&self) {
        self.bench.assert_spool_empty();
        let beside: Vec<_> = crate::tree::raw_names(&self.bench.path(""))
            .into_iter()
            .map(|name| String::from_utf8_lossy(&name).into_owned())
            .filter(|name| {
                !["in", "out", "state", "flow.yaml", "policy.yaml", "guest.wasm"].contains(&name.as_str())
            })
            .collect();
        assert!(beside.is_empty(), "files beside the flow: {beside:?}");
    }
}

fn assert_failure(failure: &Value, kind: &str, parts: &[&str]) {
    assert_eq!(failure["kind"], kind, "{failure:#}");
    let message = failure["message"].as_str().unwrap_or_default();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Err(problems) = &self.ended {
            return write!(f, "{problems}");
        }
        // A flood tells too much; its end says most.
        for event in &self.events[self.events.len().saturating_sub(40)..] {
            let line = event.to_string();
            writeln!(f, "{}", line.chars().take(2_000).collect::<String>())?;
        }
        Ok(())
    }
}
