//! One flow that is served: whether this process runs it, what is due, and what is going.

use super::Served;
use super::clock::Clock;
use super::health::LastRun;
use crate::flow::Flow;
use crate::flow::file::Overlap;
use crate::flow::trigger::{Schedule, Trigger};
use crate::state::lock::Lock;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Runs of a flow that go on at the same time, where it allows that at all, and runs that wait for their turn: whoever
/// may start runs must not be able to fill the memory with them.
const MOST: usize = 32;

/// A flow that is served.
pub(super) struct Lane {
    pub(super) served: Arc<Served>,
    pub(super) lead: Lead,
    clocks: Vec<Clock>,
    due: Option<Due>,
    waiting: VecDeque<Wanted>,
    running: Vec<String>,
    pub(super) last: Option<LastRun>,
    /// Its file is gone: what is going may end, and nothing begins.
    pub(super) retired: bool,
}

/// Which process runs the flow.
pub(super) enum Lead {
    /// Another one, as far as is known.
    Standby(Standby),
    /// This one, for as long as it holds this.
    Leading(#[expect(dead_code, reason = "to be held, and dropped")] Lock),
}

/// What is known of the process that runs the flow.
#[derive(Debug, Default)]
pub(super) struct Standby {
    /// When it was last seen alive.
    pub(super) seen: Option<Timestamp>,
    /// Why nobody knows.
    pub(super) trouble: Option<String>,
}

/// A run that the time has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    quiet: bool,
}

/// A run that is to begin.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) flow: Arc<Flow>,
    pub(super) run: String,
    /// It looks for files, and is not told when it finds none.
    pub(super) quiet: bool,
    /// Hears of the beginning.
    pub(super) begun: Option<oneshot::Sender<bool>>,
}

/// What becomes of a run that somebody asks for.
#[derive(Debug)]
pub(super) enum Turn {
    /// It may begin now.
    Now(Wanted),
    /// When the run that is going has ended.
    Later,
    /// Another run is going.
    Busy,
    /// Too many are going or waiting.
    Full,
}

impl Lane {
    pub(super) fn new(served: Arc<Served>) -> Self {
        Self {
            served,
            lead: Lead::Standby(Standby::default()),
            clocks: Vec::new(),
            due: None,
            waiting: VecDeque::new(),
            running: Vec::new(),
            last: None,
            retired: false,
        }
    }

    /// Another definition. Runs that are going keep theirs, and so does a schedule that is the same.
    pub(super) fn replace(&mut self, served: Arc<Served>, now: Timestamp) {
        self.served = served;
        self.retired = false;
        if self.leads() {
            let mut before = std::mem::take(&mut self.clocks);
            self.clocks = schedules(&self.served.flow)
                .map(|schedule| {
                    let same = before.iter().position(|clock| clock.schedule() == schedule);
                    same.map_or_else(
                        || Clock::start(schedule.clone(), now),
                        |index| before.swap_remove(index),
                    )
                })
                .collect();
        }
    }

    /// This process runs the flow from now on. Times of the moment in which nobody did are not lost.
    pub(super) fn lead(&mut self, lock: Lock, now: Timestamp) {
        let since = match &self.lead {
            Lead::Standby(Standby { seen: Some(seen), .. }) => *seen,
            _ => now,
        };
        self.lead = Lead::Leading(lock);
        self.clocks = schedules(&self.served.flow)
            .map(|schedule| Clock::start(schedule.clone(), since))
            .collect();
    }

    pub(super) fn leads(&self) -> bool {
        matches!(self.lead, Lead::Leading(_))
    }

    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// When the time asks for a run next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        if self.retired {
            return None;
        }
        self.clocks.iter().filter_map(Clock::next).min()
    }

    /// Looks at the time.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if self.retired {
            return;
        }
        let overlap = self.served.flow.overlap;
        let busy = self.is_running() && overlap != Overlap::Allow;
        for clock in &mut self.clocks {
            if !clock.take(now) {
                continue;
            }
            let (quiet, waits) = match clock.schedule() {
                Schedule::Cron { .. } => (false, true),
                Schedule::Every(_) => (false, overlap == Overlap::Queue),
                Schedule::Poll(_) => (true, overlap == Overlap::Queue),
            };
            if !busy || waits {
                let quiet = quiet && self.due.is_none_or(|due| due.quiet);
                self.due = Some(Due { quiet });
            }
        }
    }

    /// A run was interrupted: the next one goes on with it, and there is one at once.
    pub(super) fn go_on(&mut self) {
        self.due.get_or_insert(Due { quiet: true });
    }

    /// Somebody asks for a run.
    pub(super) fn ask(&mut self, wanted: Wanted) -> Turn {
        match self.served.flow.overlap {
            _ if !self.is_running() => Turn::Now(wanted),
            Overlap::Skip => Turn::Busy,
            Overlap::Allow if self.running.len() < MOST => Turn::Now(wanted),
            Overlap::Queue if self.waiting.len() < MOST => {
                self.waiting.push_back(Wanted {
                    begun: None,
                    ..wanted
                });
                Turn::Later
            }
            Overlap::Allow | Overlap::Queue => Turn::Full,
        }
    }

    /// The run that may begin now, if there is one.
    pub(super) fn take_next(&mut self) -> Option<Wanted> {
        let most = match self.served.flow.overlap {
            Overlap::Allow => MOST,
            Overlap::Skip | Overlap::Queue => 1,
        };
        if self.running.len() >= most {
            return None;
        }
        self.waiting.pop_front().or_else(|| {
            let Due { quiet } = self.due.take()?;
            Some(Wanted {
                flow: Arc::clone(&self.served.flow),
                run: new_run(),
                quiet,
                begun: None,
            })
        })
    }

    /// Nothing that waits begins any more.
    pub(super) fn forget_waiting(&mut self) {
        self.due = None;
        self.waiting.clear();
    }

    pub(super) fn began(&mut self, run: &str) {
        self.running.push(run.to_owned());
    }

    pub(super) fn ended(&mut self, run: &str, last: LastRun) {
        self.running.retain(|one| one != run);
        self.last = Some(last);
    }
}

/// The id of a run that has not begun.
pub(super) fn new_run() -> String {
    Uuid::now_v7().to_string()
}

fn schedules(flow: &Flow) -> impl Iterator<Item = &Schedule> {
    flow.triggers.iter().filter_map(|trigger| match trigger {
        Trigger::Schedule(schedule) => Some(schedule),
        Trigger::Http(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::secret::Redactor;
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn served(overlap: Overlap, schedules: Vec<Schedule>) -> Arc<Served> {
        let flow = Flow {
            name: "f".into(),
            file: PathBuf::from("f.yaml"),
            variables: BTreeMap::new(),
            instances: BTreeMap::new(),
            steps: Vec::new(),
            triggers: schedules.into_iter().map(Trigger::Schedule).collect(),
            overlap,
            redactor: Redactor::default(),
        };
        Arc::new(Served {
            flow: Arc::new(flow),
            path: PathBuf::from("f.yaml"),
            text: Arc::from(""),
        })
    }

    /// A lane that leads since second 0.
    fn lane(overlap: Overlap, schedules: Vec<Schedule>) -> Lane {
        let mut lane = Lane::new(served(overlap, schedules));
        let folder = tempfile::tempdir().expect("a folder");
        let lock = Lock::try_take(folder.path(), "f")
            .expect("no error")
            .expect("free");
        lane.lead(lock, at(0));
        lane
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn last() -> LastRun {
        LastRun {
            run: "r".into(),
            status: "ok",
            began: at(0),
            ended: at(1),
            payloads: 0,
            failed: 0,
        }
    }

    fn cron() -> Schedule {
        Schedule::Cron {
            pattern: Box::new("* * * * * *".parse().expect("a pattern")),
            zone: jiff::tz::TimeZone::UTC,
        }
    }

    fn begin(lane: &mut Lane) -> Option<Wanted> {
        let wanted = lane.take_next()?;
        lane.began(&wanted.run);
        Some(wanted)
    }

    #[test]
    fn a_time_within_a_run_is_made_up_for_by_cron_alone() {
        for (overlap, schedule, again) in [
            (Overlap::Skip, cron(), true),
            (Overlap::Skip, Schedule::Every(SECOND), false),
            (Overlap::Skip, Schedule::Poll(SECOND), false),
            (Overlap::Queue, Schedule::Every(SECOND), true),
        ] {
            let mut lane = lane(overlap, vec![schedule.clone()]);
            lane.tick(at(1));
            let run = begin(&mut lane).expect("due").run;
            for second in 2..9 {
                lane.tick(at(second));
                assert!(begin(&mut lane).is_none(), "one at a time");
            }
            lane.ended(&run, last());
            assert_eq!(begin(&mut lane).is_some(), again, "{overlap:?} {schedule:?}");
            assert!(begin(&mut lane).is_none(), "once for all that was missed");
        }
    }

    #[test]
    fn runs_that_may_overlap_do() {
        let mut lane = lane(Overlap::Allow, vec![Schedule::Every(SECOND)]);
        for second in 0..3 {
            lane.tick(at(second));
            assert!(begin(&mut lane).is_some());
        }
        assert_eq!(lane.running(), 3);
    }

    #[test]
    fn a_run_is_quiet_when_all_that_asks_for_it_is() {
        let mut both = lane(
            Overlap::Skip,
            vec![Schedule::Poll(SECOND), Schedule::Every(SECOND)],
        );
        both.tick(at(0));
        assert!(!begin(&mut both).expect("due").quiet);
        assert!(both.take_next().is_none(), "one run for both");
        let mut poll = lane(Overlap::Skip, vec![Schedule::Poll(SECOND)]);
        poll.tick(at(0));
        assert!(begin(&mut poll).expect("due").quiet);
    }

    #[test]
    fn who_asks_waits_where_the_flow_says_so() {
        let wanted = |lane: &Lane, run: &str| Wanted {
            flow: Arc::clone(&lane.served.flow),
            run: run.to_owned(),
            quiet: false,
            begun: None,
        };
        let mut lane = lane(Overlap::Skip, Vec::new());
        assert!(matches!(lane.ask(wanted(&lane, "1")), Turn::Now(_)));
        lane.began("1");
        assert!(matches!(lane.ask(wanted(&lane, "2")), Turn::Busy));
        lane.replace(served(Overlap::Queue, Vec::new()), at(1));
        for _ in 0..MOST {
            assert!(matches!(lane.ask(wanted(&lane, "3")), Turn::Later));
        }
        assert!(matches!(lane.ask(wanted(&lane, "4")), Turn::Full));
        assert!(lane.take_next().is_none());
        lane.ended("1", last());
        assert_eq!(lane.take_next().expect("waits").run, "3");
    }

    #[test]
    fn a_schedule_that_stays_keeps_its_time() {
        let hour = Schedule::Every(Duration::from_hours(1));
        let mut lane = lane(Overlap::Skip, vec![hour.clone()]);
        lane.tick(at(0));
        assert!(begin(&mut lane).is_some());
        lane.ended("r", last());
        lane.replace(served(Overlap::Skip, vec![hour]), at(60));
        assert_eq!(lane.next(), Some(at(3600)));
        lane.replace(served(Overlap::Skip, vec![Schedule::Every(SECOND)]), at(90));
        assert_eq!(lane.next(), Some(at(90)));
    }

    #[test]
    fn who_takes_over_makes_up_for_the_moment_without_a_leader() {
        let mut lane = Lane::new(served(Overlap::Skip, vec![cron()]));
        lane.lead = Lead::Standby(Standby {
            seen: Some(at(10)),
            trouble: None,
        });
        let folder = tempfile::tempdir().expect("a folder");
        let lock = Lock::try_take(folder.path(), "f")
            .expect("no error")
            .expect("free");
        lane.lead(lock, at(12));
        assert_eq!(lane.next(), Some(at(11)));
    }

    #[test]
    fn what_is_retired_begins_nothing() {
        let mut lane = lane(Overlap::Skip, vec![Schedule::Every(SECOND)]);
        lane.retired = true;
        lane.tick(at(5));
        assert!(lane.take_next().is_none() && lane.next().is_none());
    }
}
