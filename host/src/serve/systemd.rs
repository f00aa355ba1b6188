//! Words with systemd, or whoever else has started this process as a service of `Type=notify`.

use sd_notify::NotifyState;
use std::time::{Duration, Instant};

/// What has been said. Without a service manager nothing is.
#[derive(Debug)]
pub(super) struct Systemd {
    /// Half of the time after which a process that says nothing counts as hung.
    period: Option<Duration>,
    alive: Option<Instant>,
    status: String,
}

impl Systemd {
    pub(super) fn new() -> Self {
        Self {
            period: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            alive: None,
            status: String::new(),
        }
    }

    /// All flows are loaded, for the first time or again.
    pub(super) fn ready(&mut self) {
        self.say(&[NotifyState::Ready]);
    }

    /// Somebody has asked to load them again.
    pub(super) fn reloading(&mut self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.say(&[NotifyState::Reloading, now]),
            Err(_) => self.say(&[NotifyState::Reloading]),
        }
    }

    /// The end has begun; it takes at most so long.
    pub(super) fn stopping(&mut self, at_most: Duration) {
        let limit = u32::try_from(at_most.as_micros()).unwrap_or(u32::MAX);
        self.say(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(limit)]);
    }

    /// What `systemctl status` shows.
    pub(super) fn status(&mut self, status: String) {
        if self.status != status {
            self.say(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// To be called by what must not hang, as often as it comes by.
    pub(super) fn alive(&mut self) {
        let Some(period) = self.period else { return };
        if self.alive.is_none_or(|last| last.elapsed() >= period) {
            self.say(&[NotifyState::Watchdog]);
            self.alive = Some(Instant::now());
        }
    }

    /// When [`Systemd::alive`] has to be called again at the latest.
    pub(super) fn within(&self) -> Option<Duration> {
        let period = self.period?;
        Some(
            self.alive
                .map_or(Duration::ZERO, |last| period.saturating_sub(last.elapsed())),
        )
    }

    #[expect(clippy::unused_self, reason = "who speaks has to have it")]
    fn say(&self, words: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(words) {
            tracing::warn!("the service manager cannot be told {words:?}: {error}");
        }
    }
}
