//! The connector's lines in the run's log: those that it logs, those that it prints, and its progress; so many a second.

use crate::contract::LogLevel;
use crate::event::{Event, Events};
use crate::policy::bounds::Bounds;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A longer line is cut: a guest must not fill the log by one call.
pub(super) const LINE_BYTES: usize = 4 * 1024;

/// The log of one live connector. Clones share it.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<Lines>>);

struct Lines {
    bounds: Bounds,
    events: Events,
    /// The quietest lines that are kept.
    threshold: LogLevel,
    step: String,
    window: Window,
}

impl Log {
    pub(crate) fn new(events: Events, threshold: LogLevel, bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            bounds,
            events,
            threshold,
            step: String::new(),
            window: Window::new(Instant::now()),
        })))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, lines belong to this step.
    pub(super) fn set_step(&self, step: &str) {
        step.clone_into(&mut self.lines().step);
    }

    pub(super) fn threshold(&self) -> LogLevel {
        self.lines().threshold
    }

    pub(super) fn line(&self, level: LogLevel, message: String) {
        let mut lines = self.lines();
        if !level.reaches(lines.threshold) {
            return;
        }
        // Who asked for the dialogue wants all of it: one with holes misleads.
        if level != LogLevel::Trace && !lines.admit() {
            return;
        }
        lines.events.send(&Event::Log {
            step: lines.step.clone(),
            level: level.name(),
            message: cut(message),
        });
    }

    pub(super) fn progress(&self, what: String, done: u64, total: Option<u64>) {
        let mut lines = self.lines();
        if lines.admit() {
            lines.events.send(&Event::Progress {
                step: lines.step.clone(),
                what: cut(what),
                done,
                total,
            });
        }
    }
}

impl Lines {
    fn admit(&mut self) -> bool {
        let admitted = self.window.admit(Instant::now(), self.bounds.limits().log_lines);
        if !admitted {
            self.bounds.reached("log_lines");
        }
        admitted
    }
}

/// Counts the lines of the current second.
struct Window {
    start: Instant,
    lines: u64,
}

impl Window {
    fn new(start: Instant) -> Self {
        Self { start, lines: 0 }
    }

    /// Whether one more line may pass.
    fn admit(&mut self, now: Instant, most: u64) -> bool {
        if now.duration_since(self.start) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        self.lines += 1;
        self.lines <= most
    }
}

/// Cuts at a character's border.
fn cut(mut line: String) -> String {
    if line.len() > LINE_BYTES {
        line.truncate(line.floor_char_boundary(LINE_BYTES));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Limits;

    #[test]
    fn a_long_line_is_cut_at_a_characters_border() {
        let line = "ä".repeat(LINE_BYTES);
        let cut = cut(line);
        assert!(cut.len() <= LINE_BYTES + '…'.len_utf8());
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn lines_beyond_the_rate_are_dropped_until_the_next_second() {
        let start = Instant::now();
        let mut window = Window::new(start);
        let admitted = (0..15).filter(|_| window.admit(start, 10)).count();
        assert_eq!(admitted, 10);
        assert!(window.admit(start + Duration::from_secs(1), 10));
    }

    #[test]
    fn a_flood_is_told_once_with_the_limit_and_the_dialogue_is_kept() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let events = Events::new(move |event| {
            if let Event::Log { step, message, .. } = event {
                sink.lock()
                    .expect("not poisoned")
                    .push(format!("{step}: {message}"));
            }
        });
        let bounds = Bounds::new("shop", Limits::default(), events.clone());
        let most = usize::try_from(bounds.limits().log_lines).expect("few");
        let log = Log::new(events, LogLevel::Trace, bounds);
        log.set_step("pull");
        for _ in 0..10 * most {
            log.line(LogLevel::Info, "flood".to_owned());
        }
        log.line(LogLevel::Trace, "> NOOP".to_owned());
        let told = told.lock().expect("not poisoned");
        let count = |wanted: &str| told.iter().filter(|line| line.contains(wanted)).count();
        // On a slow machine the flood may take more than one second.
        assert!(
            (most..10 * most).contains(&count("pull: flood")),
            "{}",
            told.len()
        );
        assert_eq!(count("the limit `log_lines` (200)"), 1);
        assert_eq!(count("pull: > NOOP"), 1);
    }
}
