//! Durations as flows write them, and the arithmetic of trying again.

use super::file::RetryFile;
use crate::contract::Retry;
use jiff::{Span, SpanRelativeTo};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Tries when a flow asks for `retry` and does not say how many.
const ATTEMPTS: u32 = 3;
/// First pause when a flow does not say.
const BACKOFF: Duration = Duration::from_secs(1);
/// Longest pause when a flow does not say.
const MAX_BACKOFF: Duration = Duration::from_mins(1);

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a number with a unit, for example `30s`, `5m`, `1h 30m` or `7d`")]
pub struct DurationError(String);

/// Reads a duration such as `30s`, `5m`, `1h 30m` or `7d`, whose days have 24 hours. It is never zero or negative.
///
/// # Errors
/// When it is not one.
pub fn duration(text: &str) -> Result<Duration, DurationError> {
    let parsed = text
        .parse::<Span>()
        .ok()
        .and_then(|parsed| parsed.to_duration(SpanRelativeTo::days_are_24_hours()).ok())
        .and_then(|parsed| Duration::try_from(parsed).ok());
    parsed
        .filter(|parsed| !parsed.is_zero())
        .ok_or_else(|| DurationError(text.to_owned()))
}

/// How often and with which pauses a step tries what failed for a passing reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all; at least 1.
    pub attempts: u32,
    /// The pause after the first try.
    pub backoff: Duration,
    /// The longest pause, unless the other side asks for a longer one.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    /// One try.
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff: BACKOFF,
            max_backoff: MAX_BACKOFF,
        }
    }
}

impl RetryPolicy {
    /// The policy that a flow asks for.
    ///
    /// # Errors
    /// The name of the field that is not a duration, and why.
    pub fn from_file(file: Option<&RetryFile>) -> Result<Self, (&'static str, DurationError)> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let read = |name, text: Option<&String>, default| {
            text.map_or(Ok(default), |text| duration(text).map_err(|error| (name, error)))
        };
        Ok(Self {
            attempts: file.attempts.unwrap_or(ATTEMPTS),
            backoff: read("backoff", file.backoff.as_ref(), BACKOFF)?,
            max_backoff: read("max_backoff", file.max_backoff.as_ref(), MAX_BACKOFF)?,
        })
    }

    /// The pause after a failed try (the first is 1); none when it should not be tried again.
    ///
    /// `jitter` in `0.0..1.0` takes up to half of a growing pause away, so that many flows that failed
    /// together do not come back together. A pause that the other side asked for is kept in full.
    #[must_use]
    pub fn pause(&self, attempt: u32, retry: &Retry, jitter: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        match retry {
            Retry::Never => None,
            Retry::AfterMs(ms) => Some(Duration::from_millis(*ms)),
            Retry::Backoff => {
                let doubled = 2u32.saturating_pow(attempt.saturating_sub(1));
                let full = self.backoff.saturating_mul(doubled).min(self.max_backoff);
                Some(full.mul_f64(1.0 - jitter / 2.0))
            }
        }
    }
}

/// A number in `0.0..1.0` that differs from call to call.
#[must_use]
pub fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(random).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "30", "0s", "-5s", "soon", "5 parsecs"] {
            let error = duration(wrong).expect_err(wrong).to_string();
            assert!(
                error.starts_with(&format!("`{wrong}` is not a duration")),
                "{error}"
            );
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_the_tries() {
        let policy = RetryPolicy {
            attempts: 6,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(5),
        };
        let pauses: Vec<_> = (1..=6)
            .map(|attempt| policy.pause(attempt, &Retry::Backoff, 0.0))
            .collect();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            pauses,
            [seconds(1), seconds(2), seconds(4), seconds(5), seconds(5), None]
        );
        assert_eq!(policy.pause(2, &Retry::Backoff, 1.0), seconds(1));
        assert_eq!(policy.pause(1, &Retry::Never, 0.0), None);
        // The other side knows best, beyond our own longest pause.
        assert_eq!(policy.pause(1, &Retry::AfterMs(9000), 0.9), seconds(9));
        assert_eq!(policy.pause(6, &Retry::AfterMs(9000), 0.9), None);
        assert_eq!(RetryPolicy::default().pause(1, &Retry::Backoff, 0.0), None);
        // No overflow, however often.
        let many = RetryPolicy {
            attempts: u32::MAX,
            ..policy
        };
        assert_eq!(many.pause(4_000_000_000, &Retry::Backoff, 0.0), seconds(5));
    }

    #[test]
    fn jitter_stays_in_its_range() {
        assert!(
            (0..1000)
                .map(|_| jitter())
                .all(|value| (0.0..1.0).contains(&value))
        );
    }
}
