//! What the suite saw of one request.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::verdict::word;
use crate::protocol::contract::{Error, Metadata, Outcome};
use crate::protocol::event::{Event, Gone, Reply};

/// A payload that the connector makes.
#[derive(Debug)]
pub struct Making {
    /// What is known of it.
    pub metadata: Metadata,
    /// Its bytes so far.
    pub bytes: Vec<u8>,
    /// How many the suite has asked for; none before it was accepted.
    pub asked_for: Option<u64>,
    /// `finish` was called.
    pub finishing: bool,
}

/// What a connector did in a request, and what of that no host may let happen.
#[derive(Debug)]
pub struct Ledger {
    start: Instant,
    /// By the numbers that the host gave them.
    pub making: BTreeMap<u64, Making>,
    /// Numbers of those that were accepted, in order.
    pub accepted: Vec<u64>,
    /// Those that will not come.
    pub gone: Vec<(Metadata, Gone, Option<Error>)>,
    /// What was handed in and settled.
    pub settled: Vec<(String, Outcome)>,
    /// Problems.
    pub reported: Vec<(String, Error)>,
    /// Notes.
    pub noted: Vec<(String, String)>,
    /// `LEVEL: MESSAGE`.
    pub log: Vec<String>,
    /// `WHAT: DONE of TOTAL`.
    pub progress: Vec<String>,
    /// What the host let happen and must not.
    pub faults: Vec<String>,
    /// What the connector waits for an answer to.
    pub waiting: Option<u64>,
    /// How it ended.
    pub reply: Option<(Reply, Duration)>,
}

impl Ledger {
    /// Of a request that is made now.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            making: BTreeMap::new(),
            accepted: Vec::new(),
            gone: Vec::new(),
            settled: Vec::new(),
            reported: Vec::new(),
            noted: Vec::new(),
            log: Vec::new(),
            progress: Vec::new(),
            faults: Vec::new(),
            waiting: None,
            reply: None,
        }
    }

    /// The end.
    pub fn end(&mut self, reply: Reply) {
        if self.reply.is_some() {
            self.faults.push("the host replied twice".to_owned());
        }
        self.reply = Some((reply, self.start.elapsed()));
    }

    /// Takes down an event, before anything is answered.
    pub fn note(&mut self, event: &Event) {
        self.look_at_the_order(event);
        match event {
            Event::Offered {
                ask,
                metadata,
                payload,
            } => {
                self.waiting = Some(*ask);
                let making = Making {
                    metadata: metadata.clone(),
                    bytes: Vec::new(),
                    asked_for: None,
                    finishing: false,
                };
                if self.making.insert(*payload, making).is_some() {
                    self.faults
                        .push(format!("the payload number {payload} was used twice"));
                }
            }
            Event::Data { payload, data } => self.take(*payload, data),
            Event::Finishing { ask, payload } => {
                self.waiting = Some(*ask);
                match self.making.get_mut(payload) {
                    Some(making) if making.asked_for.is_some() && !making.finishing => {
                        making.finishing = true;
                    }
                    _ => self.faults.push(format!(
                        "`finishing` of payload {payload}, which is not being made"
                    )),
                }
            }
            Event::Gone { payload, how, reason } => match self.making.get(payload) {
                Some(making) if !self.accepted.contains(payload) => {
                    self.gone.push((making.metadata.clone(), *how, reason.clone()));
                }
                _ => self
                    .faults
                    .push(format!("`gone` of payload {payload}, which is not being made")),
            },
            Event::Noted { ask, id, text } => {
                self.waiting = Some(*ask);
                self.noted.push((id.clone(), text.clone()));
            }
            Event::Settled { id, outcome } => self.settled.push((id.clone(), outcome.clone())),
            Event::Reported { id, error } => self.reported.push((id.clone(), error.clone())),
            Event::Log { level, message } => {
                self.log.push(format!("{}: {message}", word(level)));
            }
            Event::Progress { what, done, total } => {
                let total = total.map_or_else(|| "?".to_owned(), |total| total.to_string());
                self.progress.push(format!("{what}: {done} of {total}"));
            }
        }
    }

    /// A connector does one thing at a time, so nothing may come of it while it waits; bytes that it wrote before may.
    fn look_at_the_order(&mut self, event: &Event) {
        if self.reply.is_some() {
            self.faults.push(format!("after the reply came {}", name(event)));
        } else if self.waiting.is_some() && !matches!(event, Event::Data { .. }) {
            let name = name(event);
            self.faults
                .push(format!("the connector went on ({name}) before it had its answer"));
        }
    }

    fn take(&mut self, payload: u64, data: &[u8]) {
        let Some(making) = self.making.get_mut(&payload) else {
            self.faults
                .push(format!("data of payload {payload}, which nobody offered"));
            return;
        };
        making.bytes.extend_from_slice(data);
        if making.finishing {
            self.faults.push("data after `finishing`".to_owned());
        } else if data.is_empty() {
            self.faults.push("`data` without data".to_owned());
        } else if making
            .asked_for
            .is_none_or(|bytes| making.bytes.len() as u64 > bytes)
        {
            self.faults
                .push("more data than the suite had asked for".to_owned());
        }
    }
}

fn name(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_lowercase()
}
