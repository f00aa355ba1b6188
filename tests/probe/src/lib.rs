//! The probe of the conformance suite: a connector that calls its host as a script says, and compares what it is told
//! with what the script expects. Its endpoint `run` fails at the first step that goes otherwise, with a message that
//! names it.
//!
//! # A tour
//!
//! - [`about`]: what hosts ask before they call: `describe`, `plan`, `check`
//! - [`script`]: the steps, as the option `script` has them
//! - [`slots`]: what steps keep for later ones, also of a later call: writers, readers, streams, connections, sessions
//! - [`payloads`], [`bodies`], [`run_context`], [`network`], [`secured`], [`wrong`]: what the steps do, by what they call
//!
//! Natively all this is a library that nobody calls: it is compiled and linted like any other, and the imports behind it
//! are not there.

#[allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated; its unsafe code is the calling convention of the component model"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/deps/io", "../../wit/connector", "wit"],
        world: "test:probe/probe",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "flow_probe::bindings",
    });
}

pub mod about;
pub mod bodies;
pub mod network;
pub mod payloads;
pub mod run_context;
pub mod script;
pub mod secured;
pub mod slots;
pub mod wrong;

use bindings::flow::connector::exchange::{self, Outcome, Reader};
use bindings::flow::connector::types::{Call, Effect, Error, ErrorKind, Retry, Summary};
use script::{Options, Step};
use slots::Slots;

/// Runs the script of a call.
///
/// # Errors
/// At the first step that goes otherwise than it says, and where the script says so.
pub fn run(call: &Call) -> Result<Summary, Error> {
    let options: Options = serde_json::from_str(&call.options)
        .map_err(|error| failed(format!("the script cannot be read: {error}")))?;
    let mut summary = Summary {
        payloads: 0,
        bytes: 0,
        skipped: 0,
        failed: 0,
    };
    slots::with(|slots| {
        for (number, step) in options.script.iter().enumerate() {
            if let Step::Return(end) = step {
                return end.result();
            }
            perform(step, slots, &mut summary)
                .map_err(|reason| failed(format!("step {} ({}): {reason}", number + 1, step.name())))?;
        }
        Ok(summary)
    })
}

fn perform(step: &Step, slots: &mut Slots, summary: &mut Summary) -> Result<(), String> {
    match step {
        Step::Payload(step) => payloads::perform(step, slots, summary),
        Step::Body(step) => bodies::perform(step, slots, summary),
        Step::Context(step) => run_context::perform(step),
        Step::Network(step) => network::perform(step, slots),
        Step::Tls(step) => secured::perform(step, slots),
        Step::Wrong(step) => wrong::perform(step),
        Step::Return(_) => Ok(()),
    }
}

/// Passes on what is handed in, without a look at it.
///
/// # Errors
/// What the host answers.
pub fn pass_all(_: &Call) -> Result<Summary, Error> {
    let mut payloads = 0;
    while let Some(reader) = exchange::next()? {
        let metadata = reader.metadata();
        Reader::settle(reader, &Outcome::Pass(metadata));
        payloads += 1;
    }
    Ok(Summary {
        payloads,
        bytes: 0,
        skipped: 0,
        failed: 0,
    })
}

/// The failure of a script.
fn failed(message: String) -> Error {
    Error {
        kind: ErrorKind::Internal,
        message,
        code: None,
        retry: Retry::Never,
        effect: Effect::None,
        details: None,
    }
}

/// Compares what came of a step with what the script expects.
///
/// # Errors
/// When they differ.
pub fn expect(expected: &str, seen: &str) -> Result<(), String> {
    if expected == seen {
        Ok(())
    } else {
        Err(format!("expected {expected:?}, was {seen:?}"))
    }
}
