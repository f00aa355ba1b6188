//! Processor time of a guest: counted, and no more of it than its share.
//!
//! What counts is the thread's own clock around each poll of the call: the guest's code and what the host does for it
//! in the same poll (moving bytes, TLS). Waiting costs nothing. A guest that computes is interrupted at every tick of the
//! engine's epoch, so that no poll lasts.

use crate::policy::bounds::Bounds;
use nix::time::{ClockId, clock_gettime};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep};

/// The moment over which the share is an average: a burst that is shorter does not have to wait.
const MOMENT: Duration = Duration::from_millis(100);

/// Makes a call within the connector's share of the processor, and counts what it uses.
pub(super) async fn paced<T>(call: impl Future<Output = T>, bounds: &Bounds) -> T {
    let mut call = pin!(call);
    let mut pace = Pace::new(bounds.limits().cpu_quota.0);
    let mut rest: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        if let Some(resting) = &mut rest {
            ready!(resting.as_mut().poll(context));
            rest = None;
        }
        let before = thread_time();
        let polled = call.as_mut().poll(context);
        let used = thread_time().saturating_sub(before);
        bounds.worked(used);
        if polled.is_pending()
            && let Some(pause) = pace.after(used, Instant::now())
        {
            let mut resting = Box::pin(sleep(pause));
            // Asks to be woken; the pause is not over yet.
            if resting.as_mut().poll(context).is_pending() {
                rest = Some(resting);
            }
            return Poll::Pending;
        }
        polled
    })
    .await
}

/// Processor time of this thread. Every system that we run on has the clock; where it is missing, nothing is counted.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// When the time that was used so far is earned.
struct Pace {
    percent: u32,
    earned: Instant,
}

impl Pace {
    fn new(percent: u8) -> Self {
        Self {
            percent: u32::from(percent).max(1),
            earned: Instant::now(),
        }
    }

    /// How long to wait after this much more was used.
    fn after(&mut self, used: Duration, now: Instant) -> Option<Duration> {
        if self.percent >= 100 {
            return None; // One call runs on one processor at a time: it cannot use more.
        }
        let burst = now.checked_sub(MOMENT).unwrap_or(now);
        self.earned = self.earned.max(burst) + used * 100 / self.percent;
        let pause = self.earned.saturating_duration_since(now);
        (!pause.is_zero()).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_time_the_share_is_kept() {
        let start = Instant::now();
        let (mut pace, mut now, mut used) = (Pace::new(5), start, Duration::ZERO);
        while used < Duration::from_secs(1) {
            let slice = Duration::from_millis(10);
            used += slice;
            now += slice;
            now += pace.after(slice, now).unwrap_or_default();
        }
        let took = now.duration_since(start).as_secs_f64();
        assert!((19.0..21.0).contains(&took), "{took}");
    }

    #[test]
    fn a_burst_after_a_rest_does_not_wait_and_a_whole_processor_never_does() {
        let later = Instant::now() + Duration::from_secs(10);
        let mut pace = Pace::new(50);
        assert_eq!(pace.after(Duration::from_millis(40), later), None);
        assert!(pace.after(Duration::from_millis(40), later).is_some());
        assert_eq!(Pace::new(100).after(Duration::from_secs(9), later), None);
    }

    #[tokio::test]
    async fn what_a_call_computes_is_counted() {
        let limits = crate::policy::Limits::default();
        let limits = limits
            .with(&serde_json::Map::from_iter([(
                "cpu_time".to_owned(),
                "20ms".into(),
            )]))
            .expect("a limit");
        let bounds = Bounds::new("i", limits, crate::event::Events::none());
        bounds.begin_call();
        paced(tokio::time::sleep(Duration::from_millis(60)), &bounds).await;
        assert!(bounds.last().is_none(), "waiting is free");
        let before = thread_time();
        paced(
            async {
                while thread_time().saturating_sub(before) < Duration::from_millis(40) {
                    std::hint::spin_loop();
                }
            },
            &bounds,
        )
        .await;
        assert_eq!(bounds.last().expect("reached").name, "cpu_time");
        assert_eq!(bounds.run_out().await.name, "cpu_time");
    }
}
