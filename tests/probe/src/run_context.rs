//! Steps of the context.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::bindings::flow::connector::context;
use crate::expect;
use crate::script::{ContextStep, Fault, level, level_name};

/// How often a connector that waits looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

/// Does a step.
///
/// # Errors
/// When it goes otherwise.
pub fn perform(step: &ContextStep) -> Result<(), String> {
    match step {
        ContextStep::RunId { expect: expected } => expect(expected, &context::run_id()),
        ContextStep::Attempt { expect: expected } => {
            expect(&expected.to_string(), &context::attempt().to_string())
        }
        ContextStep::Remaining { at_least, at_most } => {
            let left = context::remaining_ms();
            if (*at_least..=*at_most).contains(&left) {
                Ok(())
            } else {
                Err(format!("expected {at_least} to {at_most} ms, was {left}"))
            }
        }
        ContextStep::Cancelled { expect: expected } => {
            expect(&expected.to_string(), &context::cancelled().to_string())
        }
        ContextStep::WaitForCancel { within_ms } => wait_for_cancel(*within_ms),
        ContextStep::Threshold { expect: expected } => expect(expected, level_name(context::log_threshold())),
        ContextStep::Log { level: name, message } => {
            context::log(level(name)?, message);
            Ok(())
        }
        ContextStep::Progress { what, done, total } => {
            context::progress(what, *done, *total);
            Ok(())
        }
        ContextStep::Wait { ms } => {
            sleep(Duration::from_millis(*ms));
            Ok(())
        }
    }
}

/// Waits until the host wants the call to end.
///
/// # Errors
/// When it does not.
pub fn wait_for_cancel(within_ms: u64) -> Result<(), String> {
    let start = Instant::now();
    while !context::cancelled() {
        if start.elapsed() > Duration::from_millis(within_ms) {
            return Err(format!("nobody cancelled within {within_ms} ms"));
        }
        sleep(LOOK);
    }
    Ok(())
}

impl Fault {
    /// What a connector returns that was asked to end.
    #[must_use]
    pub fn cancelled() -> Self {
        serde_json::from_value(serde_json::json!({ "kind": "cancelled", "message": "as the host wished" }))
            .unwrap_or_else(|_| unreachable!("it is one"))
    }
}
