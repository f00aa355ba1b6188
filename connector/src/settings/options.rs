//! The options of an endpoint.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

use super::quantity::{Bytes, Span};
use super::{OPTIONS, read, unless_empty};
use crate::error::Error;

/// How `path` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Match {
    /// As the path of one file or folder; with `recursive`, as a file's exact name or path.
    Static,
    /// As a regular expression that fits the whole name or path.
    Regex,
    /// As a glob: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any folders.
    Glob,
}

/// The order in which files are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Sort {
    /// By path.
    #[default]
    Name,
    /// By path, backwards.
    NameDesc,
    /// By time of modification, the oldest first.
    Time,
    /// The newest first.
    TimeDesc,
    /// By size, the smallest first.
    Size,
    /// The largest first.
    SizeDesc,
}

/// What happens when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum IfExists {
    /// The new file takes the place of the old one.
    #[default]
    Overwrite,
    /// The old file stays, and the payload goes on.
    Skip,
    /// The payload fails with `conflict`.
    Fail,
    /// The new file gets a number: `order-1.csv`.
    Rename,
    /// The bytes are added to the old file (`put` only).
    Append,
}

/// How a transfer is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Verify {
    /// By length, where the server tells it.
    #[default]
    Size,
    /// By a hash that the server computes, else by length.
    Hash,
    /// Not at all.
    None,
}

/// How bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum TransferType {
    /// As they are (TYPE I).
    #[default]
    Binary,
    /// As text (TYPE A): lines end in CR LF on the way, and in LF in payloads.
    Ascii,
}

/// The options of an endpoint. The order is the one that fits `ftp-get`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "FTP options")]
pub struct Options {
    /// Which file: a path below the connection's root. A path that ends in `/` names a folder. With `root`
    /// set, a regular expression: without a `/` in it over the names of the files in that folder, with one over
    /// their whole paths below it. When it is left out, the connection's default folder is meant, or, for
    /// commands that change an existing file, the payload's `original_path`.
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

    /// Whether folders below are looked into. When it is left out: yes if the pattern has a `/`. Links are never
    /// followed into folders.
    #[serde(default)]
    #[schemars(title = "Folders below", with = "bool", example = &true)]
    pub recursive: Option<bool>,

    /// How many folders deep to look, counted from the folder of the pattern. It ends folders that contain
    /// themselves.
    #[serde(default)]
    #[schemars(title = "Depth", with = "u8", range(min = 1, max = 32), extend("default" = 32))]
    pub max_depth: Option<u8>,

    /// Leaves out files that were changed less than this long ago: seconds, or with a unit (`s`, `m`, `h`, `d`).
    /// A file whose time the server does not tell is left out.
    #[serde(default)]
    #[schemars(title = "Least age", with = "Span", example = &"5m")]
    pub min_age: Option<Span>,

    /// Leaves out files that were changed longer ago than this.
    #[serde(default)]
    #[schemars(title = "Greatest age", with = "Span", example = &"7d")]
    pub max_age: Option<Span>,

    /// Leaves out smaller files: bytes, or with a unit (`kB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`).
    #[serde(default)]
    #[schemars(title = "Least size", with = "Bytes", example = &1)]
    pub min_size: Option<Bytes>,

    /// Leaves out larger files.
    #[serde(default)]
    #[schemars(title = "Greatest size", with = "Bytes", example = &"64MiB")]
    pub max_size: Option<Bytes>,

    /// The most files that one incoming payload leads to; the others stay for the next run. Files that the flow
    /// has had before do not count.
    #[serde(default)]
    #[schemars(title = "Most files", with = "u32", range(min = 1, max = 4_294_967_295_u32), example = &100)]
    pub max_files: Option<u32>,

    /// The order in which files are dealt with.
    #[serde(default)]
    #[schemars(title = "Order", with = "Sort", extend("default" = "name"), example = &"time")]
    pub sort: Option<Sort>,

    /// Takes a file only when its size and time have not changed over this long: the folder is listed, and
    /// listed again. Files that are still being written stay for the next run.
    #[serde(default)]
    #[schemars(title = "Stable for", with = "Span", example = &"10s")]
    pub stable_for: Option<Span>,

    /// Takes a file only when its companion is there, by which its sender says that it is complete. `{name}`,
    /// `{stem}` and `{extension}` stand for the file's name. A companion itself is never taken; `after` deletes
    /// or moves it along with its file.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Done file", with = "String", example = &"{name}.ok")]
    pub done_file: Option<String>,

    /// What happens to a file once the flow has accepted it: `keep`, `delete`, or `move to PATH`, where a path
    /// that ends in `/` names a folder and `{name}`, `{stem}`, `{extension}` and `{run}` may be used. When that
    /// fails, the payload goes on, and the run tells that the file was delivered and not moved.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(
        title = "After get",
        with = "String",
        extend("default" = "keep"),
        example = &"move to processed/",
        example = &"delete"
    )]
    pub after: Option<String>,

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

    /// What happens when the target of `put`, `rename` or `after: move to` is there already: `overwrite`,
    /// `skip`, `fail`, `rename` (the new file gets a number), or `append` (`put` only). The same on every
    /// server, whether it renames onto existing names or not.
    #[serde(default)]
    #[schemars(title = "If the file exists", with = "IfExists", extend("default" = "overwrite"), example = &"fail")]
    pub if_exists: Option<IfExists>,

    /// The name that an upload has until it is complete. `{name}`, `{stem}`, `{extension}` and `{run}` may be
    /// used; `{name}` alone writes under the final name at once.
    #[serde(default, deserialize_with = "unless_empty")]
    #[schemars(title = "Temporary name", with = "String", extend("default" = ".{name}.{run}.part"), example = &"{name}.tmp")]
    pub temporary_name: Option<String>,

    /// How a transfer is checked: `size` compares lengths; `hash` compares a hash where the server computes one
    /// (HASH, XSHA256, XSHA1, XMD5, MD5, XCRC), and lengths where it does not; `none` trusts the server's reply.
    #[serde(default)]
    #[schemars(title = "Verify", with = "Verify", extend("default" = "size"), example = &"hash")]
    pub verify: Option<Verify>,

    /// Gives an uploaded file the payload's time of modification, by MFMT or MDTM. A refusal is a warning.
    #[serde(default)]
    #[schemars(title = "Keep the time", with = "bool", extend("default" = false), example = &true)]
    pub preserve_modified: Option<bool>,

    /// `binary` moves bytes as they are. `ascii` moves text: lines end in CR LF on the way and in LF in
    /// payloads. Lengths then differ, so such a transfer is neither verified nor continued in the middle.
    #[serde(default)]
    #[schemars(title = "Type of transfer", with = "TransferType", extend("default" = "binary"), example = &"ascii")]
    pub transfer_type: Option<TransferType>,

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
        Ok(read(json, OPTIONS)?)
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
            // Not `remove`, which puts the last property in the gap.
            if let Some(property) = rest.shift_remove(*name) {
                properties.insert((*name).to_owned(), property);
            }
        }
        properties.extend(rest);
    }
    schema
}
