//! When a schedule is due. The time comes from outside, so that tests need not wait for it.

use crate::flow::trigger::Schedule;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How far the system's clock may be set back before everything is counted anew: less than that is a correction, and
/// what has been done must not be done again for it.
const CORRECTION: SignedDuration = SignedDuration::from_mins(1);

/// A schedule, and when it is due next.
#[derive(Debug, Clone)]
pub struct Clock {
    schedule: Schedule,
    next: Option<Timestamp>,
    /// The latest time that was seen.
    seen: Timestamp,
}

impl Clock {
    /// Starts to count. A cron pattern is due at its first time after `since`, everything else at once.
    #[must_use]
    pub fn start(schedule: Schedule, since: Timestamp) -> Self {
        Self {
            next: first(&schedule, since),
            schedule,
            seen: since,
        }
    }

    /// What it counts by.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// When it is due; never, where the calendar ends before.
    #[must_use]
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Whether it is due, and if so, goes on to the next time. All the times that were missed are one.
    pub fn take(&mut self, now: Timestamp) -> bool {
        if self.seen.duration_since(now) > CORRECTION {
            self.next = match self.schedule {
                Schedule::Cron { .. } => first(&self.schedule, now),
                Schedule::Every(interval) | Schedule::Poll(interval) => after(now, interval, 1),
            };
            self.seen = now;
            return false;
        }
        self.seen = self.seen.max(now);
        let Some(due) = self.next.filter(|next| *next <= now) else {
            return false;
        };
        self.next = match self.schedule {
            Schedule::Cron { .. } => first(&self.schedule, now),
            Schedule::Every(interval) | Schedule::Poll(interval) => {
                let late = now.duration_since(due).as_nanos();
                let missed = late / i128::try_from(interval.as_nanos()).unwrap_or(i128::MAX).max(1);
                after(due, interval, missed.saturating_add(1))
            }
        };
        true
    }
}

fn first(schedule: &Schedule, since: Timestamp) -> Option<Timestamp> {
    match schedule {
        Schedule::Cron { pattern, zone } => {
            let since = since.to_zoned(zone.clone());
            let next = pattern.find_next_occurrence(&since, false).ok()?;
            Some(next.timestamp())
        }
        Schedule::Every(_) | Schedule::Poll(_) => Some(since),
    }
}

/// The time so many intervals later.
fn after(time: Timestamp, interval: Duration, times: i128) -> Option<Timestamp> {
    let interval = i128::try_from(interval.as_nanos()).ok()?;
    let later = time.as_nanosecond().checked_add(interval.checked_mul(times)?)?;
    Timestamp::from_nanosecond(later).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn cron(pattern: &str, since: &str) -> Clock {
        let schedule = Schedule::Cron {
            pattern: Box::new(pattern.parse().expect("a pattern")),
            zone: TimeZone::get("Europe/Zurich").expect("a zone"),
        };
        Clock::start(schedule, at(since))
    }

    /// The next times, each taken when it comes.
    fn times(clock: &mut Clock, count: usize) -> Vec<String> {
        let mut times = Vec::new();
        for _ in 0..count {
            let next = clock.next().expect("there is always a next");
            assert!(clock.take(next), "{next} is due");
            times.push(next.to_string());
        }
        times
    }

    #[test]
    fn cron_is_meant_in_its_zone() {
        let mut clock = cron("0 3 * * *", "2026-01-15T00:00:00Z");
        assert_eq!(
            times(&mut clock, 2),
            ["2026-01-15T02:00:00Z", "2026-01-16T02:00:00Z"]
        );
        let mut clock = cron("0 3 * * *", "2026-07-15T00:00:00Z");
        assert_eq!(times(&mut clock, 1), ["2026-07-15T01:00:00Z"]);
        let mut clock = cron("*/20 * * * * *", "2026-07-15T00:00:01.5Z");
        assert_eq!(
            times(&mut clock, 2),
            ["2026-07-15T00:00:20Z", "2026-07-15T00:00:40Z"]
        );
    }

    #[test]
    fn a_time_that_does_not_exist_is_the_first_one_after_it() {
        // On 29 March 2026 the clocks go from 02:00 to 03:00 (01:00 UTC).
        let mut clock = cron("30 2 * * *", "2026-03-28T12:00:00Z");
        assert_eq!(
            times(&mut clock, 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        let mut hourly = cron("15 * * * *", "2026-03-29T00:00:00Z");
        assert_eq!(
            times(&mut hourly, 3),
            [
                "2026-03-29T00:15:00Z",
                "2026-03-29T01:15:00Z",
                "2026-03-29T02:15:00Z"
            ]
        );
    }

    #[test]
    fn a_time_that_exists_twice_comes_once_and_an_interval_goes_on() {
        // On 25 October 2026 the clocks go from 03:00 back to 02:00 (01:00 UTC).
        let mut clock = cron("30 2 * * *", "2026-10-24T12:00:00Z");
        assert_eq!(
            times(&mut clock, 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        let mut half_hours = cron("*/30 * * * *", "2026-10-24T23:45:00Z");
        assert_eq!(
            times(&mut half_hours, 5),
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z"
            ]
        );
    }

    #[test]
    fn missed_times_are_one() {
        let mut clock = cron("*/5 * * * *", "2026-01-15T00:01:00Z");
        assert!(!clock.take(at("2026-01-15T00:04:59Z")));
        assert!(clock.take(at("2026-01-15T09:02:00Z")));
        assert!(!clock.take(at("2026-01-15T09:02:00Z")));
        assert_eq!(clock.next(), Some(at("2026-01-15T09:05:00Z")));
    }

    #[test]
    fn an_interval_counts_from_start_to_start() {
        let mut clock = Clock::start(
            Schedule::Every(Duration::from_secs(30)),
            at("2026-01-15T00:00:00Z"),
        );
        // Each is taken late, and no lateness adds up.
        for (now, next) in [
            ("00:00:02", "00:00:30"),
            ("00:00:31", "00:01:00"),
            ("00:01:00.5", "00:01:30"),
        ] {
            assert!(clock.take(at(&format!("2026-01-15T{now}Z"))), "{now}");
            assert!(!clock.take(at(&format!("2026-01-15T{now}Z"))), "{now}");
            assert_eq!(clock.next(), Some(at(&format!("2026-01-15T{next}Z"))));
        }
        assert!(clock.take(at("2026-01-15T01:00:10Z")), "asleep for an hour");
        assert!(!clock.take(at("2026-01-15T01:00:29Z")), "one run for all");
        assert_eq!(clock.next(), Some(at("2026-01-15T01:00:30Z")));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_schedule() {
        let mut every = Clock::start(
            Schedule::Every(Duration::from_secs(30)),
            at("2030-01-01T00:00:00Z"),
        );
        let mut daily = cron("0 3 * * *", "2030-01-01T00:00:00Z");
        let back = at("2026-01-15T00:00:00Z");
        assert!(!every.take(back) && !daily.take(back));
        assert_eq!(every.next(), Some(at("2026-01-15T00:00:30Z")));
        assert_eq!(daily.next(), Some(at("2026-01-15T02:00:00Z")));
    }

    #[test]
    fn a_corrected_clock_repeats_nothing() {
        let mut clock = cron("0 3 * * *", "2026-01-15T00:00:00Z");
        assert!(clock.take(at("2026-01-15T02:00:00Z")));
        assert!(!clock.take(at("2026-01-15T01:59:59.8Z")));
        assert!(!clock.take(at("2026-01-15T02:00:00.1Z")));
    }

    #[test]
    fn the_calendar_ends() {
        let mut clock = Clock::start(Schedule::Every(Duration::MAX), at("2026-01-15T00:00:00Z"));
        assert!(clock.take(at("2026-01-15T00:00:00Z")));
        assert_eq!(clock.next(), None);
        assert!(!clock.take(at("2027-01-15T00:00:00Z")));
    }
}
