//! Listens to every text that comes out of a connector: secrets must be in none, and errors have a form.

use crate::contract::{Error, LogLevel, Metadata};
use crate::event::{Event, Events};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shorter ones are found in any text.
const SHORTEST: usize = 4;

/// Complaints that are kept of each kind: more of them say nothing new.
const MOST_KEPT: usize = 5;

/// Where a text came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mouth {
    /// Lines of the log, and what the connector prints.
    Log,
    /// Errors: message, code and details.
    Error,
    /// Progress, metadata, notes, plans and the steps of a check.
    Other,
}

/// What was heard. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ears(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    needles: Vec<Needle>,
    /// Texts by where they came out.
    texts: BTreeMap<Mouth, u64>,
    /// Where a secret was heard, and in what form.
    leaks: Vec<(Mouth, String)>,
    errors: u64,
    /// Errors that are not what errors have to be.
    malformed: Vec<String>,
    /// Attempts to reach something that the plan has not asked for.
    refused: Vec<String>,
}

/// A secret in one of the forms in which it may be told.
#[derive(Debug, Clone)]
struct Needle {
    /// The secret's setting and the form, never the secret.
    what: String,
    text: String,
}

impl Ears {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, this is a secret.
    pub(super) fn listen_for(&self, setting: &str, secret: &str) {
        if secret.chars().count() < SHORTEST {
            return;
        }
        let mut needles = vec![("as it is", secret.to_owned())];
        let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        if percent != secret {
            needles.push(("in percent encoding", percent));
        }
        needles.extend(
            base64_forms(secret.as_bytes())
                .into_iter()
                .map(|text| ("in Base64", text)),
        );
        let needles = needles.into_iter().map(|(form, text)| Needle {
            what: format!("the secret `{setting}` {form}"),
            text,
        });
        self.heard().needles.extend(needles);
    }

    /// A text came out. `place` says where, for people.
    pub(super) fn hear(&self, mouth: Mouth, place: &str, text: &str) {
        let mut heard = self.heard();
        *heard.texts.entry(mouth).or_default() += 1;
        let found = heard.needles.iter().find(|needle| text.contains(&needle.text));
        if let Some(needle) = found
            && heard.leaks.iter().filter(|(other, _)| *other == mouth).count() < MOST_KEPT
        {
            let leak = format!("{place} has {}", needle.what);
            heard.leaks.push((mouth, leak));
        }
    }

    /// An error came out.
    pub(super) fn hear_error(&self, place: &str, error: &Error) {
        let texts = [Some(&error.message), error.code.as_ref(), error.details.as_ref()];
        for text in texts.into_iter().flatten() {
            self.hear(Mouth::Error, &format!("an error of {place}"), text);
        }
        let mut heard = self.heard();
        heard.errors += 1;
        if let Some(complaint) = malformed(error)
            && heard.malformed.len() < MOST_KEPT
        {
            heard.malformed.push(format!("{place}: {complaint}"));
        }
    }

    /// Metadata came out.
    pub(super) fn hear_metadata(&self, place: &str, metadata: &Metadata) {
        let own = [&metadata.version, &metadata.name, &metadata.content_type];
        let own = own.into_iter().flatten().chain([&metadata.id]);
        let attributes = metadata.attributes.iter().flat_map(|(name, value)| [name, value]);
        for text in own.chain(attributes) {
            self.hear(
                Mouth::Other,
                &format!("the metadata of a payload of {place}"),
                text,
            );
        }
    }

    /// Where the events of a live connector go.
    pub(super) fn events(&self, place: &str) -> Events {
        let (ears, place) = (self.clone(), place.to_owned());
        Events::new(move |event| match event {
            Event::Log { step, level, message } if step == "policy" && *level == LogLevel::Warn.name() => {
                ears.heard().refused.push(message.clone());
            }
            Event::Log { level, message, .. } => {
                ears.hear(
                    Mouth::Log,
                    &format!("a line of the log ({level}) of {place}"),
                    message,
                );
            }
            Event::Progress { what, .. } => {
                ears.hear(Mouth::Other, &format!("the progress of {place}"), what);
            }
            // The rest repeats what the exchange was told.
            _ => {}
        })
    }

    /// How many texts came out there, and the secrets in them.
    pub(super) fn leaks(&self, mouth: Mouth) -> (u64, Vec<String>) {
        let heard = self.heard();
        let leaks = heard.leaks.iter().filter(|(other, _)| *other == mouth);
        let texts = heard.texts.get(&mouth).copied().unwrap_or_default();
        (texts, leaks.map(|(_, leak)| leak.clone()).collect())
    }

    /// Whether there is a secret to listen for.
    pub(super) fn knows_secrets(&self) -> bool {
        !self.heard().needles.is_empty()
    }

    /// How many errors came out, and what is wrong with them.
    pub(super) fn malformed(&self) -> (u64, Vec<String>) {
        let heard = self.heard();
        (heard.errors, heard.malformed.clone())
    }

    /// What the policy has refused since this was asked last.
    pub(super) fn refused(&self) -> Vec<String> {
        std::mem::take(&mut self.heard().refused)
    }
}

fn malformed(error: &Error) -> Option<String> {
    if error.message.trim().is_empty() {
        return Some(format!("an error of kind `{}` has no message", error.kind.name()));
    }
    let details = error.details.as_deref()?;
    match serde_json::from_str(details) {
        Ok(serde_json::Value::Object(_)) => None,
        _ => Some(format!("the `details` of an error are no JSON object: {details}")),
    }
}

/// How Base64 has the bytes wherever they stand in what is encoded: three ways, by the bytes before them. Characters
/// that also hold a neighbour's bits are left out.
fn base64_forms(secret: &[u8]) -> Vec<String> {
    /// Shorter ones are found in any Base64.
    const SHORTEST_CORE: usize = 5;
    let mut forms = Vec::new();
    for before in 0..3_usize {
        let padded = [&vec![0; before], secret].concat();
        let start = (before * 8).div_ceil(6);
        let end = padded.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded);
            let core = encoded.get(start..end).unwrap_or_default();
            if core.len() >= SHORTEST_CORE && !forms.iter().any(|form| form == core) {
                forms.push(core.to_owned());
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ErrorKind;

    fn leaks(text: &str) -> usize {
        let ears = Ears::default();
        ears.listen_for("/auth/password", "gehe/im-1");
        ears.hear(Mouth::Log, "a line", text);
        let (texts, leaks) = ears.leaks(Mouth::Log);
        assert_eq!(texts, 1);
        assert!(leaks.iter().all(|leak| !leak.contains("gehe")), "{leaks:?}");
        leaks.len()
    }

    #[test]
    fn secrets_are_heard_in_every_form() {
        let encoded = |text: &str| STANDARD_NO_PAD.encode(text);
        for text in [
            "PASS gehe/im-1".to_owned(),
            "ftp://shop:gehe%2Fim%2D1@host/".to_owned(),
            format!("Basic {}", encoded("shop:gehe/im-1")),
            format!("Basic {}", encoded("a:gehe/im-1 and more")),
            format!("Basic {}", encoded("ab:gehe/im-1")),
            format!("Basic {}", URL_SAFE_NO_PAD.encode("gehe/im-1")),
        ] {
            assert_eq!(leaks(&text), 1, "{text}");
        }
        for text in ["PASS ***", "gehe", &encoded("shop:gehe/im-2-and-so-on")[..8]] {
            assert_eq!(leaks(text), 0, "{text}");
        }
    }

    #[test]
    fn short_secrets_are_not_listened_for() {
        let ears = Ears::default();
        ears.listen_for("/pin", "123");
        assert!(!ears.knows_secrets());
    }

    #[test]
    fn errors_have_a_form() {
        let error = |message: &str, details: Option<&str>| Error {
            details: details.map(str::to_owned),
            ..Error::new(ErrorKind::Data, message)
        };
        assert_eq!(malformed(&error("It broke.", Some("{}"))), None);
        assert!(malformed(&error(" ", None)).is_some_and(|text| text.contains("no message")));
        assert!(
            malformed(&error("It broke.", Some("[]"))).is_some_and(|text| text.contains("no JSON object"))
        );
    }
}
