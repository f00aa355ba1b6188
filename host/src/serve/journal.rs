//! What is told while flows are served: the events of runs, and what happens to the flows themselves.

use crate::event::Event;
use crate::flow::Problem;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// When.
    pub time: Timestamp,
    /// The flow that it concerns; none when it concerns all.
    pub flow: Option<&'a str>,
    /// The run that it belongs to; every line of a run has it.
    pub run: Option<&'a str>,
    /// What.
    pub what: What<'a>,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// In a run.
    Run(&'a Event),
    /// To a flow, or to all of them.
    Serve(&'a Notice),
}

/// What happens to flows that are served. As JSON: one object with `event` and the fields in kebab-case names.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Notice {
    /// All flows are loaded, and the HTTP endpoints answer.
    Serving {
        /// Where they listen.
        listen: String,
        /// How many flows there are.
        flows: usize,
    },
    /// Others than this machine can reach the HTTP endpoints, and read what goes over them.
    ListensToOthers,
    /// A flow is loaded, for the first time or again.
    FlowLoaded,
    /// A flow is not served any more.
    FlowRemoved,
    /// A flow file has become wrong; what was loaded before stays. One for each thing that is wrong.
    FlowBroken {
        /// What is wrong.
        #[serde(flatten)]
        problem: Problem,
    },
    /// This process runs the flow from now on.
    Leading,
    /// Another process runs the flow; this one takes over when that one ends.
    StandingBy,
    /// Who runs the flow cannot be found out: nobody here runs it until then.
    LockFailed {
        /// Why.
        message: String,
    },
    /// A run could not begin, or broke off without a report.
    RunBroken {
        /// Why.
        message: String,
    },
    /// All flows are loaded again, since somebody asked for it.
    Reloading,
    /// No run begins any more.
    Stopping {
        /// Runs that are going.
        running: usize,
        /// How long they have to finish, in milliseconds.
        grace_ms: u64,
    },
    /// The time is up; the runs that are still going are cancelled.
    Cancelling {
        /// How many.
        running: usize,
    },
    /// The end.
    Stopped,
}

impl Record<'_> {
    /// One JSON object: `time`, `flow`, `run` and the fields of what happened.
    #[must_use]
    pub fn json(&self) -> String {
        let what = match self.what {
            What::Run(event) => serde_json::to_value(event),
            What::Serve(notice) => serde_json::to_value(notice),
        };
        let mut line = Map::new();
        line.insert("time".to_owned(), Value::from(self.time.to_string()));
        for (name, value) in [("flow", self.flow), ("run", self.run)] {
            if let Some(value) = value {
                line.insert(name.to_owned(), Value::from(value));
            }
        }
        if let Ok(Value::Object(members)) = what {
            line.extend(members);
        }
        Value::Object(line).to_string()
    }
}

/// Where records go.
#[derive(Clone)]
pub struct Journal(Arc<dyn Fn(&Record<'_>) + Send + Sync>);

impl Journal {
    /// Sends every record to a function, which must not block for long.
    pub fn new(sink: impl Fn(&Record<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Tells what happens to a flow, or to all.
    pub fn notice(&self, flow: Option<&str>, notice: &Notice) {
        self.tell(flow, None, What::Serve(notice));
    }

    /// Tells what happens in a run.
    pub fn run(&self, flow: &str, run: &str, what: What<'_>) {
        self.tell(Some(flow), Some(run), what);
    }

    fn tell(&self, flow: Option<&str>, run: Option<&str>, what: What<'_>) {
        let time = Timestamp::now();
        (self.0)(&Record {
            time,
            flow,
            run,
            what,
        });
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Journal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_when_and_which_run() {
        let event = Event::StepStarted {
            step: "get".into(),
            payloads: 1,
            attempt: 1,
        };
        let record = Record {
            time: "2026-03-04T12:30:45.5Z".parse().expect("a time"),
            flow: Some("orders"),
            run: Some("r-1"),
            what: What::Run(&event),
        };
        let expected = r#"{"time":"2026-03-04T12:30:45.5Z","flow":"orders","run":"r-1","event":"step-started","step":"get","payloads":1,"attempt":1}"#;
        assert_eq!(record.json(), expected);
    }

    #[test]
    fn a_run_is_named_once() {
        let event = Event::RunStarted {
            run: "r-1".into(),
            flow: "orders".into(),
        };
        let record = Record {
            time: Timestamp::UNIX_EPOCH,
            flow: Some("orders"),
            run: Some("r-1"),
            what: What::Run(&event),
        };
        assert_eq!(
            record.json(),
            r#"{"time":"1970-01-01T00:00:00Z","flow":"orders","run":"r-1","event":"run-started"}"#
        );
    }
}
