//! What one live connector has used of its limits, and what was said about it. All parts of the host that serve the
//! connector share it.

use super::limits::{LimitReached, Limits};
use crate::event::{Event, Events};
use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What events of the policy name as their step.
const STEP: &str = "policy";

/// Most different refusals that are told: a connector that tries ten thousand addresses does not fill the log.
const TOLD_MOST: usize = 50;

/// The limits of one live connector, and how far it is. Clones share it.
#[derive(Clone)]
pub(crate) struct Bounds(Arc<Shared>);

struct Shared {
    instance: String,
    limits: Limits,
    events: Events,
    sockets: AtomicU64,
    used: Used,
    said: Mutex<Said>,
    /// The limit that the current call has used up, if one.
    used_up: watch::Sender<Option<LimitReached>>,
}

/// What the current call has used.
#[derive(Default)]
struct Used {
    received: AtomicU64,
    sent: AtomicU64,
    cpu_nanos: AtomicU64,
}

#[derive(Default)]
struct Said {
    /// Refusals already told, so that each is logged once.
    told: HashSet<String>,
    /// Limits that were reached, each with its words: a flood of log lines reaches one thousands of times.
    reached: HashMap<&'static str, LimitReached>,
    /// The limit that the current call reached last.
    last: Option<&'static str>,
}

impl Bounds {
    pub(crate) fn new(instance: &str, limits: Limits, events: Events) -> Self {
        Self(Arc::new(Shared {
            instance: instance.to_owned(),
            limits,
            events,
            sockets: AtomicU64::new(0),
            used: Used::default(),
            said: Mutex::default(),
            used_up: watch::Sender::new(None),
        }))
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call begins: limits for one call count from here.
    pub(crate) fn begin_call(&self) {
        let Used {
            received,
            sent,
            cpu_nanos,
        } = &self.0.used;
        for counter in [received, sent, cpu_nanos] {
            counter.store(0, Ordering::Relaxed);
        }
        self.said().last = None;
        self.0.used_up.send_replace(None);
    }

    /// Waits until the current call has used up one of its limits, and has to end.
    pub(crate) async fn run_out(&self) -> LimitReached {
        let mut used_up = self.0.used_up.subscribe();
        let found = used_up.wait_for(Option::is_some).await;
        match found.ok().and_then(|found| found.clone()) {
            Some(reached) => reached,
            None => pending().await, // Never: the sender is ours.
        }
    }

    /// The limit that the current call has used up, if one.
    pub(crate) fn used_up(&self) -> Option<LimitReached> {
        self.0.used_up.borrow().clone()
    }

    /// The limit that the current call reached last, if any.
    pub(crate) fn last(&self) -> Option<LimitReached> {
        let said = self.said();
        said.reached.get(said.last?).cloned()
    }

    /// Logs a refusal, the first time that it happens.
    pub(crate) fn tell(&self, message: String) {
        let mut said = self.said();
        if said.told.len() > TOLD_MOST || said.told.contains(&message) {
            return;
        }
        let last = said.told.len() == TOLD_MOST;
        said.told.insert(message.clone());
        drop(said);
        let message = if last {
            "further refusals are not logged".to_owned()
        } else {
            message
        };
        self.0.events.send(&Event::Log {
            step: STEP.to_owned(),
            level: "warn",
            message: format!("{}: {message}", self.0.instance),
        });
    }

    /// A limit is reached, and what would go beyond is refused. The connector may go on without.
    pub(crate) fn reached(&self, name: &'static str) -> LimitReached {
        let mut said = self.said();
        said.last = Some(name);
        if let Some(reached) = said.reached.get(name) {
            return reached.clone();
        }
        let reached = LimitReached {
            name,
            value: self.0.limits.value(name),
            instance: self.0.instance.clone(),
        };
        said.reached.insert(name, reached.clone());
        drop(said);
        self.tell(reached.to_string());
        reached
    }

    /// A limit is used up, and with it the call.
    fn end(&self, name: &'static str) -> LimitReached {
        let reached = self.reached(name);
        self.0.used_up.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert_with(|| reached.clone());
            is_first
        });
        reached
    }

    /// Counts a new socket.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub(crate) fn open_socket(&self) -> Result<(), LimitReached> {
        if self.0.sockets.fetch_add(1, Ordering::Relaxed) < self.0.limits.sockets {
            return Ok(());
        }
        self.close_socket();
        Err(self.reached("sockets"))
    }

    pub(crate) fn close_socket(&self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts bytes that came over a socket.
    ///
    /// # Errors
    /// When they are more than the call may receive.
    pub(crate) fn received(&self, bytes: usize) -> Result<(), LimitReached> {
        let all = add(&self.0.used.received, bytes as u64);
        if all > self.0.limits.bytes_in.0 {
            return Err(self.end("bytes_in"));
        }
        Ok(())
    }

    /// Counts bytes that go over a socket.
    ///
    /// # Errors
    /// When they are more than the call may send.
    pub(crate) fn sent(&self, bytes: usize) -> Result<(), LimitReached> {
        let all = add(&self.0.used.sent, bytes as u64);
        if all > self.0.limits.bytes_out.0 {
            return Err(self.end("bytes_out"));
        }
        Ok(())
    }

    /// Counts processor time.
    pub(crate) fn worked(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let all = add(&self.0.used.cpu_nanos, nanos);
        if u128::from(all) > self.0.limits.cpu_time.0.as_nanos() && self.used_up().is_none() {
            self.end("cpu_time");
        }
    }
}

fn add(counter: &AtomicU64, more: u64) -> u64 {
    counter.fetch_add(more, Ordering::Relaxed).saturating_add(more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::limits::Size;

    fn bounds(limits: Limits) -> (Bounds, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let events = Events::new(move |event| {
            if let Event::Log { message, .. } = event {
                sink.lock().expect("not poisoned").push(message.clone());
            }
        });
        (Bounds::new("shop", limits, events), told)
    }

    #[test]
    fn bytes_beyond_the_limit_end_the_call_and_the_next_one_begins_anew() {
        let (bounds, told) = bounds(Limits {
            bytes_in: Size(10),
            ..Limits::default()
        });
        bounds.begin_call();
        assert_eq!(bounds.received(10), Ok(()));
        let reached = bounds.received(1).expect_err("over");
        assert_eq!((reached.name, reached.value.as_str()), ("bytes_in", "10B"));
        assert_eq!(bounds.used_up().as_ref(), Some(&reached));
        assert_eq!(bounds.last(), Some(reached));
        bounds.begin_call();
        assert_eq!(bounds.received(10), Ok(()));
        assert!(bounds.used_up().is_none() && bounds.last().is_none());
        assert!(bounds.received(1).is_err());
        assert_eq!(
            *told.lock().expect("not poisoned"),
            [
                "shop: the connector reached the limit `bytes_in` (10B); if it is to have more, raise it: `--limit shop.bytes_in=…`, \
              or `limits` in the policy file"
            ]
        );
    }

    #[test]
    fn sockets_that_are_closed_make_room() {
        let (bounds, _) = bounds(Limits {
            sockets: 1,
            ..Limits::default()
        });
        assert!(bounds.open_socket().is_ok());
        assert!(bounds.open_socket().is_err());
        bounds.close_socket();
        assert!(bounds.open_socket().is_ok());
    }

    #[test]
    fn refusals_do_not_fill_the_log() {
        let (bounds, told) = bounds(Limits::default());
        for count in 0..1000 {
            bounds.tell(format!("no {count}"));
        }
        let told = told.lock().expect("not poisoned");
        assert_eq!(told.len(), TOLD_MOST + 1);
        assert_eq!(
            told.last().map(String::as_str),
            Some("shop: further refusals are not logged")
        );
    }
}
