//! Where a payload's body goes, and under which name until it is complete.

use flow_connector::Metadata;

use crate::error::Error;
use crate::path::{RemotePath, is_name, jail};
use crate::pattern::Template;
use crate::replace::cut;
use crate::settings::Connection;
use crate::task::{Selection, Task};

/// The longest piece of the name that goes into the temporary one; file systems end names at 255 bytes.
const LONGEST_NAME: usize = 200;

/// Where the body goes. None when a pattern says which payloads to take, and this is not one of them.
pub fn target(
    task: &Task,
    connection: &Connection,
    metadata: &Metadata,
) -> Result<Option<RemotePath>, Error> {
    let from = || {
        task.original_path
            .as_deref()
            .or_else(|| metadata.attribute(Metadata::ORIGINAL_PATH))
    };
    let path = match &task.selection {
        Selection::Static(named) if named.folder => named.path.child(file_name(task, metadata)?),
        Selection::Static(named) => named.path.clone(),
        Selection::Nothing => match from() {
            Some(path) if connection.path.is_none() => jail(path, "/options/original_path")?.path,
            _ => connection.default_folder()?.child(file_name(task, metadata)?),
        },
        Selection::Pattern(pattern) => {
            let below = match from() {
                Some(path) if pattern.deep => jail(path, "/options/original_path")?.path,
                _ => RemotePath::default().child(file_name(task, metadata)?),
            };
            if !pattern.fits(below.as_str()) {
                return Ok(None);
            }
            pattern.root.join(&below)
        }
    };
    if path.is_root() {
        return Err(Error::setting(
            "/options/path",
            "Nothing names the file to write; set `path`.",
        ));
    }
    Ok(Some(path))
}

/// The name for a file whose folder alone is given.
fn file_name<'a>(task: &'a Task, metadata: &'a Metadata) -> Result<&'a str, Error> {
    let name = task
        .original_filename
        .as_deref()
        .or_else(|| metadata.attribute(Metadata::ORIGINAL_FILENAME))
        .or_else(|| {
            metadata
                .attribute(Metadata::ORIGINAL_PATH)
                .and_then(|path| path.rsplit('/').next())
        })
        .or(metadata.name.as_deref())
        .filter(|name| !name.is_empty());
    match name {
        Some(name) if is_name(name) => Ok(name),
        Some(_) => Err(Error::setting(
            "/options/original_filename",
            "The payload's file name is not one: it must not be `.` or `..`, nor contain `/`, line breaks or NUL.",
        )),
        None => Err(Error::setting(
            "/options/path",
            "Nothing names the file to write: the payload has no file name, so set `path`.",
        )),
    }
}

/// The name beside the target until the file is complete, the same in each try of a run. None when the template
/// gives the target itself.
pub fn temporary(target: &RemotePath, template: &Template, run: &str) -> Result<Option<RemotePath>, Error> {
    let run = short(run);
    if template.fill(target.name(), &run) == target.name() {
        return Ok(None);
    }
    let name = template.fill(cut(target.name(), LONGEST_NAME), &run);
    if is_name(&name) {
        return Ok(Some(target.parent().child(&name)));
    }
    let message = format!(
        "`temporary_name` gives no name for `{}`; use `{{name}}` in it.",
        target.name()
    );
    Err(Error::setting("/options/temporary_name", message))
}

/// The end of a run's id, which is the part that differs most.
fn short(run: &str) -> String {
    let run: String = run.chars().filter(char::is_ascii_alphanumeric).collect();
    run[run.len().saturating_sub(8)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Verb;
    use crate::error::Kind;
    use crate::settings::Options;

    fn path(text: &str) -> RemotePath {
        jail(text, "").unwrap().path
    }

    #[test]
    fn temporary_names() {
        let of = |template: &str, target: &str| {
            let template = Template::parse_name(template, "").unwrap();
            temporary(&path(target), &template, "run-2026-1234abcd")
                .map(|path| path.map(|path| path.as_str().to_owned()))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            of(".{name}.{run}.part", "in/a.csv").unwrap(),
            some("in/.a.csv.1234abcd.part")
        );
        assert_eq!(of("{stem}.tmp", "a.csv").unwrap(), some("a.tmp"));
        assert_eq!(of("upload", "in/a.csv").unwrap(), some("in/upload"));
        for direct in ["{name}", "{stem}.{extension}", "a.csv"] {
            assert_eq!(of(direct, "in/a.csv").unwrap(), None, "{direct}");
        }
        // Also when the name is longer than what is cut off.
        let long = "é".repeat(120);
        assert_eq!(of("{name}", &long).unwrap(), None);
        let cut = of("{name}.{run}", &long).unwrap().unwrap();
        assert_eq!(cut, format!("{}.1234abcd", "é".repeat(100)));
        let error = of("{extension}", "Makefile").unwrap_err();
        assert_eq!(error.field.as_deref(), Some("/options/temporary_name"));
    }

    #[test]
    fn run_ids() {
        assert_eq!(short("a-b"), "ab");
        assert_eq!(short("0123-4567-89ab-cdef"), "89abcdef");
        assert_eq!(short(""), "");
    }

    fn leads(options: &str, attributes: &[(&str, &str)]) -> Result<Option<String>, Error> {
        let connection = Connection::parse(r#"{"host":"h","path":"inbox"}"#).unwrap();
        let task = Task::new(&Options::parse(options).unwrap(), &connection, Verb::Put).unwrap();
        let metadata = Metadata {
            id: "1".to_owned(),
            version: None,
            name: Some("named.csv".to_owned()),
            content_type: None,
            size: None,
            modified_ms: None,
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        Ok(target(&task, &connection, &metadata)?.map(|path| path.as_str().to_owned()))
    }

    #[test]
    fn where_a_payload_goes() {
        let from = &[
            (Metadata::ORIGINAL_FILENAME, "a.csv"),
            (Metadata::ORIGINAL_PATH, "out/a.csv"),
        ][..];
        let goes = |options: &str, attributes| leads(options, attributes).unwrap();
        assert_eq!(goes("{}", &[]).as_deref(), Some("inbox/named.csv"));
        assert_eq!(goes("{}", from).as_deref(), Some("inbox/a.csv"));
        assert_eq!(goes(r#"{"path":"x/"}"#, from).as_deref(), Some("x/a.csv"));
        assert_eq!(goes(r#"{"path":"x"}"#, from).as_deref(), Some("x"));
        assert_eq!(
            goes(r#"{"path":"x/","original_filename":"b"}"#, from).as_deref(),
            Some("x/b")
        );
        assert_eq!(
            goes(r#"{"root":"r","path":".*\\.csv"}"#, from).as_deref(),
            Some("r/a.csv")
        );
        assert_eq!(
            goes(r#"{"root":"r","path":".*/.*\\.csv"}"#, from).as_deref(),
            Some("r/out/a.csv")
        );
        assert_eq!(goes(r#"{"root":"r","path":".*\\.xml"}"#, from), None);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["..", "a/b", "a\r\nDELE b"] {
            let error = leads(r#"{"path":"x/"}"#, &[(Metadata::ORIGINAL_FILENAME, name)]).unwrap_err();
            assert_eq!(error.kind, Kind::InvalidSettings, "{name:?}");
        }
        assert!(
            leads(r#"{"path":"/"}"#, &[(Metadata::ORIGINAL_FILENAME, "a")])
                .unwrap()
                .is_some()
        );
    }
}
