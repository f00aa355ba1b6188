//! Counts the bytes of one body and tells them, at most a few times a second.

use crate::event::{Event, Events};
use std::time::{Duration, Instant};

/// Often enough for a progress bar to move smoothly, rarely enough to cost nothing.
const PERIOD: Duration = Duration::from_millis(100);

/// The bytes of one body on its way.
pub(crate) struct Meter {
    events: Events,
    step: String,
    payload: String,
    done: u64,
    total: Option<u64>,
    last: Instant,
    told: Option<u64>,
}

impl Meter {
    /// For a body of `total` bytes, where that is known.
    pub(crate) fn new(events: &Events, step: &str, payload: &str, total: Option<u64>) -> Self {
        Self {
            events: events.clone(),
            step: step.to_owned(),
            payload: payload.to_owned(),
            done: 0,
            total,
            last: Instant::now(),
            told: None,
        }
    }

    /// Counts bytes that have moved.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.last.elapsed() >= PERIOD || Some(self.done) == self.total {
            self.last = Instant::now();
            self.tell();
        }
    }

    /// The body is whole.
    pub(crate) fn finish(&mut self) {
        if self.told != Some(self.done) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.told = Some(self.done);
        self.events.send(&Event::Bytes {
            step: self.step.clone(),
            payload: self.payload.clone(),
            done: self.done,
            total: self.total,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn the_whole_body_is_told_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let events = Events::new(move |event| {
            if let Event::Bytes { done, .. } = event {
                sink.lock().expect("not poisoned").push(*done);
            }
        });
        let mut meter = Meter::new(&events, "pull", "a.csv", Some(30));
        for _ in 0..3 {
            meter.add(10);
        }
        meter.finish();
        assert_eq!(told.lock().expect("not poisoned").last(), Some(&30));
        assert_eq!(
            told.lock()
                .expect("not poisoned")
                .iter()
                .filter(|done| **done == 30)
                .count(),
            1
        );
    }
}
