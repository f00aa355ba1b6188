//! `flow:connector/context`: the run, as a connector may know it.

use super::State;
use super::stdio::Output;
use crate::bindings::flow::connector::context::{Host, LogLevel};
use crate::event::{Event, Events};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A longer log line is cut: a guest must not fill the log by one call.
const LOG_LINE_BYTES: usize = 4 * 1024;

/// Log lines beyond this many a second are counted and dropped.
const LOG_LINES_PER_SECOND: u32 = 200;

/// What the context functions answer from.
pub(crate) struct Context {
    pub(crate) run_id: String,
    pub(crate) step: String,
    pub(crate) attempt: u32,
    pub(crate) deadline: Instant,
    /// Cancelled when the current call should end.
    pub(crate) cancel: CancellationToken,
    pub(crate) events: Events,
    /// The quietest log lines that are kept.
    pub(crate) log_threshold: LogLevel,
    window: Window,
    output: Output,
}

impl Context {
    pub(crate) fn new(
        run_id: String,
        events: Events,
        log_threshold: LogLevel,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            run_id,
            step: String::new(),
            attempt: 1,
            deadline: Instant::now(),
            cancel,
            events,
            log_threshold,
            window: Window {
                start: Instant::now(),
                lines: 0,
                dropped: 0,
            },
            output: Output::default(),
        }
    }

    /// Where the guest's standard output and error go.
    pub(crate) fn output(&self) -> Output {
        self.output.clone()
    }

    fn send_log(&self, level: LogLevel, message: String) {
        self.events.send(&Event::Log {
            step: self.step.clone(),
            level: level.name(),
            message,
        });
    }

    fn log(&mut self, now: Instant, level: LogLevel, message: String) {
        if !level.reaches(self.log_threshold) {
            return;
        }
        // Who asked for the dialogue wants all of it: one with holes misleads.
        if level == LogLevel::Trace {
            self.send_log(level, cut(message));
            return;
        }
        let (admitted, dropped) = self.window.admit(now);
        if dropped > 0 {
            let message = format!(
                "{dropped} log lines of the connector were dropped: more than {LOG_LINES_PER_SECOND} a second"
            );
            self.send_log(LogLevel::Warn, message);
        }
        if admitted {
            self.send_log(level, cut(message));
        }
    }
}

/// Counts the log lines of the current second.
struct Window {
    start: Instant,
    lines: u32,
    dropped: u32,
}

impl Window {
    /// Whether one more line may pass, and how many were dropped before it.
    fn admit(&mut self, now: Instant) -> (bool, u32) {
        let mut dropped = 0;
        if now.duration_since(self.start) >= Duration::from_secs(1) {
            dropped = self.dropped;
            *self = Self {
                start: now,
                lines: 0,
                dropped: 0,
            };
        }
        self.lines += 1;
        let admitted = self.lines <= LOG_LINES_PER_SECOND;
        if !admitted {
            self.dropped += 1;
        }
        (admitted, dropped)
    }
}

/// Cuts at a character's border.
fn cut(mut line: String) -> String {
    if line.len() > LOG_LINE_BYTES {
        let border = (0..=LOG_LINE_BYTES)
            .rev()
            .find(|at| line.is_char_boundary(*at))
            .unwrap_or(0);
        line.truncate(border);
        line.push('…');
    }
    line
}

impl Host for State {
    fn run_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.context.run_id.clone())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.context.attempt)
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<u64> {
        let left = self.context.deadline.saturating_duration_since(Instant::now());
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.context.cancel.is_cancelled())
    }

    fn log_threshold(&mut self) -> wasmtime::Result<LogLevel> {
        Ok(self.context.log_threshold)
    }

    fn log(&mut self, level: LogLevel, message: String) -> wasmtime::Result<()> {
        self.context.log(Instant::now(), level, message);
        Ok(())
    }

    fn progress(&mut self, what: String, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        // Progress counts against the log's rate: it takes the same way.
        if self.context.window.admit(Instant::now()).0 {
            let step = self.context.step.clone();
            self.context.events.send(&Event::Progress {
                step,
                what: cut(what),
                done,
                total,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_long_line_is_cut_at_a_characters_border() {
        let line = "ä".repeat(LOG_LINE_BYTES);
        let cut = cut(line);
        assert!(cut.len() <= LOG_LINE_BYTES + '…'.len_utf8());
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn lines_beyond_the_rate_are_counted_until_the_next_second() {
        let start = Instant::now();
        let mut window = Window {
            start,
            lines: 0,
            dropped: 0,
        };
        let admitted = (0..LOG_LINES_PER_SECOND + 5)
            .filter(|_| window.admit(start).0)
            .count();
        assert_eq!(admitted, LOG_LINES_PER_SECOND as usize);
        assert_eq!(window.admit(start + Duration::from_secs(1)), (true, 5));
    }

    /// What is told of lines that a connector logs, all in the same second.
    fn told(
        threshold: LogLevel,
        lines: impl IntoIterator<Item = (LogLevel, String)>,
    ) -> Vec<(String, String)> {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let events = Events::new(move |event| {
            if let Event::Log { level, message, .. } = event {
                sink.lock()
                    .expect("not poisoned")
                    .push(((*level).to_owned(), message.clone()));
            }
        });
        let mut context = Context::new("run".into(), events, threshold, CancellationToken::new());
        let now = Instant::now();
        for (level, message) in lines {
            context.log(now, level, message);
        }
        told.lock().expect("not poisoned").clone()
    }

    #[test]
    fn lines_below_the_threshold_are_not_told() {
        let lines =
            || [LogLevel::Trace, LogLevel::Debug, LogLevel::Warn].map(|level| (level, "x".to_owned()));
        let levels = |threshold| {
            told(threshold, lines())
                .into_iter()
                .map(|(level, _)| level)
                .collect::<Vec<_>>()
        };
        assert_eq!(levels(LogLevel::Trace), ["trace", "debug", "warn"]);
        assert_eq!(levels(LogLevel::Debug), ["debug", "warn"]);
        assert_eq!(levels(LogLevel::Error), [""; 0]);
    }

    #[test]
    fn a_dialogue_has_no_holes_and_its_lines_are_cut() {
        let count = LOG_LINES_PER_SECOND as usize * 2;
        let line = |level| vec![(level, "x".repeat(LOG_LINE_BYTES * 2)); count];
        let traced = told(LogLevel::Trace, line(LogLevel::Trace));
        assert_eq!(traced.len(), count);
        assert!(
            traced
                .iter()
                .all(|(_, message)| message.len() <= LOG_LINE_BYTES + '…'.len_utf8())
        );
        assert_eq!(
            told(LogLevel::Trace, line(LogLevel::Debug)).len(),
            LOG_LINES_PER_SECOND as usize
        );
    }
}
