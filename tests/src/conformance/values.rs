//! What is known only when a case is played: `${NAME.WHAT}` in its texts.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Values by their names.
#[derive(Debug, Default)]
pub struct Values(BTreeMap<String, Value>);

impl Values {
    /// Adds one.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// Fills them in. A text that is nothing but a name becomes the value itself, a number say.
    ///
    /// # Errors
    /// When a name is not known.
    pub fn fill(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => self.fill_text(text)?,
            Value::Array(items) => items
                .iter()
                .map(|item| self.fill(item))
                .collect::<Result<Vec<_>>>()?
                .into(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| Ok((name.clone(), self.fill(value)?)))
                .collect::<Result<serde_json::Map<_, _>>>()?
                .into(),
            other => other.clone(),
        })
    }

    fn fill_text(&self, text: &str) -> Result<Value> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after
                .split_once('}')
                .with_context(|| format!("{text:?} has no end of `${{`"))?;
            let value = self
                .0
                .get(name)
                .with_context(|| format!("nothing is called {name:?}"))?;
            if before.is_empty() && behind.is_empty() && filled.is_empty() {
                return Ok(value.clone());
            }
            filled.push_str(before);
            filled.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled.into())
    }
}
