//! What is known of a payload, and what a call has done.

use crate::error::Error;
use crate::exchange::{Done, Offered};
use crate::{Metadata, Summary};

impl Metadata {
    /// The attribute that all connectors share for the file name that a payload came with.
    pub const ORIGINAL_FILENAME: &str = "original_filename";
    /// The one for the path that a payload came from, below the root of its connection.
    pub const ORIGINAL_PATH: &str = "original_path";

    /// A payload of which only this is known. The same thing found again must have the same id.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            version: None,
            name: None,
            content_type: None,
            size: None,
            modified_ms: None,
            attributes: Vec::new(),
        }
    }

    /// The value of an attribute, unless it is empty.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Sets an attribute; names stay unique.
    pub fn set_attribute(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.attributes.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((name.to_owned(), value)),
        }
    }

    /// Removes an attribute.
    pub fn remove_attribute(&mut self, name: &str) {
        self.attributes.retain(|(known, _)| known != name);
    }
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Summary {
    fn default() -> Self {
        Self {
            payloads: 0,
            bytes: 0,
            skipped: 0,
            failed: 0,
        }
    }
}

impl Summary {
    /// Adds an offered payload. The answer is [`Done::Stop`] when the flow wants no more, else [`Done::Consume`]. A
    /// payload's own failure was told by `abort` or `finish`, so its siblings go on.
    ///
    /// # Errors
    /// The failure, when it ends the call.
    pub fn count(&mut self, offered: Result<Offered, Error>) -> Result<Done, Error> {
        match offered {
            Ok(Offered::Taken(bytes)) => {
                self.payloads += 1;
                self.bytes += bytes;
            }
            Ok(Offered::Skipped) => self.skipped += 1,
            // It was counted by the try that brought it.
            Ok(Offered::Accepted) => {}
            Ok(Offered::Stop) => return Ok(Done::Stop),
            Err(error) if error.ends_call => return Err(error),
            Err(_) => self.failed += 1,
        }
        Ok(Done::Consume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_attributes_stay_unique() {
        let mut metadata = Metadata::new("a");
        metadata.set_attribute("x", "1");
        metadata.set_attribute("x", "2");
        metadata.set_attribute("y", "");
        assert_eq!(metadata.attributes.len(), 2);
        assert_eq!(
            (metadata.attribute("x"), metadata.attribute("y")),
            (Some("2"), None)
        );
        metadata.remove_attribute("x");
        assert_eq!(metadata.attribute("x"), None);
    }

    #[test]
    fn each_outcome_is_counted_where_it_belongs() {
        let mut summary = Summary::default();
        for offered in [
            Ok(Offered::Taken(5)),
            Ok(Offered::Skipped),
            Ok(Offered::Accepted),
            Err(Error::data("x")),
        ] {
            assert_eq!(summary.count(offered), Ok(Done::Consume));
        }
        assert_eq!(summary.count(Ok(Offered::Stop)), Ok(Done::Stop));
        assert!(summary.count(Err(Error::cancelled())).is_err());
        let Summary {
            payloads,
            bytes,
            skipped,
            failed,
        } = summary;
        assert_eq!((payloads, bytes, skipped, failed), (1, 5, 1, 1));
    }
}
