//! Failures that are known, each with its reason. One that passes fails the run: the list must not outlive its reasons.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use saphyr::{LoadableYamlNode as _, Yaml};

/// Reasons by the ids of the cases.
#[derive(Debug, Clone, Default)]
pub struct Known(BTreeMap<String, String>);

impl Known {
    /// Reads a file of lines `AREA/NAME: reason`.
    ///
    /// # Errors
    /// When it cannot be read, or a case has no reason.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("{}", file.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let documents = Yaml::load_from_str(text)?;
        let Some(document) = documents.first().filter(|document| !document.is_null()) else {
            return Ok(Self::default());
        };
        let value = super::catalogue::json(document)?;
        let members = value
            .as_object()
            .context("it has to be a mapping from cases to reasons")?;
        let mut known = BTreeMap::new();
        for (id, reason) in members {
            match reason.as_str().map(str::trim) {
                Some(reason) if !reason.is_empty() => known.insert(id.clone(), reason.to_owned()),
                _ => bail!("{id} has no reason: write why it fails"),
            };
        }
        Ok(Self(known))
    }

    /// Why a case is known to fail.
    #[must_use]
    pub fn reason(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// Cases that are named and not there.
    #[must_use]
    pub fn unknown<'a>(&'a self, ids: &[&str]) -> Vec<&'a str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|id| !ids.contains(id))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_without_a_reason_is_refused() {
        let known = Known::parse("tls/expired: the library cannot tell\n").unwrap();
        assert_eq!(known.reason("tls/expired"), Some("the library cannot tell"));
        assert_eq!(known.unknown(&["tls/other"]), ["tls/expired"]);
        assert!(
            Known::parse("tls/expired: ''\n")
                .unwrap_err()
                .to_string()
                .contains("no reason")
        );
        assert!(Known::parse("# nothing\n").unwrap().unknown(&[]).is_empty());
    }
}
