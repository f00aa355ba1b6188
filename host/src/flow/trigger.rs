//! What starts a run of a flow that is served.

use croner::Cron;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// What starts a run.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// The time.
    Schedule(Schedule),
    /// Somebody who knows a token.
    Http(HttpTrigger),
}

/// When the time starts a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At these times of the day, on these days.
    Cron {
        /// The times.
        pattern: Box<Cron>,
        /// Where they are meant.
        zone: TimeZone,
    },
    /// So long after the start before.
    Every(Duration),
    /// The same, to look for files: a run that finds none is not told.
    Poll(Duration),
}

/// A run that is started over HTTP.
#[derive(Clone)]
pub struct HttpTrigger {
    token: SecretString,
}

impl HttpTrigger {
    /// With the token that a caller has to know.
    #[must_use]
    pub fn new(token: SecretString) -> Self {
        Self { token }
    }

    /// Whether this is the token. It takes as long for a wrong one, however much of it is right.
    #[must_use]
    pub fn accepts(&self, token: &str) -> bool {
        // Of digests, since a comparison of the texts would tell the length.
        let [own, other] = [self.token.expose_secret(), token].map(|text| blake3::hash(text.as_bytes()));
        own.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for HttpTrigger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HttpTrigger")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_accepted() {
        let trigger = HttpTrigger::new("a-token-of-the-test".into());
        assert!(trigger.accepts("a-token-of-the-test"));
        for wrong in [
            "",
            "a-token-of-the-tes",
            "a-token-of-the-testt",
            "A-token-of-the-test",
        ] {
            assert!(!trigger.accepts(wrong), "{wrong:?}");
        }
        assert!(!format!("{trigger:?}").contains("a-token"));
    }
}
