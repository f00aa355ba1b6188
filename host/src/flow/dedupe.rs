//! What makes a document one that the flow has had before.

use super::file::DedupeBy;
use crate::contract::Metadata;
use crate::state::ledger::now_ms;
use crate::state::ledger::seen::Key;
use std::time::Duration;

/// How long a document is remembered that is not seen again, when a flow does not say.
pub const EXPIRY: Duration = Duration::from_hours(24 * 90);

/// What a step takes for the same document, and how long it remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dedupe {
    /// What has to be equal.
    pub by: DedupeBy,
    /// How long it is remembered after it was seen last.
    pub expiry: Duration,
}

impl Dedupe {
    /// The key that can be known before a body is read.
    pub(super) fn before(&self, flow: &str, step: &str, metadata: &Metadata) -> Option<Key> {
        let (sort, key) = match self.by {
            DedupeBy::None | DedupeBy::ByContent => return None,
            DedupeBy::ById => {
                let version = metadata.version.as_deref().unwrap_or_default();
                // No name holds a NUL.
                ("id", format!("{}\0{version}", metadata.id))
            }
            DedupeBy::ByName => (
                "name",
                metadata.name.clone().unwrap_or_else(|| metadata.id.clone()),
            ),
        };
        Some(self.key(flow, step, sort, key))
    }

    /// The key that only the body tells, by its hash.
    pub(super) fn after(&self, flow: &str, step: &str, hash: &[u8; 32]) -> Option<Key> {
        (self.by == DedupeBy::ByContent).then(|| {
            self.key(
                flow,
                step,
                "content",
                blake3::Hash::from_bytes(*hash).to_hex().to_string(),
            )
        })
    }

    /// All keys under which an accepted document is remembered.
    pub(super) fn keys(&self, flow: &str, step: &str, metadata: &Metadata, hash: &[u8; 32]) -> Vec<Key> {
        let keys = [self.before(flow, step, metadata), self.after(flow, step, hash)];
        keys.into_iter().flatten().collect()
    }

    #[expect(clippy::unused_self, reason = "reads as what it is: one of its keys")]
    fn key(&self, flow: &str, step: &str, sort: &'static str, key: String) -> Key {
        Key {
            flow: flow.to_owned(),
            step: step.to_owned(),
            sort,
            key,
        }
    }

    /// Whether a document that was had before is the very same one, so that its original may be dealt with.
    pub(super) fn is_exact(&self) -> bool {
        self.by == DedupeBy::ById
    }

    /// Until when a document is remembered that is seen now.
    pub(super) fn expires(&self) -> i64 {
        let expiry = i64::try_from(self.expiry.as_millis()).unwrap_or(i64::MAX);
        now_ms().saturating_add(expiry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Payload;

    #[test]
    fn what_is_the_same_and_what_is_not() {
        let document = |id: &str, version: &str, name: &str| Metadata {
            version: Some(version.to_owned()),
            name: Some(name.to_owned()),
            ..Payload::trigger(id).metadata
        };
        let keys = |by, metadata: &Metadata, content: u8| {
            let dedupe = Dedupe { by, expiry: EXPIRY };
            dedupe.keys("f", "s", metadata, &[content; 32])
        };
        let old = document("/in/a", "1", "a");
        let changed = document("/in/a", "2", "a");
        let elsewhere = document("/other/a", "9", "a");
        for (by, same_changed, same_elsewhere, same_content) in [
            (DedupeBy::ById, false, false, true),
            (DedupeBy::ByName, true, true, true),
            (DedupeBy::ByContent, true, true, false),
        ] {
            let first = keys(by, &old, 1);
            assert_eq!(first.len(), 1);
            assert_eq!(keys(by, &changed, 1) == first, same_changed, "{by:?}");
            assert_eq!(keys(by, &elsewhere, 1) == first, same_elsewhere, "{by:?}");
            assert_eq!(keys(by, &old, 2) == first, same_content, "{by:?}");
        }
        assert!(keys(DedupeBy::None, &old, 1).is_empty());
    }
}
