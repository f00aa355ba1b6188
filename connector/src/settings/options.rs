//! The options of an endpoint.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

use super::{read, unless_empty};
use crate::error::Error;

/// How `path` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Match {
    /// As the path of one file or folder.
    Static,
    /// As a regular expression that fits the whole path below the folder.
    Regex,
    /// As a glob: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any folders.
    Glob,
}

/// The options of an endpoint. The order is the one that fits `ftp-get`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "FTP options")]
pub struct Options {
    /// Which file: a path below the connection's root. A path that ends in `/` names a folder. With `root`
    /// set, a regular expression over the path below that folder: without a `/` in it only files directly in
    /// the folder are looked at, with one the folders below as well. When it is left out, the connection's
    /// default folder is meant, or, for commands that change an existing file, the payload's `original_path`.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(
        title = "Path",
        with = "String",
        example = &"orders/today.csv",
        example = &r"orders_\d{8}\.csv",
        example = &"{{ original_path }}"
    )]
    pub path: Option<String>,

    /// The folder below which the pattern in `path` is applied; `/` is the connection's root. Setting it makes
    /// `path` a regular expression.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Folder for the pattern", with = "String", example = &"outbound")]
    pub root: Option<String>,

    /// How `path` is read. When it is left out: `regex` if `root` is set, else `static`.
    #[serde(default, rename = "match")]
    #[schemars(title = "Kind of pattern", with = "Match", example = &"glob")]
    pub matching: Option<Match>,

    /// What to do: `get`, `put`, `append`, `rename`, `delete`, `list`, `mkdir` or `rmdir`, optionally followed
    /// by a path. For `rename` the path is the target, and one that ends in `/` keeps the file's name; for all
    /// others it is the path acted on, instead of `path`.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(
        title = "Command",
        with = "String",
        example = &"rename processed/{{ original_filename }}",
        example = &"delete",
        example = &"list outbound/"
    )]
    pub command: Option<String>,

    /// The file name that later steps see as `original_filename`. When it is left out: the name of the file
    /// that the payload came from.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Original file name", with = "String", example = &"order.csv")]
    pub original_filename: Option<String>,

    /// The path that later steps see as `original_path`. When it is left out: the path below the connection's
    /// root that the payload came from.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Original path", with = "String", example = &"outbound/order.csv")]
    pub original_path: Option<String>,
}

impl Options {
    /// Reads the options.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let json = if json.trim().is_empty() { "{}" } else { json };
        read(json, "/options")
    }
}

/// The schema of an endpoint's options, with its default command and the properties in the given order.
pub fn options_schema(command: &str, order: &[&str]) -> Schema {
    let mut schema = schemars::schema_for!(Options);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        if let Some(Value::Object(property)) = properties.get_mut("command") {
            property.insert("default".into(), command.into());
        }
        let mut rest = std::mem::take(properties);
        for name in order {
            if let Some(property) = rest.remove(*name) {
                properties.insert((*name).to_owned(), property);
            }
        }
        properties.extend(rest);
    }
    schema
}
