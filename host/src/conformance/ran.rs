//! What came of a call.

use super::counterpart::{Act, Sum};
use crate::contract::Summary;
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::time::Duration;

/// What came of a call.
#[derive(Debug)]
pub(super) struct Ran {
    pub result: Result<Summary, Failure>,
    pub acts: Vec<Act>,
    /// How long it went on after it was cancelled, if it was.
    pub cancelled_for: Option<Duration>,
    pub took: Duration,
}

/// What is on the remote system: bodies by their ids.
pub(super) type Remains = BTreeMap<String, Sum>;

impl Ran {
    pub(super) fn not_begun(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            acts: Vec::new(),
            cancelled_for: None,
            took: Duration::ZERO,
        }
    }

    /// Ids and versions of the payloads that were offered, in order of their ids.
    pub(super) fn offered(&self) -> Vec<(String, Option<String>)> {
        let offered = self.acts.iter().filter_map(|act| match act {
            Act::Offered(metadata) => Some((metadata.id.clone(), metadata.version.clone())),
            _ => None,
        });
        let mut offered: Vec<_> = offered.collect();
        offered.sort();
        offered
    }

    /// How many acts there are of a kind.
    pub(super) fn count(&self, kind: impl Fn(&Act) -> bool) -> u64 {
        self.acts.iter().filter(|act| kind(act)).count() as u64
    }
}
