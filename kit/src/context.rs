//! The run, as a connector may know it.

use std::time::Duration;

pub use crate::bindings::flow::connector::context::LogLevel as Level;
use crate::error::Error;
use crate::sys::context as host;

/// Identifies the run. The same for all calls and tries within one run.
#[must_use]
pub fn run_id() -> String {
    host::run_id()
}

/// Which try of the same call this is; the first is 1.
#[must_use]
pub fn attempt() -> u32 {
    host::attempt()
}

/// How long it is until the host ends this call by force.
#[must_use]
pub fn remaining() -> Duration {
    Duration::from_millis(host::remaining_ms())
}

/// Whether the host wants the call to end. Who waits has to look at least every 250 ms.
#[must_use]
pub fn cancelled() -> bool {
    host::cancelled()
}

/// The same as a failure, to be looked at with `?` in loops.
///
/// # Errors
/// `cancelled`, when the host wants the call to end.
pub fn check() -> Result<(), Error> {
    if cancelled() {
        Err(Error::cancelled())
    } else {
        Ok(())
    }
}

/// Whether the host keeps lines of this level.
#[must_use]
pub fn keeps(level: Level) -> bool {
    level >= host::log_threshold()
}

/// Writes a line to the run's log; [`log!`](crate::log!) puts one together only when it is kept. A line must not hold a
/// secret.
pub fn log(level: Level, message: &str) {
    host::log(level, message);
}

/// Tells how far the work is, in units that `what` names (`entries listed`). The host sees the bytes of bodies by itself.
pub fn progress(what: &str, done: u64, total: Option<u64>) {
    host::progress(what, done, total);
}

/// Writes a line to the run's log, if the host keeps lines of this level: `log!(Level::Warn, "{name} has no end")`.
#[macro_export]
macro_rules! log {
    ($level:expr, $($text:tt)+) => {{
        let level: $crate::Level = $level;
        if $crate::context::keeps(level) {
            $crate::context::log(level, &format!($($text)+));
        }
    }};
}
