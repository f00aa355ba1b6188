//! From the events of one run to the journal.

use super::journal::{Journal, What};
use crate::event::{Event, Events};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Events of a run that are kept until it has something to tell. What such a run says beyond them is chatter.
const KEPT: usize = 1000;

/// The events of a run, for the journal.
///
/// `quiet`: the run looks for files; it is told only when it finds some, or fails. `begun` hears whether the run begins.
pub(super) fn events(
    journal: &Journal,
    flow: &str,
    run: &str,
    quiet: bool,
    begun: Option<oneshot::Sender<bool>>,
) -> Events {
    let (journal, flow) = (journal.clone(), flow.to_owned());
    let state = Mutex::new(State {
        run: run.to_owned(),
        kept: quiet.then(Vec::new),
        begun,
    });
    Events::new(move |event| {
        // Held while it is told, so that lines do not overtake those that were kept.
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.take(event, |run, event| journal.run(&flow, run, What::Run(event)));
    })
}

struct State {
    /// The run that speaks: the last one that has begun.
    run: String,
    /// What a quiet run has said so far, and which one that was; none when all is told.
    kept: Option<Vec<(String, Event)>>,
    begun: Option<oneshot::Sender<bool>>,
}

impl State {
    fn take(&mut self, event: &Event, tell: impl Fn(&str, &Event)) {
        match event {
            Event::RunStarted { run, .. } => {
                run.clone_into(&mut self.run);
                self.answer(true);
            }
            // An interrupted one comes first; who asked for this one still waits.
            Event::RunResumed { run, .. } => run.clone_into(&mut self.run),
            Event::RunSkipped { .. } => self.answer(false),
            // They are for progress bars: a few a second for each body.
            Event::Bytes { .. } | Event::Progress { .. } => return,
            _ => {}
        }
        let Some(kept) = &mut self.kept else {
            return tell(&self.run, event);
        };
        if matters(event) {
            for (run, event) in kept.iter() {
                tell(run, event);
            }
            self.kept = None;
            tell(&self.run, event);
        } else if kept.len() < KEPT {
            kept.push((self.run.clone(), event.clone()));
        }
    }

    /// Tells who asked for the run whether it begins.
    fn answer(&mut self, begins: bool) {
        if let Some(begun) = self.begun.take() {
            // Who asked for the run may have gone.
            let _ = begun.send(begins);
        }
    }
}

/// Whether a run that looked for files has something to tell.
fn matters(event: &Event) -> bool {
    match event {
        Event::PayloadDone { .. }
        | Event::PayloadFailed { .. }
        | Event::PayloadProblem { .. }
        | Event::Retry { .. }
        | Event::StepFailed { .. } => true,
        Event::Log { level, .. } => matches!(*level, "warn" | "error"),
        Event::RunFinished { payloads, failed, .. } => *payloads > 0 || *failed > 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn told(quiet: bool, events: &[Event]) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let journal = Journal::new(move |record| sink.lock().expect("sound").push(record.json()));
        let run = super::events(&journal, "f", "r-1", quiet, None);
        for event in events {
            run.send(event);
        }
        let lines = lines.lock().expect("sound");
        lines.iter().map(|line| event_of(line)).collect()
    }

    fn event_of(line: &str) -> String {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["run"], "r-1");
        line["event"].as_str().expect("an event").to_owned()
    }

    fn started() -> Event {
        Event::RunStarted {
            run: "r-1".into(),
            flow: "f".into(),
        }
    }

    fn finished(payloads: u64, failed: u64) -> Event {
        Event::RunFinished {
            status: "ok",
            payloads,
            bytes: 0,
            skipped: 3,
            failed,
            run: "r-1".into(),
        }
    }

    fn done() -> Event {
        Event::PayloadDone {
            step: "get".into(),
            payload: "a".into(),
            bytes: 1,
            attributes: vec![],
        }
    }

    #[test]
    fn a_quiet_run_that_finds_nothing_is_not_told() {
        assert!(told(true, &[started(), finished(0, 0)]).is_empty());
        assert_eq!(
            told(false, &[started(), finished(0, 0)]),
            ["run-started", "run-finished"]
        );
    }

    #[test]
    fn a_quiet_run_that_finds_something_is_told_from_its_start() {
        let all = told(true, &[started(), done(), finished(1, 0)]);
        assert_eq!(all, ["run-started", "payload-done", "run-finished"]);
        assert_eq!(told(true, &[started(), finished(0, 1)]).len(), 2, "it failed");
    }

    #[tokio::test]
    async fn who_asked_hears_that_the_run_has_begun() {
        let (sender, mut receiver) = oneshot::channel();
        let journal = Journal::new(|_| ());
        let run = super::events(&journal, "f", "r-1", true, Some(sender));
        run.send(&Event::Log {
            step: "get".into(),
            level: "info",
            message: "before it".into(),
        });
        assert!(receiver.try_recv().is_err());
        run.send(&started());
        assert!(receiver.try_recv().is_ok());
    }
}
