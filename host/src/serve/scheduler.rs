//! The one loop to which everything belongs that changes while flows are served. It waits for nothing in particular:
//! runs, files and locks are looked after by tasks, and tell it when they have something.

mod reload;
mod running;

use super::files::{Content, Digest, Files};
use super::health::{FlowHealth, Health, Overall, State};
use super::http::{Answer, Ask};
use super::journal::Notice;
use super::lane::{Lane, Lead, Turn, Wanted, new_run};
use super::metrics::Metrics;
use super::systemd::Systemd;
use super::{Order, ServeOptions, Served};
use crate::flow::{Flow, Problems};
use crate::state::ledger::runs;
use crate::state::lock::Lock;
use jiff::Timestamp;
use running::Ended;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often files and locks are looked at: a change of a file, which two looks have to agree on, and the end of the
/// process that leads, are both noticed within a second.
const LOOK: Duration = Duration::from_millis(400);

/// How long a cancelled run may take to end in good order: a step that is asked to end has a few seconds to.
const CANCELLED_WITHIN: Duration = Duration::from_secs(15);

/// The loop and what belongs to it.
pub(super) struct Scheduler {
    options: Arc<ServeOptions>,
    files: Files,
    /// By the flow's name.
    lanes: BTreeMap<String, Lane>,
    /// What is wrong with files, by their path.
    broken: BTreeMap<PathBuf, Problems>,
    metrics: Arc<Metrics>,
    systemd: Systemd,
    asked: mpsc::Receiver<Ask>,
    orders: mpsc::Receiver<Order>,
    tasks: JoinSet<Done>,
    looked: Option<Instant>,
    looking: bool,
    /// Files that are being loaded.
    loading: usize,
    /// Somebody has asked to load all flows again, and that is not done yet.
    reloading: Reloading,
    ending: Option<Ending>,
    /// Ends all runs.
    cancel: CancellationToken,
}

/// What a task has done.
enum Done {
    Looked(BTreeMap<PathBuf, Content>),
    Loaded {
        path: PathBuf,
        digest: Digest,
        loaded: Result<Served, Problems>,
    },
    Ran(Ended),
}

/// How far a reload is that somebody has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reloading {
    No,
    /// A look that began before may not show what is there now.
    Wanted,
    Looking,
    Loading,
}

/// The end has begun.
struct Ending {
    deadline: Instant,
    cancelled: bool,
}

impl Scheduler {
    pub(super) fn new(
        options: Arc<ServeOptions>,
        files: Files,
        flows: Vec<Served>,
        metrics: Arc<Metrics>,
        systemd: Systemd,
        asked: mpsc::Receiver<Ask>,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let mut scheduler = Self {
            options,
            files,
            lanes: BTreeMap::new(),
            broken: BTreeMap::new(),
            metrics,
            systemd,
            asked,
            orders,
            tasks: JoinSet::new(),
            looked: None,
            looking: false,
            loading: 0,
            reloading: Reloading::No,
            ending: None,
            cancel: CancellationToken::new(),
        };
        for served in flows {
            scheduler.serve(served);
        }
        scheduler
    }

    /// Until the end.
    pub(super) async fn run(mut self) {
        loop {
            self.step();
            if self.is_over() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(self.pause()) => {}
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.done(done),
                    Err(error) => tracing::error!("a task of the scheduler broke: {error}"),
                },
                Some(ask) = self.asked.recv() => self.answer(ask),
                Some(order) = self.orders.recv() => self.order(order),
            }
        }
        self.options.journal.notice(None, &Notice::Stopped);
    }

    /// What depends on the time.
    fn step(&mut self) {
        self.systemd.alive();
        if self.looked.is_none_or(|last| last.elapsed() >= LOOK) && self.ending.is_none() {
            self.looked = Some(Instant::now());
            self.locks();
            self.look();
        }
        let now = Timestamp::now();
        if self.ending.is_none() {
            for lane in self.lanes.values_mut() {
                lane.tick(now);
            }
            self.begin_what_may();
        }
        self.cancel_when_late();
        self.systemd.status(self.status());
    }

    /// How long there is nothing to do, unless somebody comes.
    fn pause(&self) -> Duration {
        let now = Timestamp::now();
        let next = match &self.ending {
            None => self.lanes.values().filter_map(Lane::next).min(),
            Some(_) => None,
        };
        let until = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
        let end = self.ending.as_ref();
        let end = end.map(|ending| ending.deadline.saturating_duration_since(Instant::now()));
        let pauses = [until, end, self.systemd.within()];
        let pause = pauses.into_iter().flatten().fold(LOOK, Duration::min);
        // A little more than until the time: a little less would be a turn for nothing.
        pause + Duration::from_millis(1)
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Looked(look) => self.compare(look),
            Done::Loaded { path, digest, loaded } => self.loaded(path, digest, loaded),
            Done::Ran(ended) => self.ran(ended),
        }
    }

    /// Takes the lead of flows that no other process runs.
    fn locks(&mut self) {
        let folder = self.options.run.state.join("locks");
        let names: Vec<String> = self
            .lanes
            .iter()
            .filter(|(_, lane)| !lane.leads() && !lane.retired)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            match Lock::try_take(&folder, &format!("serve {name}")) {
                Ok(Some(lock)) => self.take_over(&name, lock),
                Ok(None) => self.stand_by(&name, None),
                Err(error) => self.stand_by(&name, Some(format!("{}: {error}", folder.display()))),
            }
        }
    }

    /// This process runs the flow from now on.
    fn take_over(&mut self, name: &str, lock: Lock) {
        let Some(lane) = self.lanes.get_mut(name) else {
            return;
        };
        lane.lead(lock, Timestamp::now());
        let store = self.options.run.store.as_ref();
        let unfinished = store.map(|store| {
            store
                .ledger
                .read(|connection| runs::unfinished(connection, Some(name)))
        });
        if unfinished.is_some_and(|unfinished| unfinished.is_ok_and(|runs| !runs.is_empty())) {
            lane.go_on();
        }
        self.metrics.leading(name, true);
        self.options.journal.notice(Some(name), &Notice::Leading);
    }

    /// Another process runs the flow, or nobody knows which, for a reason that is told once.
    fn stand_by(&mut self, name: &str, trouble: Option<String>) {
        let Some(Lane {
            lead: Lead::Standby(standby),
            ..
        }) = self.lanes.get_mut(name)
        else {
            return;
        };
        let journal = &self.options.journal;
        match &trouble {
            Some(message) if standby.trouble != trouble => {
                let message = message.clone();
                journal.notice(Some(name), &Notice::LockFailed { message });
            }
            None if standby.seen.is_none() => journal.notice(Some(name), &Notice::StandingBy),
            _ => {}
        }
        if trouble.is_none() {
            standby.seen = Some(Timestamp::now());
        }
        standby.trouble = trouble;
    }

    fn order(&mut self, order: Order) {
        match order {
            _ if self.ending.is_some() => {}
            Order::Stop => self.stop(),
            Order::Reload => {
                self.options.journal.notice(None, &Notice::Reloading);
                self.systemd.reloading();
                self.reloading = Reloading::Wanted;
                self.looked = None;
            }
        }
    }

    /// No run begins any more. Flows without a run are free for another process at once.
    fn stop(&mut self) {
        let grace = self.options.grace;
        let running = self.lanes.values().map(Lane::running).sum();
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.options
            .journal
            .notice(None, &Notice::Stopping { running, grace_ms });
        self.systemd.stopping(grace + CANCELLED_WITHIN);
        self.ending = Some(Ending {
            deadline: Instant::now() + grace,
            cancelled: false,
        });
        let metrics = Arc::clone(&self.metrics);
        self.lanes.retain(|name, lane| {
            lane.forget_waiting();
            if !lane.is_running() {
                metrics.leading(name, false);
            }
            lane.is_running()
        });
    }

    fn cancel_when_late(&mut self) {
        let running = self.lanes.values().map(Lane::running).sum();
        let Some(ending) = &mut self.ending else { return };
        if running > 0 && !ending.cancelled && Instant::now() >= ending.deadline {
            ending.cancelled = true;
            ending.deadline = Instant::now() + CANCELLED_WITHIN;
            self.cancel.cancel();
            self.options.journal.notice(None, &Notice::Cancelling { running });
        }
    }

    fn is_over(&self) -> bool {
        let Some(ending) = &self.ending else { return false };
        let late = ending.cancelled && Instant::now() >= ending.deadline;
        late || !self.lanes.values().any(Lane::is_running)
    }

    /// What others ask. They may have gone before they hear the answer.
    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Flow { name, reply } => {
                let lane = self.lanes.get(&name).filter(|lane| !lane.retired);
                let _ = reply.send(lane.map(|lane| Arc::clone(&lane.served)));
            }
            Ask::Start { name, flow, reply } => {
                let _ = reply.send(self.start(&name, flow));
            }
            Ask::Health { reply } => {
                let _ = reply.send(self.health());
            }
        }
    }

    /// Starts a run that somebody asks for, of this definition or of the one that is served.
    fn start(&mut self, name: &str, flow: Option<Arc<Flow>>) -> Answer {
        if self.ending.is_some() {
            return Answer::Stopping;
        }
        let Some(lane) = self.lanes.get_mut(name).filter(|lane| !lane.retired) else {
            return Answer::Unknown;
        };
        if let Lead::Standby(standby) = &lane.lead {
            return Answer::Standby {
                trouble: standby.trouble.is_some(),
            };
        }
        let (sender, begun) = oneshot::channel();
        let run = new_run();
        let wanted = Wanted {
            flow: flow.unwrap_or_else(|| Arc::clone(&lane.served.flow)),
            run: run.clone(),
            quiet: false,
            begun: Some(sender),
        };
        match lane.ask(wanted) {
            Turn::Now(wanted) => {
                self.begin(name, wanted);
                Answer::Begins { run, begun }
            }
            Turn::Later => Answer::Queued { run },
            Turn::Busy => Answer::Busy,
            Turn::Full => Answer::Full,
        }
    }

    fn health(&self) -> Health {
        let mut flows: Vec<FlowHealth> = self
            .lanes
            .iter()
            .filter(|(_, lane)| !lane.retired)
            .map(|(name, lane)| self.flow_health(name, lane))
            .collect();
        let served = |path: &PathBuf| {
            self.lanes
                .values()
                .any(|lane| lane.served.path == *path && !lane.retired)
        };
        let others = self.broken.iter().filter(|(path, _)| !served(path));
        flows.extend(others.map(|(path, problems)| FlowHealth {
            name: None,
            file: path.display().to_string(),
            state: State::Broken,
            problems: problems.iter().cloned().collect(),
            trouble: None,
            last_run: None,
            next: None,
        }));
        let trouble = flows
            .iter()
            .any(|flow| flow.state == State::Broken || flow.trouble.is_some());
        let status = match (&self.ending, trouble) {
            (Some(_), _) => Overall::Stopping,
            (None, true) => Overall::Broken,
            (None, false) => Overall::Ok,
        };
        Health { status, flows }
    }

    fn flow_health(&self, name: &str, lane: &Lane) -> FlowHealth {
        let problems = self.broken.get(&lane.served.path);
        let trouble = match &lane.lead {
            Lead::Standby(standby) => standby.trouble.clone(),
            Lead::Leading(_) => None,
        };
        let state = if problems.is_some() {
            State::Broken
        } else if lane.is_running() {
            State::Running
        } else if lane.leads() {
            State::Leading
        } else {
            State::Standby
        };
        FlowHealth {
            name: Some(name.to_owned()),
            file: lane.served.path.display().to_string(),
            state,
            problems: problems
                .map(|problems| problems.iter().cloned().collect())
                .unwrap_or_default(),
            trouble,
            last_run: lane.last.clone(),
            next: lane.next(),
        }
    }

    /// One line for `systemctl status`.
    fn status(&self) -> String {
        let running: usize = self.lanes.values().map(Lane::running).sum();
        if self.ending.is_some() {
            return format!("ending; {running} running");
        }
        let leading = self.lanes.values().filter(|lane| lane.leads()).count();
        let (flows, broken) = (self.lanes.len(), self.broken.len());
        format!("{flows} flows: {leading} led here, {running} running, {broken} broken")
    }
}
