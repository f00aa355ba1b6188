//! Plays one case: the suite is the flow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::adapter::Adapter;
use super::case::{Answer, Case, Loading, Request, Taking};
use super::ledger::Ledger;
use super::requests::Requests;
use super::servers::Servers;
use super::values::Values;
use super::verdict;
use crate::protocol::contract::Offer;
use crate::protocol::event::{self, Event, FailedKind, Line};
use crate::protocol::request::{self, Take, Task, Word};

/// How long a component may take to be compiled.
const LOAD_WITHIN: Duration = Duration::from_mins(1);

/// How long a host may take over its own affairs.
const REPLY_WITHIN: Duration = Duration::from_secs(10);

/// What a request may take beyond its own limit before the suite gives up.
const MARGIN: Duration = Duration::from_secs(15);

/// When nothing has come of a connector by then, it is cancelled all the same.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// All of a body.
const ALL: u64 = 1 << 50;

/// Plays a case, and gives what is wrong; nothing when it has passed.
///
/// # Errors
/// When it could not be played to its end.
pub fn play(case: &Case, adapter: &mut Adapter) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let mut values = Values::default();
    let servers = Servers::start(case, &mut values)?;
    let Loaded {
        connector,
        mut faults,
    } = load(case, adapter, folder.path())?;
    let Some(connector) = connector else {
        return Ok(faults);
    };
    let mut stage = Stage {
        case,
        requests: Requests {
            case,
            connector,
            values: &values,
            folder: folder.path(),
        },
        adapter,
        servers: &servers,
        instances: BTreeSet::new(),
        running: BTreeMap::new(),
        due: Vec::new(),
    };
    if faults.is_empty() {
        faults = stage.play()?;
    }
    for instance in std::mem::take(&mut stage.instances) {
        stage.adapter.ask(Task::End { instance }, REPLY_WITHIN)?;
    }
    Ok(faults)
}

/// What came of loading.
struct Loaded {
    /// What it is called; none when it was refused.
    connector: Option<String>,
    faults: Vec<String>,
}

/// Loads the component, unless this host has it already and nothing of that is looked at: compiling takes long.
fn load(case: &Case, adapter: &mut Adapter, folder: &Path) -> Result<Loaded> {
    let component = format!("{:?}", case.component);
    if let (
        Loading::Loaded {
            endpoints: None,
            descriptor,
        },
        Some(name),
    ) = (&case.load, adapter.loaded.get(&component))
        && descriptor.is_empty()
    {
        return Ok(Loaded {
            connector: Some(name.clone()),
            faults: Vec::new(),
        });
    }
    let task = Task::Load {
        name: case.id.clone(),
        component: case.component.file(folder)?,
    };
    let reply = adapter.ask(task, LOAD_WITHIN)?;
    match (&case.load, reply.ok, reply.failed) {
        (Loading::Refused { words }, None, Some(failed)) => {
            let mut faults = verdict::lacking(&failed.message, words);
            if failed.kind != FailedKind::Refused {
                faults.push(format!(
                    "expected `refused`, was {:?}: {}",
                    failed.kind, failed.message
                ));
            }
            Ok(Loaded {
                connector: None,
                faults,
            })
        }
        (Loading::Refused { .. }, Some(_), _) => Ok(Loaded {
            connector: None,
            faults: vec!["it was loaded".to_owned()],
        }),
        (
            Loading::Loaded {
                endpoints,
                descriptor,
            },
            Some(loaded),
            None,
        ) => {
            let loaded: event::Loaded = serde_json::from_value(loaded).context("the reply to `load`")?;
            adapter.loaded.insert(component, case.id.clone());
            let mut faults = Vec::new();
            if let Some(expected) = endpoints {
                let (mut expected, mut found) = (expected.clone(), loaded.endpoints.clone());
                expected.sort();
                found.sort();
                if expected != found {
                    faults.push(format!("expected the endpoints {expected:?}, found {found:?}"));
                }
            }
            let members = serde_json::to_value(&loaded.descriptor)?;
            verdict::members("descriptor", descriptor, &members, &mut faults);
            Ok(Loaded {
                connector: Some(case.id.clone()),
                faults,
            })
        }
        (_, _, Some(failed)) => bail!("it was not loaded: {}", failed.message),
        (_, None, None) => bail!("the reply to `load` is neither `ok` nor `failed`"),
    }
}

/// What is done later.
enum Due {
    /// Answers what the connector waits for.
    Answer(Word),
    /// Takes more of a body.
    Take(u64),
    /// Cancels.
    Cancel,
}

struct Stage<'a> {
    case: &'a Case,
    requests: Requests<'a>,
    adapter: &'a mut Adapter,
    servers: &'a Servers,
    instances: BTreeSet<String>,
    running: BTreeMap<u64, Running<'a>>,
    due: Vec<(Instant, u64, Due)>,
}

/// A request that is under way.
struct Running<'a> {
    request: &'a Request,
    ledger: Ledger,
    give_up: Instant,
    offers: usize,
    finishes: usize,
    notes: usize,
    cancelling: bool,
}

impl<'a> Stage<'a> {
    fn play(&mut self) -> Result<Vec<String>> {
        let requests = &self.case.requests;
        let at_once = if self.case.together { requests.len() } else { 1 };
        let mut faults = Vec::new();
        let mut number = 0;
        for requests in requests.chunks(at_once.max(1)) {
            for request in requests {
                self.make(request)?;
            }
            for running in self.until_all_have_ended()? {
                number += 1;
                let found = verdict::of(running.request, &running.ledger, self.servers)?;
                faults.extend(
                    found
                        .into_iter()
                        .map(|fault| format!("request {number}: {fault}")),
                );
            }
        }
        Ok(faults)
    }

    /// Sends a request, and starts its instance where it is named for the first time.
    fn make(&mut self, request: &'a Request) -> Result<()> {
        let instance = format!("{} {}", self.case.id, request.instance);
        if self.instances.insert(instance.clone()) {
            let task = self.requests.start(instance.clone(), request)?;
            let reply = self.adapter.ask(task, REPLY_WITHIN)?;
            if let Some(failed) = reply.failed {
                bail!("the instance was not started: {}", failed.message);
            }
        }
        let task = self.requests.task(instance, request)?;
        let id = self.adapter.request(task)?;
        if request.flow.cancel_after_ms.is_some() {
            self.due.push((Instant::now() + SILENT_FOR, id, Due::Cancel));
        }
        self.running.insert(
            id,
            Running {
                request,
                ledger: Ledger::new(),
                give_up: Instant::now() + Duration::from_millis(request.limit_ms) + MARGIN,
                offers: 0,
                finishes: 0,
                notes: 0,
                cancelling: false,
            },
        );
        Ok(())
    }

    /// Goes on until everything that is under way has ended.
    fn until_all_have_ended(&mut self) -> Result<Vec<Running<'a>>> {
        while self
            .running
            .values()
            .any(|running| running.ledger.reply.is_none())
        {
            self.do_what_is_due()?;
            let now = Instant::now();
            let next = self.due.iter().map(|(at, ..)| *at).min();
            let patience = self.running.values().map(|running| running.give_up).min();
            let until = next.into_iter().chain(patience).min().unwrap_or(now);
            let line = self.adapter.receive(until.saturating_duration_since(now))?;
            match line {
                Some(Line::Reply(reply)) => {
                    // Otherwise it is that of `cancel`.
                    if let Some(running) = self.running.get_mut(&reply.id) {
                        running.ledger.end(reply);
                    }
                }
                Some(Line::Told(told)) => self.hear(told.call, &told.event)?,
                None if patience.is_some_and(|end| end <= Instant::now()) => {
                    bail!("no reply, long after its time was over");
                }
                None => {}
            }
        }
        self.due.clear();
        Ok(std::mem::take(&mut self.running).into_values().collect())
    }

    fn do_what_is_due(&mut self) -> Result<()> {
        let now = Instant::now();
        while let Some(place) = self.due.iter().position(|(at, ..)| *at <= now) {
            let (_, id, due) = self.due.remove(place);
            match due {
                Due::Answer(word) => self.answer(id, word)?,
                Due::Take(payload) => self.take(id, payload)?,
                Due::Cancel => self.cancel(id)?,
            }
        }
        Ok(())
    }

    fn cancel(&mut self, id: u64) -> Result<()> {
        match self.running.get_mut(&id) {
            Some(running) if !running.cancelling && running.ledger.reply.is_none() => {
                running.cancelling = true;
                self.adapter.request(Task::Cancel { call: id }).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Takes down an event, and answers it, at once or later.
    fn hear(&mut self, id: u64, event: &Event) -> Result<()> {
        let Some(running) = self.running.get_mut(&id) else {
            bail!("an event of call {id}, which is not under way");
        };
        let flow = &running.request.flow;
        if let Some(pause) = flow.cancel_after_ms {
            self.due
                .push((Instant::now() + Duration::from_millis(pause), id, Due::Cancel));
        }
        running.ledger.note(event);
        let held = Instant::now() + Duration::from_millis(flow.hold_ms);
        match *event {
            Event::Offered { payload, .. } => {
                let word = match nth(&flow.offers, running.offers) {
                    None => Word::Offer(Offer::Accept),
                    Some(Answer::Word(offer)) => Word::Offer(*offer),
                    Some(Answer::Error { error }) => Word::Error(error.clone()),
                };
                running.offers += 1;
                let accepted = matches!(word, Word::Offer(Offer::Accept));
                self.answer(id, word)?;
                if accepted {
                    self.begin_to_take(id, payload)?;
                }
            }
            Event::Data { payload, .. } => self.go_on_taking(id, payload),
            Event::Finishing { payload, .. } => {
                let word = match nth(&flow.finishes, running.finishes) {
                    None | Some(Answer::Word(_)) => {
                        running.ledger.accepted.push(payload);
                        Word::Finish(true)
                    }
                    Some(Answer::Error { error }) => Word::Error(error.clone()),
                };
                running.finishes += 1;
                self.due.push((held, id, Due::Answer(word)));
            }
            Event::Noted { .. } => {
                let word = match nth(&flow.notes, running.notes) {
                    None | Some(Answer::Word(_)) => Word::Note(true),
                    Some(Answer::Error { error }) => Word::Error(error.clone()),
                };
                running.notes += 1;
                self.due.push((held, id, Due::Answer(word)));
            }
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self, id: u64, word: Word) -> Result<()> {
        let Some(running) = self.running.get_mut(&id) else {
            return Ok(());
        };
        if let (Word::Finish(_), Some(command)) = (&word, &running.request.flow.not_before_acceptance)
            && self.servers.had(command)
        {
            let fault = format!("the server had {command} before the payload was accepted");
            running.ledger.faults.push(fault);
        }
        match running.ledger.waiting.take() {
            Some(answer) => self
                .adapter
                .send(&request::Line::Answer(request::Answer { answer, word })),
            None => Ok(()),
        }
    }

    fn begin_to_take(&mut self, id: u64, payload: u64) -> Result<()> {
        let Some(running) = self.running.get_mut(&id) else {
            return Ok(());
        };
        let making = running
            .ledger
            .making
            .get_mut(&payload)
            .context("it was offered")?;
        making.asked_for = Some(0);
        match &running.request.flow.take {
            None => self.ask_for(id, payload, ALL),
            Some(taking) => {
                let first = Instant::now() + Duration::from_millis(taking.first_after_ms);
                self.due.push((first, id, Due::Take(payload)));
                Ok(())
            }
        }
    }

    /// Asks for the next piece when the last one has come.
    fn go_on_taking(&mut self, id: u64, payload: u64) {
        let Some(running) = self.running.get(&id) else {
            return;
        };
        let (Some(Taking { pause_ms, .. }), Some(making)) =
            (&running.request.flow.take, running.ledger.making.get(&payload))
        else {
            return;
        };
        if making.asked_for == Some(making.bytes.len() as u64) {
            let next = Instant::now() + Duration::from_millis(*pause_ms);
            self.due.push((next, id, Due::Take(payload)));
        }
    }

    fn take(&mut self, id: u64, payload: u64) -> Result<()> {
        let taking = self
            .running
            .get(&id)
            .and_then(|running| running.request.flow.take.as_ref());
        match taking.map(|taking| taking.piece) {
            Some(piece) => self.ask_for(id, payload, piece),
            None => Ok(()),
        }
    }

    fn ask_for(&mut self, id: u64, payload: u64, bytes: u64) -> Result<()> {
        let making = self
            .running
            .get_mut(&id)
            .and_then(|running| running.ledger.making.get_mut(&payload));
        if let Some(making) = making {
            making.asked_for = making.asked_for.map(|before| before + bytes);
        }
        self.adapter
            .send(&request::Line::Take(Take { take: payload, bytes }))
    }
}

/// The answer to the so-manieth question: the last one holds for all that follow.
fn nth<T>(answers: &[T], number: usize) -> Option<&T> {
    answers.get(number).or_else(|| answers.last())
}
