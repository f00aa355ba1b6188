//! What came of the checks.

use super::checks::{self, Check, CheckId, Needs};
use crate::component::Connector;
use crate::flow::problem::in_one_line;
use crate::flow::secret::Redactor;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;

/// What came of one check, or of one case of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The obligation was kept.
    Passed,
    /// It was not: what was seen.
    Failed(String),
    /// The connector did nothing that the obligation is about.
    NotApplicable(String),
    /// It was not looked at: what it would have taken.
    NotRun(String),
}

impl Verdict {
    /// Passed where there is nothing to complain about.
    #[must_use]
    pub fn unless(complaint: Option<String>) -> Self {
        complaint.map_or(Self::Passed, Self::Failed)
    }

    /// The verdict's name, also in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::NotApplicable(_) => "not-applicable",
            Self::NotRun(_) => "not-run",
        }
    }

    /// What was seen, or why nothing was.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed(reason) | Self::NotApplicable(reason) | Self::NotRun(reason) => Some(reason),
        }
    }

    /// Of several cases of one check, the one that decides has the highest rank.
    fn rank(&self) -> u8 {
        match self {
            Self::Failed(_) => 3,
            Self::Passed => 2,
            Self::NotApplicable(_) => 1,
            Self::NotRun(_) => 0,
        }
    }
}

/// Takes down verdicts while checks are made.
#[derive(Debug, Default)]
pub(super) struct Book(HashMap<&'static str, Vec<Case>>);

/// What one check came to in one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The call of the settings file, the endpoint or the setting that it was made with; empty where there is one case.
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
}

impl Book {
    pub(super) fn put(&mut self, check: CheckId, case: &str, verdict: Verdict) {
        let name = case.to_owned();
        self.0.entry(check.id).or_default().push(Case { name, verdict });
    }

    pub(super) fn has_failed(&self, check: CheckId) -> bool {
        let mut cases = self.0.get(check.id).into_iter().flatten();
        cases.any(|case| matches!(case.verdict, Verdict::Failed(_)))
    }

    /// Ends the book. What has no verdict was not run, for the reason that its needs give or, where these were met,
    /// for this one.
    pub(super) fn close(
        mut self,
        connector: Option<&Connector>,
        otherwise: &str,
        missing: &[(Needs, &str)],
    ) -> Report {
        let mut entries: Vec<Entry> = Vec::new();
        for check in checks::all() {
            let mut cases = self.0.remove(check.id).unwrap_or_default();
            if cases.is_empty() {
                let lack = missing.iter().find(|(needs, _)| *needs == check.needs);
                let reason = lack.map_or(otherwise, |(_, reason)| reason);
                cases.push(Case {
                    name: String::new(),
                    verdict: Verdict::NotRun(reason.to_owned()),
                });
            }
            entries.push(Entry { check, cases });
        }
        Report {
            connector: connector.map(|connector| Named {
                id: connector.descriptor.id.clone(),
                version: connector.descriptor.version.clone(),
                sha256: connector.digest.clone(),
            }),
            entries,
            redactor: Redactor::default(),
        }
    }
}

/// One check with what came of it.
#[derive(Debug)]
pub struct Entry {
    /// The check.
    pub check: CheckId,
    /// Each case; at least one.
    pub cases: Vec<Case>,
}

impl Entry {
    /// The case that decides.
    #[must_use]
    pub fn decisive(&self) -> &Case {
        // The first of those of the highest rank; there is at least one case.
        let mut best = &self.cases[0];
        for case in &self.cases[1..] {
            if case.verdict.rank() > best.verdict.rank() {
                best = case;
            }
        }
        best
    }

    /// What the check came to.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.decisive().verdict
    }
}

/// Which connector it was.
#[derive(Debug, Clone, Serialize)]
struct Named {
    id: String,
    version: String,
    sha256: String,
}

/// What came of all checks. No text of it has a secret of the settings in it.
#[derive(Debug)]
pub struct Report {
    connector: Option<Named>,
    /// One for each check there is, in their order.
    pub entries: Vec<Entry>,
    redactor: Redactor,
}

impl Report {
    /// Black out these.
    pub(super) fn without(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Whether no check failed. Those that were not run did not.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.count("failed") == 0
    }

    fn count(&self, verdict: &str) -> usize {
        let verdicts = self.entries.iter().map(Entry::verdict);
        verdicts.filter(|found| found.name() == verdict).count()
    }

    /// Connectors have a say in reasons: no secret, one line.
    fn shown(&self, text: &str) -> String {
        in_one_line(&self.redactor.redact(text))
    }

    /// Lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(connector) = &self.connector {
            let (id, version) = (self.shown(&connector.id), self.shown(&connector.version));
            let _ = writeln!(text, "{id} {version}, sha256:{}", connector.sha256);
        }
        let width = self
            .entries
            .iter()
            .map(|entry| entry.check.id.len())
            .max()
            .unwrap_or(0);
        for entry in &self.entries {
            let (check, verdict) = (entry.check, entry.verdict());
            let _ = write!(text, "  {:width$}  {}", check.id, verdict.name());
            let failures = entry
                .cases
                .iter()
                .filter(|case| matches!(case.verdict, Verdict::Failed(_)));
            let failures: Vec<&Case> = failures.collect();
            if failures.is_empty() {
                let reason = verdict.reason().map(|reason| format!(": {}", self.shown(reason)));
                let _ = writeln!(text, "{}", reason.unwrap_or_default());
                continue;
            }
            let _ = writeln!(text, ": {}.wit says: {}", check.interface, check.sentence);
            for case in failures {
                let place = if case.name.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", self.shown(&case.name))
                };
                let _ = writeln!(
                    text,
                    "  {:width$}    {place}{}",
                    "",
                    self.shown(case.verdict.reason().unwrap_or_default())
                );
            }
        }
        let _ = write!(
            text,
            "{} passed, {} failed, {} not applicable, {} not run",
            self.count("passed"),
            self.count("failed"),
            self.count("not-applicable"),
            self.count("not-run"),
        );
        text
    }

    /// One JSON object for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let checks = self.entries.iter().map(|entry| {
            let cases = entry.cases.iter().map(|case| {
                json!({"case": self.shown(&case.name), "verdict": case.verdict.name(),
                    "reason": case.verdict.reason().map(|reason| self.shown(reason))})
            });
            json!({"id": entry.check.id, "interface": entry.check.interface, "sentence": entry.check.sentence,
                "verdict": entry.verdict().name(), "cases": cases.collect::<Value>()})
        });
        json!({
            "connector": self.connector.as_ref().map(|connector| json!({"id": self.shown(&connector.id),
                "version": self.shown(&connector.version), "sha256": connector.sha256})),
            "checks": checks.collect::<Value>(),
            "passed": self.count("passed"),
            "failed": self.count("failed"),
            "not-applicable": self.count("not-applicable"),
            "not-run": self.count("not-run"),
        })
    }

    /// The same as the XML of `JUnit`. Checks that were not made are skipped ones there.
    ///
    /// # Errors
    /// Never in practice: a text takes everything.
    pub fn junit(&self) -> anyhow::Result<String> {
        let mut suite = TestSuite::new("connector conformance");
        for entry in &self.entries {
            let case = entry.decisive();
            let reason = self.shown(case.verdict.reason().unwrap_or_default());
            let mut status = match &case.verdict {
                Verdict::Passed => TestCaseStatus::success(),
                Verdict::Failed(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Verdict::NotApplicable(_) | Verdict::NotRun(_) => TestCaseStatus::skipped(),
            };
            if !reason.is_empty() {
                let case = if case.name.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", self.shown(&case.name))
                };
                status.set_message(format!("{}: {case}{reason}", entry.verdict().name()));
            }
            if matches!(entry.verdict(), Verdict::Failed(_)) {
                status.set_description(format!(
                    "{}.wit says: {}",
                    entry.check.interface, entry.check.sentence
                ));
            }
            let mut test = TestCase::new(entry.check.id, status);
            test.set_classname("conformance.connector");
            suite.add_test_case(test);
        }
        let mut report = quick_junit::Report::new("flowhost conformance connector");
        report.add_test_suite(suite);
        Ok(report.to_string()?)
    }
}

/// All checks with the sentences that they are about, for people.
#[must_use]
pub fn list() -> String {
    let mut text = String::new();
    for Check {
        id,
        interface,
        sentence,
        does,
        needs,
    } in checks::all()
    {
        let _ = writeln!(text, "{id}\n    {interface}.wit: {sentence}\n    {does}");
        if let Some(words) = needs.words() {
            let _ = writeln!(text, "    Needs {words}.");
        }
    }
    text
}

/// The same for programs.
#[must_use]
pub fn list_json() -> Value {
    let checks = checks::all().map(|check| {
        json!({"id": check.id, "interface": check.interface, "sentence": check.sentence, "does": check.does,
            "needs": check.needs.words()})
    });
    checks.collect()
}

/// The same as a Markdown table, for the documents.
#[must_use]
pub fn list_markdown() -> String {
    let mut text = "| check | the contract says | what is done | needs |\n|---|---|---|---|\n".to_owned();
    for Check {
        id,
        interface,
        sentence,
        does,
        needs,
    } in checks::all()
    {
        let needs = needs.words().unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{id}` | {sentence} (`{interface}.wit`) | {does} | {needs} |"
        );
    }
    text
}
