//! Events as lines, bars or JSON.

use flowhost::event::{Event, Events};
use flowhost::flow::{Problem, Problems};
use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use jiff::Zoned;
use serde::Serialize;
use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Prints a line. Who listens may have gone, as `head` does; that is no error of ours.
pub(super) fn line(text: &str) {
    let mut stdout = stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Prints what is wrong with a flow: for people on standard error, for programs on standard output.
pub(super) fn problems(problems: &Problems, json: bool) {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'static str,
        #[serde(flatten)]
        problem: &'a Problem,
    }
    for problem in problems.iter() {
        match serde_json::to_string(&Line {
            event: "problem",
            problem,
        }) {
            Ok(text) if json => line(&text),
            _ => eprintln!("{problem}"),
        }
    }
}

/// One JSON object a line.
pub(super) fn json() -> Events {
    Events::new(|event| {
        if let Ok(text) = serde_json::to_string(event) {
            line(&text);
        }
    })
}

/// A line of a connector's dialogue, which comes only where it was asked for: for people on standard error, so that
/// standard output stays what it is without.
pub(super) fn trace(event: &Event) {
    if let Some(text) = dialogue(event, &Zoned::now()) {
        eprintln!("{text}");
    }
}

/// For people: lines, and on a terminal bars below them.
pub(super) fn people() -> Events {
    if !(stdout().is_terminal() && stderr().is_terminal()) {
        return Events::new(|event| {
            trace(event);
            if let Some(text) = text(event) {
                line(&text);
            }
        });
    }
    let bars = Mutex::new(Bars {
        all: MultiProgress::new(),
        bodies: HashMap::new(),
    });
    Events::new(move |event| bars.lock().unwrap_or_else(PoisonError::into_inner).show(event))
}

struct Bars {
    all: MultiProgress,
    /// By step and payload.
    bodies: HashMap<(String, String), ProgressBar>,
}

impl Bars {
    fn show(&mut self, event: &Event) {
        match event {
            Event::Bytes {
                step,
                payload,
                done,
                total,
            } => self.bytes(step, payload, *done, *total),
            Event::PayloadDone { step, payload, .. } | Event::PayloadFailed { step, payload, .. } => {
                self.remove(step, payload);
            }
            Event::StepFinished { .. } | Event::RunFinished { .. } => {
                for (_, bar) in self.bodies.drain() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
        // Through the bars, which would be torn by a line beside them.
        if let Some(text) = text(event).or_else(|| dialogue(event, &Zoned::now())) {
            // Without a terminal to draw on, the line goes nowhere; the caller has made sure of one.
            let _ = self.all.println(text);
        }
    }

    fn bytes(&mut self, step: &str, payload: &str, done: u64, total: Option<u64>) {
        if total == Some(done) {
            // Small bodies come whole: a bar would only flicker.
            self.remove(step, payload);
            return;
        }
        let key = (step.to_owned(), payload.to_owned());
        let bar = self.bodies.entry(key).or_insert_with(|| {
            let bar = self
                .all
                .add(total.map_or_else(ProgressBar::no_length, ProgressBar::new));
            bar.set_style(style(total.is_some()));
            bar.set_prefix(harmless(&format!("{step}: {payload}")));
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        bar.set_position(done);
    }

    fn remove(&mut self, step: &str, payload: &str) {
        if let Some(bar) = self.bodies.remove(&(step.to_owned(), payload.to_owned())) {
            bar.finish_and_clear();
        }
    }
}

fn style(has_length: bool) -> ProgressStyle {
    let template = if has_length {
        "  {prefix} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left"
    } else {
        "  {prefix} {spinner} {bytes} {binary_bytes_per_sec}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A line of a connector's dialogue with the time of day, by which it is found in the other side's log.
fn dialogue(event: &Event, now: &Zoned) -> Option<String> {
    let Event::Log {
        step,
        level: "trace",
        message,
    } = event
    else {
        return None;
    };
    let words = format!("{} {step} {message}", now.strftime("%H:%M:%S%.3f"));
    Some(harmless(&words))
}

/// Text for a terminal. Names and messages come from servers and connectors: they must not move the cursor, change
/// colours, turn the direction of writing, or begin a line of their own.
pub(super) fn harmless(text: &str) -> String {
    let turns = |character| matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .fold(String::with_capacity(text.len()), |mut shown, character| {
            match character {
                '\n' => shown.push_str("\n    "),
                character if character.is_control() || turns(character) => shown.push('\u{fffd}'),
                character => shown.push(character),
            }
            shown
        })
}

/// An event as a line for people; none for those that only bars show.
pub(super) fn text(event: &Event) -> Option<String> {
    words(event).map(|words| harmless(&words))
}

fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::RunStarted { run, flow } => format!("{flow}: run {run}"),
        Event::RunResumed { run, flow } => format!("{flow}: run {run} goes on where it was interrupted"),
        Event::RunSkipped { flow, message } => format!("{flow}: not run: {message}"),
        Event::StepStarted { step, attempt, .. } if *attempt > 1 => format!("{step}: try {attempt}"),
        Event::StepStarted { .. }
        | Event::Bytes { .. }
        | Event::Progress { .. }
        | Event::Log {
            level: "trace" | "debug",
            ..
        } => return None,
        Event::Log { step, level, message } => format!("{step}: {level}: {message}"),
        Event::PayloadDone {
            step, payload, bytes, ..
        } => format!("{step}: {payload} ({})", HumanBytes(*bytes)),
        Event::PayloadFailed {
            step,
            payload,
            kind,
            message,
            code,
        } => {
            format!(
                "{step}: {payload}: failed: {}",
                failure(kind, message, code.as_deref())
            )
        }
        Event::PayloadProblem {
            step,
            payload,
            kind,
            message,
            code,
        } => {
            format!(
                "{step}: {payload}: warning: {}",
                failure(kind, message, code.as_deref())
            )
        }
        Event::Retry {
            step,
            after_ms,
            message,
            ..
        } => {
            let pause = Duration::from_millis(*after_ms);
            let pause = if *after_ms < 1000 {
                format!("{after_ms} ms")
            } else {
                HumanDuration(pause).to_string()
            };
            format!("{step}: again in {pause}: {message}")
        }
        Event::StepFailed {
            step,
            kind,
            message,
            code,
        } => {
            format!("{step}: failed: {}", failure(kind, message, code.as_deref()))
        }
        Event::StepFinished {
            step,
            payloads,
            bytes,
            skipped,
            failed,
        } => {
            format!("{step}: done: {}", counts(*payloads, *bytes, *skipped, *failed))
        }
        Event::RunFinished {
            status,
            payloads,
            bytes,
            skipped,
            failed,
            ..
        } => {
            format!("{status}: {}", counts(*payloads, *bytes, *skipped, *failed))
        }
    })
}

fn failure(kind: &str, message: &str, code: Option<&str>) -> String {
    match code {
        Some(code) => format!("{message} [{kind}, {code}]"),
        None => format!("{message} [{kind}]"),
    }
}

fn counts(payloads: u64, bytes: u64, skipped: u64, failed: u64) -> String {
    let plural = if payloads == 1 { "" } else { "s" };
    format!(
        "{payloads} payload{plural}, {}, {skipped} skipped, {failed} failed",
        HumanBytes(bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_what_matters_and_no_more() {
        let step = || "pull".to_owned();
        let done = Event::PayloadDone {
            step: step(),
            payload: "a.csv".into(),
            bytes: 2048,
            attributes: vec![],
        };
        assert_eq!(text(&done).as_deref(), Some("pull: a.csv (2.00 KiB)"));
        let failed = Event::StepFailed {
            step: step(),
            kind: "not-found".into(),
            message: "no such folder".into(),
            code: Some("550".into()),
        };
        assert_eq!(
            text(&failed).as_deref(),
            Some("pull: failed: no such folder [not-found, 550]")
        );
        let retry = Event::Retry {
            step: step(),
            attempt: 1,
            after_ms: 2000,
            message: "busy".into(),
        };
        assert_eq!(text(&retry).as_deref(), Some("pull: again in 2 seconds: busy"));
        let end = Event::StepFinished {
            step: step(),
            payloads: 1,
            bytes: 0,
            skipped: 0,
            failed: 2,
        };
        assert_eq!(
            text(&end).as_deref(),
            Some("pull: done: 1 payload, 0 B, 0 skipped, 2 failed")
        );
        assert_eq!(
            text(&Event::StepStarted {
                step: step(),
                payloads: 1,
                attempt: 1
            }),
            None
        );
    }

    #[test]
    fn a_name_cannot_write_over_the_terminal() {
        let done = Event::PayloadDone {
            step: "pull".to_owned(),
            payload: "a\u{1b}[2J\r\u{202e}b\nok: 9 payloads".into(),
            bytes: 1,
            attributes: vec![],
        };
        assert_eq!(
            text(&done).as_deref(),
            Some("pull: a\u{fffd}[2J\u{fffd}\u{fffd}b\n    ok: 9 payloads (1 B)")
        );
    }

    #[test]
    fn a_problem_is_a_warning_with_the_payloads_name() {
        let problem = Event::PayloadProblem {
            step: "pull".into(),
            payload: "a.csv".into(),
            kind: "permission".into(),
            message: "delivered, not moved".into(),
            code: Some("553".into()),
        };
        assert_eq!(
            text(&problem).as_deref(),
            Some("pull: a.csv: warning: delivered, not moved [permission, 553]")
        );
    }

    #[test]
    fn the_dialogue_has_a_time_and_no_place_among_the_lines() {
        let log = |level| Event::Log {
            step: "pull".into(),
            level,
            message: "> RETR a.csv".into(),
        };
        let now = "2026-03-04T12:30:45.123+00:00[UTC]".parse().expect("a time");
        assert_eq!(
            dialogue(&log("trace"), &now).as_deref(),
            Some("12:30:45.123 pull > RETR a.csv")
        );
        assert_eq!(text(&log("trace")), None);
        assert_eq!(dialogue(&log("warn"), &now), None);
    }
}
