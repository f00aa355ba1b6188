//! `flowhost check` explains each flow in `examples/broken` in one message, which is kept beside it.
//! `UPDATE_GOLDEN=1` rewrites the messages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn each_broken_flow_is_explained_in_one_message_with_line_and_field() {
    let folder = repository().join("examples/broken");
    let mut flows: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the examples")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    flows.sort();
    assert_eq!(flows.len(), 11);
    for flow in flows {
        let name = flow.file_name().expect("a name").to_string_lossy().into_owned();
        let checked = Command::new(env!("CARGO_BIN_EXE_flowhost"))
            .current_dir(repository())
            .args(["check", &format!("examples/broken/{name}")])
            .output()
            .expect("flowhost runs");
        let message = String::from_utf8(checked.stderr).expect("text");
        assert_eq!(checked.status.code(), Some(2), "{name}: {message}");
        assert!(
            checked.stdout.is_empty(),
            "{name}: a problem is told on standard error"
        );
        assert_eq!(
            message.lines().count(),
            1,
            "{name} is wrong in one way only:\n{message}"
        );
        let mut parts = message.split(':');
        assert_eq!(parts.next(), Some(&*format!("examples/broken/{name}")));
        assert!(
            parts.next().is_some_and(|line| line.parse::<usize>().is_ok()),
            "no line: {message}"
        );
        assert!(
            parts.next().is_some_and(|column| column.parse::<usize>().is_ok()),
            "no column: {message}"
        );
        assert!(
            parts.next().is_some_and(|field| field.contains('.')),
            "no field: {message}"
        );
        let golden = flow.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &message).expect("written");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(message, expected, "{name}: UPDATE_GOLDEN=1 rewrites the message");
    }
}
