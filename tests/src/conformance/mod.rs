//! The conformance suite of hosts: cases as data (`tests/conformance/cases`), played against any program that speaks the
//! protocol of `docs/conformance.md`.
//!
//! - [`case`]: a case as its file has it. [`catalogue`]: all of them, and the sentences of the contract that they check.
//! - [`component`]: the connectors that they load. `servers`: what these talk to.
//! - [`adapter`]: the process of a host under test.
//! - [`play`]: plays one case: the suite is the flow. `requests`: what it asks of the host; `ledger`: what it saw; `verdict`: what is wrong with that.
//! - [`report`]: what is told of all of them, for people and programs. [`known`]: failures that have a reason.
//! - [`mutations`]: whether all this sees what is broken.

pub mod adapter;
pub mod case;
pub mod catalogue;
pub mod component;
pub mod known;
mod ledger;
pub mod mutations;
pub mod play;
pub mod report;
mod requests;
mod servers;
mod values;
mod verdict;

use std::time::Instant;

use anyhow::Result;

use adapter::Adapter;
use case::Case;
use report::{Outcome, Played};

/// Plays cases against one host, and tells of each as soon as it is over.
///
/// # Errors
/// When the host cannot be started or does not speak the protocol; not when it fails cases.
pub fn run(command: &str, cases: &[Case], tell: &mut dyn FnMut(&Played)) -> Result<(String, Vec<Played>)> {
    let mut adapter = Adapter::start(command)?;
    let name = format!(
        "{} {} (flow:connector {})",
        adapter.hello.name, adapter.hello.version, adapter.hello.contract
    );
    let mut played = Vec::new();
    for case in cases {
        let start = Instant::now();
        let faults = match play::play(case, &mut adapter) {
            Ok(faults) => faults,
            Err(error) => vec![format!("{error:#}")],
        };
        let outcome = if faults.is_empty() {
            Outcome::Passed
        } else {
            Outcome::Failed(faults)
        };
        let one = Played {
            case: case.clone(),
            outcome,
            took: start.elapsed(),
            said: adapter.last_words(),
        };
        tell(&one);
        // What went wrong once may have left the host in a state that no later case is about.
        if one.failed() {
            adapter = Adapter::start(command)?;
        }
        played.push(one);
    }
    Ok((name, played))
}
