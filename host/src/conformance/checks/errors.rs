//! The form of all errors.

use super::{Check, CheckId, Needs};
use crate::conformance::bench::Bench;
use crate::conformance::report::Verdict;

/// They are for people and programs.
pub const FORM: Check = Check {
    id: "error.form",
    interface: "types",
    sentence: "One sentence for a person: what failed, where, and what would be right.",
    does: "Looks at every error of all other checks: a message, and `details` that are a JSON object.",
    needs: Needs::Nothing,
};

pub(super) const CHECKS: &[CheckId] = &[&FORM];

pub(super) fn run(bench: &mut Bench) {
    let (errors, malformed) = bench.ears.malformed();
    if errors == 0 {
        bench
            .book
            .put(&FORM, "", Verdict::NotApplicable("there was no error".to_owned()));
    } else if malformed.is_empty() {
        bench.book.put(&FORM, "", Verdict::Passed);
    }
    for complaint in malformed {
        bench.book.put(&FORM, "", Verdict::Failed(complaint));
    }
}
