//! What a call has done.

use crate::bindings::flow::connector::exchange;
use crate::context::Level;
use crate::{Error, Metadata, Summary};

/// A payload that the flow has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What is known of it.
    pub metadata: Metadata,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl Accepted {
    /// Its bytes as text.
    ///
    /// # Panics
    /// When they are none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// An incoming payload that was dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which one.
    pub id: String,
    /// What became of it.
    pub outcome: exchange::Outcome,
    /// The last note that was kept for it.
    pub note: Option<String>,
}

/// A line of the log.
pub type Line = (Level, String);

/// What a call has done.
#[derive(Debug)]
pub struct Outcome {
    /// What the endpoint returned.
    pub result: Result<Summary, Error>,
    /// The payloads that it made.
    pub accepted: Vec<Accepted>,
    /// Those that it began and gave up, with the reason, in the order in which that happened.
    pub aborted: Vec<(Metadata, Error)>,
    /// What became of the payloads that came in.
    pub settled: Vec<Settled>,
    /// Problems with accepted payloads.
    pub reported: Vec<(String, Error)>,
    /// The log.
    pub log: Vec<Line>,
    /// What it told of its progress.
    pub progress: Vec<(String, u64, Option<u64>)>,
    /// Incoming payloads that it did not take.
    pub left: usize,
    /// What it did that the contract forbids.
    pub(super) broken: Vec<String>,
    pub(super) was_cancelled: bool,
    pub(super) was_stopped: bool,
}

impl Outcome {
    /// What the endpoint has done.
    ///
    /// # Panics
    /// When it failed.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        match &self.result {
            Ok(summary) => summary,
            Err(error) => panic!("the call failed: {error:?}"),
        }
    }

    /// How the call failed.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    pub fn error(&self) -> &Error {
        match &self.result {
            Ok(summary) => panic!("the call did not fail: {summary:?}"),
            Err(error) => error,
        }
    }

    /// The payloads that were passed on.
    #[must_use]
    pub fn passed(&self) -> Vec<&Metadata> {
        let passed = self.settled.iter().filter_map(|settled| match &settled.outcome {
            exchange::Outcome::Pass(metadata) => Some(metadata),
            _ => None,
        });
        passed.collect()
    }

    /// Why incoming payloads failed.
    #[must_use]
    pub fn failed(&self) -> Vec<Error> {
        let failed = self.settled.iter().filter_map(|settled| match &settled.outcome {
            exchange::Outcome::Fail(error) => Some(Error::as_told(error.clone())),
            _ => None,
        });
        failed.collect()
    }
}
