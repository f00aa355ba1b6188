//! What is told of the cases, for people and programs.

use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::case::Case;
use super::known::Known;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The host does what it must.
    Passed,
    /// What is wrong.
    Failed(Vec<String>),
}

/// A case that was played.
#[derive(Debug, Clone)]
pub struct Played {
    /// Which.
    pub case: Case,
    /// What became of it.
    pub outcome: Outcome,
    /// How long that took.
    pub took: Duration,
    /// The end of what the host wrote to its standard error.
    pub said: String,
}

impl Played {
    /// Whether it failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    /// Whether that is as it should be: passed, or failed with a reason that is known.
    #[must_use]
    pub fn expected(&self, known: &Known) -> bool {
        self.failed() == known.reason(&self.case.id).is_some()
    }

    /// Some lines for a terminal.
    #[must_use]
    pub fn text(&self, known: &Known) -> String {
        let reason = known.reason(&self.case.id);
        let word = match (self.failed(), reason.is_some()) {
            (false, false) => "pass",
            (true, true) => "known",
            (true, false) => "FAIL",
            (false, true) => "PASS?",
        };
        let mut text = format!("{word:<6}{:<60}{:>7.2} s", self.case.id, self.took.as_secs_f64());
        if let (false, Some(reason)) = (self.failed(), reason) {
            let _ = write!(
                text,
                "\n      it is known to fail ({reason}), and has passed: take it off the list"
            );
        }
        if let Outcome::Failed(faults) = &self.outcome {
            if let Some(reason) = reason {
                let _ = write!(text, "\n      {reason}");
                return text;
            }
            let _ = write!(text, "\n      the contract: {}", self.case.sentence);
            for fault in faults {
                let _ = write!(text, "\n      {fault}");
            }
            if !self.said.is_empty() {
                let said = self.said.replace('\n', "\n      | ");
                let _ = write!(text, "\n      the host wrote:\n      | {said}");
            }
        }
        text
    }
}

/// The last line.
#[must_use]
pub fn summary(host: &str, played: &[Played], known: &Known) -> String {
    let failed = played.iter().filter(|one| one.failed());
    let (known_failures, failures): (Vec<_>, Vec<_>) = failed.partition(|one| one.expected(known));
    let passed = played.len() - known_failures.len() - failures.len();
    let surprises = played
        .iter()
        .filter(|one| !one.failed() && !one.expected(known))
        .count();
    let mut text = format!("{host}: {passed} passed, {} failed", failures.len());
    if !known_failures.is_empty() {
        let _ = write!(text, ", {} failed as known", known_failures.len());
    }
    if surprises > 0 {
        let _ = write!(text, ", {surprises} passed that are known to fail");
    }
    text
}

/// For programs.
#[must_use]
pub fn to_json(host: &str, played: &[Played], known: &Known) -> Value {
    let cases = played.iter().map(|one| {
        let faults = match &one.outcome {
            Outcome::Passed => Vec::new(),
            Outcome::Failed(faults) => faults.clone(),
        };
        json!({
            "id": one.case.id,
            "sentence": one.case.sentence,
            "passed": !one.failed(),
            "known": known.reason(&one.case.id),
            "faults": faults,
            "seconds": one.took.as_secs_f64(),
        })
    });
    json!({ "host": host, "cases": cases.collect::<Vec<_>>() })
}

/// `JUnit`'s XML, which build servers read.
///
/// # Errors
/// When it cannot be written as XML.
pub fn to_junit(hosts: &[(String, Vec<Played>, Known)]) -> anyhow::Result<String> {
    let mut report = quick_junit::Report::new("conformance");
    for (host, played, known) in hosts {
        let mut suite = TestSuite::new(host);
        for one in played {
            let mut status = match (&one.outcome, known.reason(&one.case.id)) {
                (Outcome::Passed, None) => TestCaseStatus::success(),
                (Outcome::Failed(_), Some(_)) => TestCaseStatus::skipped(),
                _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
            };
            if !matches!(status, TestCaseStatus::Success { .. }) {
                status.set_message(one.text(known));
            }
            let mut case = TestCase::new(&one.case.id, status);
            case.set_time(one.took);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A case that was played, and the failures that are known.
    fn played(id: &str, outcome: Outcome) -> Played {
        Played {
            case: serde_json::from_value(json!({ "id": id, "sentence": "It MUST." })).expect("a case"),
            outcome,
            took: Duration::ZERO,
            said: "last words".to_owned(),
        }
    }

    fn known() -> Known {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("known.yaml");
        std::fs::write(&file, "a/known: the library cannot\na/mended: it could not\n").expect("a file");
        Known::read(&file).expect("what is known")
    }

    #[test]
    fn a_known_failure_is_as_it_should_be_until_it_passes() {
        let known = known();
        let failed = || Outcome::Failed(vec!["it did not".to_owned()]);
        let all = [
            played("a/passes", Outcome::Passed),
            played("a/fails", failed()),
            played("a/known", failed()),
            played("a/mended", Outcome::Passed),
        ];
        let expected = all.each_ref().map(|one| one.expected(&known));
        assert_eq!(expected, [true, false, true, false]);
        let text = summary("host", &all, &known);
        let counts = "2 passed, 1 failed, 1 failed as known, 1 passed that are known to fail";
        assert_eq!(text, format!("host: {counts}"));
    }

    #[test]
    fn a_failure_says_what_the_contract_says_and_what_the_host_wrote() {
        let one = played("a/fails", Outcome::Failed(vec!["it did not".to_owned()]));
        let text = one.text(&Known::default());
        for part in ["FAIL", "a/fails", "It MUST.", "it did not", "| last words"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let hosts = [("host".to_owned(), vec![one], Known::default())];
        let xml = to_junit(&hosts).expect("XML");
        assert!(
            xml.contains(r#"failures="1""#) && xml.contains("it did not"),
            "{xml}"
        );
        let json = to_json(&hosts[0].0, &hosts[0].1, &hosts[0].2);
        assert_eq!(json["cases"][0]["passed"], false);
    }
}
