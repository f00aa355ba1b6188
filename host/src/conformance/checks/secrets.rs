//! Secrets in what comes out.

use super::{Check, CheckId, Needs};
use crate::conformance::bench::Bench;
use crate::conformance::ears::Mouth;
use crate::conformance::report::Verdict;

/// Not in the log.
pub const LOG: Check = Check {
    id: "secret.log",
    interface: "context",
    sentence: "The message MUST NOT contain a secret.",
    does: "Looks for the secrets of the connection, also in percent encoding and Base64, in all lines of the log, of which \
           there are most at the threshold `trace`, and in what the connector prints.",
    needs: Needs::Connection,
};
/// Not in errors.
pub const ERRORS: Check = Check {
    id: "secret.errors",
    interface: "types",
    sentence: "A failure. It never carries a secret.",
    does: "Looks for them in the message, code and details of every error, also of those for wrong secrets.",
    needs: Needs::Connection,
};
/// Nowhere else.
pub const ELSEWHERE: Check = Check {
    id: "secret.elsewhere",
    interface: "connector",
    sentence: "secrets are marked `writeOnly`;",
    does: "Looks for them in plans, steps of `check`, progress, metadata and notes.",
    needs: Needs::Connection,
};

pub(super) const CHECKS: &[CheckId] = &[&LOG, &ERRORS, &ELSEWHERE];

pub(super) fn run(bench: &mut Bench) {
    if bench.settings.connection.is_none() {
        return;
    }
    for (check, mouth) in [
        (&LOG, Mouth::Log),
        (&ERRORS, Mouth::Error),
        (&ELSEWHERE, Mouth::Other),
    ] {
        let (texts, leaks) = bench.ears.leaks(mouth);
        let verdict = if !bench.ears.knows_secrets() {
            Verdict::NotApplicable("the connection has no secret of four characters or more".to_owned())
        } else if texts == 0 {
            Verdict::NotApplicable("nothing came out there".to_owned())
        } else {
            Verdict::Passed
        };
        if leaks.is_empty() {
            bench.book.put(check, "", verdict);
        }
        for leak in leaks {
            bench.book.put(check, "", Verdict::Failed(leak));
        }
    }
}
