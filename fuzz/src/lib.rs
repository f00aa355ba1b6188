//! Fuzz targets: what must hold of every word that comes from outside.
//!
//! A target is a function of bytes that panics when a property is broken. `src/bin/` puts each under libFuzzer,
//! which `cargo xtask fuzz` builds and runs; `tests/smoke.rs` runs each briefly with every `cargo test`. Inputs are
//! plain text, so that one can write them by hand, but for scripts of TLS records: `seeds/` has some a target, `words/`
//! what libFuzzer may insert.

mod command;
mod flow;
mod imports;
mod json;
mod listing;
mod policy;
mod records;
mod reply;
mod template;

use std::sync::LazyLock;

use flowhost::flow::Problem;
use tokio::runtime::{Builder, Runtime};

pub use command::command;
pub use flow::flow;
pub use imports::imports;
pub use json::json;
pub use listing::listing;
pub use policy::policy;
pub use records::records;
pub use reply::{endless_reply, reply};
pub use template::template;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets, by the name of their folder of seeds.
pub const TARGETS: [(&str, Target); 9] = [
    ("listing", listing),
    ("reply", reply),
    ("command", command),
    ("template", template),
    ("flow", flow),
    ("json", json),
    ("records", records),
    ("policy", policy),
    ("imports", imports),
];

/// Panics unless `name` is one segment of a path that can be sent.
///
/// Written out again, and not the connector's own check: a target that asks the code under test learns nothing.
fn assert_segment(name: &str) {
    assert!(!matches!(name, "" | "." | ".."), "{name:?} is no name");
    assert!(
        !name.contains(['/', '\r', '\n', '\0']),
        "{name:?} is not one segment"
    );
}

/// Panics unless `message` is fit for a terminal and for one line of a log.
fn assert_message(message: &str) {
    assert!(
        !message.chars().any(char::is_control),
        "control characters: {message:?}"
    );
    assert!(message.chars().count() <= LONGEST_MESSAGE, "endless: {message:?}");
}

/// Characters of an error message: a few sentences, and what was wrong quoted twice.
const LONGEST_MESSAGE: usize = 1500;

/// Panics unless the problem has its place within the text, and can be shown.
fn assert_problem(problem: &Problem, text: &str) {
    assert_message(&problem.to_string());
    let Some(place) = problem.place else {
        assert_eq!(problem.field, "", "{problem} is somewhere");
        return;
    };
    // The end of the file is a place, too: behind the last character, or on the line after it.
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    assert!((1..=lines.len() + 1).contains(&place.line), "{problem}");
    let longest = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or_default();
    assert!((1..=longest + 1).contains(&place.column), "{problem}");
}

/// What runs the host's asynchronous functions.
fn current_thread() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().build().expect("a runtime")
    });
    &RUNTIME
}
