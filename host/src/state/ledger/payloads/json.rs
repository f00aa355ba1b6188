//! What is in a row as JSON: metadata and errors.

use crate::contract::{Effect, Error, Metadata};
use rusqlite::Row;
use serde::{Deserialize, Serialize};

/// The contract's metadata as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Known {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<(String, String)>,
}

impl Known {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let Metadata {
            id,
            version,
            name,
            content_type,
            size,
            modified_ms,
            attributes,
        } = metadata.clone();
        Self {
            id,
            version,
            name,
            content_type,
            size,
            modified_ms,
            attributes,
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
        from_json(row, column)
    }

    pub(super) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    pub(super) fn metadata(self) -> Metadata {
        Metadata {
            id: self.id,
            version: self.version,
            name: self.name,
            content_type: self.content_type,
            size: self.size,
            modified_ms: self.modified_ms,
            attributes: self.attributes,
        }
    }
}

/// Why a payload failed, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// The error's kind as the contract names it.
    pub kind: String,
    /// What went wrong, and what would be right.
    pub message: String,
    /// The remote system's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `none`, `partial` or `unknown`.
    pub effect: String,
}

impl Fault {
    pub(super) fn of(error: &Error) -> Self {
        let effect = match error.effect {
            Effect::None => "none",
            Effect::Partial => "partial",
            Effect::Unknown => "unknown",
        };
        Self {
            kind: error.kind.name().to_owned(),
            message: error.message.clone(),
            code: error.code.clone(),
            effect: effect.to_owned(),
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Reads a column that this module has written.
pub(in crate::state::ledger) fn from_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
