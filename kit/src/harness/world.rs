//! What stands in for the host during a call.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use super::{Accepted, Answer, Line, Outcome, Payload, Settled};
use crate::context::Level;
use crate::{Error, Metadata, Summary};

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The host's side of one call.
pub(crate) struct World {
    pub inbox: VecDeque<Payload>,
    pub answer: Box<dyn FnMut(&Metadata) -> Answer>,
    /// How often it may still be asked whether the call is to end; for ever when none.
    pub looks_left: Option<u32>,
    pub remaining: Duration,
    pub attempt: u32,
    pub threshold: Level,
    pub accepted: Vec<Accepted>,
    pub aborted: Vec<(Metadata, Error)>,
    pub settled: Vec<Settled>,
    pub reported: Vec<(String, Error)>,
    pub log: Vec<Line>,
    pub progress: Vec<(String, u64, Option<u64>)>,
    pub broken: Vec<String>,
    pub was_cancelled: bool,
    pub was_stopped: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            inbox: VecDeque::new(),
            answer: Box::new(|_| Answer::Accept),
            looks_left: None,
            remaining: Duration::from_mins(1),
            attempt: 1,
            threshold: Level::Debug,
            accepted: Vec::new(),
            aborted: Vec::new(),
            settled: Vec::new(),
            reported: Vec::new(),
            log: Vec::new(),
            progress: Vec::new(),
            broken: Vec::new(),
            was_cancelled: false,
            was_stopped: false,
        }
    }
}

/// Asks or tells the world of the call that runs on this thread.
pub(super) fn world<T>(ask: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| match world {
        Some(world) => ask(world),
        None => panic!(
            "a function of the host was called, and there is no host: natively an endpoint runs within \
             `Harness::call`, and `describe` and `plan` call no import"
        ),
    })
}

/// The same, for what is dropped: perhaps after the call, perhaps while it panics.
pub(super) fn tell(told: impl FnOnce(&mut World)) {
    WORLD.with(|world| {
        if let Ok(mut world) = world.try_borrow_mut()
            && let Some(world) = world.as_mut()
        {
            told(world);
        }
    });
}

/// Ends the call of this thread, also when it panics.
struct Ending;

impl Drop for Ending {
    fn drop(&mut self) {
        WORLD.take();
    }
}

impl World {
    /// Does something as a call with this world for its host.
    pub fn during<T>(self, work: impl FnOnce() -> T) -> (Self, T) {
        let before = WORLD.replace(Some(self));
        assert!(before.is_none(), "one call of a harness runs within another");
        let ending = Ending;
        let done = work();
        let world = WORLD.take().expect("it was put there above");
        drop(ending);
        (world, done)
    }

    pub fn outcome(self, result: Result<Summary, Error>) -> Outcome {
        Outcome {
            result,
            accepted: self.accepted,
            aborted: self.aborted,
            settled: self.settled,
            reported: self.reported,
            log: self.log,
            progress: self.progress,
            left: self.inbox.len(),
            broken: self.broken,
            was_cancelled: self.was_cancelled,
            was_stopped: self.was_stopped,
        }
    }

    /// Takes note of something that the contract forbids.
    pub fn breaks(&mut self, rule: String) {
        self.broken.push(rule);
    }
}
