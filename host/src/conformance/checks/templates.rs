//! Templates in options.

use super::plan::unless_planned;
use super::{Check, CheckId, Needs};
use crate::conformance::bench::Bench;
use crate::conformance::report::Verdict;
use crate::flow::template;

/// They are not judged.
pub const OPEN: Check = Check {
    id: "plan.templates",
    interface: "connector",
    sentence: "Strings that contain `{{` are templates and MUST NOT be judged.",
    does: "Puts a template in the place of each text in the options of each call, one at a time, and plans.",
    needs: Needs::Calls,
};

pub(super) const CHECKS: &[CheckId] = &[&OPEN];

pub(super) async fn run(bench: &mut Bench) {
    let connection = bench.connection();
    for call in bench.settings.calls.clone() {
        let texts: Vec<String> = template::texts(&call.options)
            .into_iter()
            .map(|(pointer, _)| pointer)
            .collect();
        if texts.is_empty() {
            let reason = "the options of the call have no text".to_owned();
            bench.book.put(&OPEN, &call.name, Verdict::NotApplicable(reason));
        }
        for pointer in texts {
            let mut options = call.options.clone();
            if let Some(place) = options.pointer_mut(&pointer) {
                *place = "{{ conformance }}".into();
            }
            let planned = bench
                .plan(Some(&call.endpoint), &connection, &options.to_string())
                .await;
            let case = format!("{} with a template at {pointer}", call.name);
            bench
                .book
                .put(&OPEN, &case, Verdict::unless(unless_planned(&planned)));
        }
    }
}
