//! Flows out of small parts, and the flows that most tests run.

use serde_json::{Value, json};

use crate::run::{Bench, Run};
use crate::script::ScriptServer;

/// The name of the instance where a test has only one.
pub const SHOP: &str = "shop";

/// A flow of these steps over these instances, each with settings of the FTP connector.
#[expect(
    clippy::needless_pass_by_value,
    reason = "`json!` and `vec!` in a call read better without a borrow"
)]
#[must_use]
pub fn flow(instances: &[(&str, Value)], steps: Vec<Value>) -> Value {
    let instances: serde_json::Map<_, _> = instances
        .iter()
        .map(|(name, settings)| {
            (
                (*name).to_owned(),
                json!({ "connector": "ftp", "settings": settings }),
            )
        })
        .collect();
    json!({ "name": "test", "instances": instances, "steps": steps })
}

/// A step that calls `ftp-get` of an instance; its id is `get`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "`json!` and `vec!` in a call read better without a borrow"
)]
#[must_use]
pub fn get(instance: &str, options: Value) -> Value {
    json!({ "id": "get", "use": instance, "endpoint": "ftp-get", "options": options })
}

/// A step that calls `ftp-put` of an instance.
#[expect(
    clippy::needless_pass_by_value,
    reason = "`json!` and `vec!` in a call read better without a borrow"
)]
#[must_use]
pub fn put(id: &str, instance: &str, options: Value) -> Value {
    json!({ "id": id, "use": instance, "endpoint": "ftp-put", "options": options })
}

/// A step that makes a payload of each local file that fits; its id is `read`.
#[must_use]
pub fn read(pattern: &str) -> Value {
    json!({ "id": "read", "folder": { "read": pattern } })
}

/// A step that writes each payload to a local folder; its id is `write`.
#[must_use]
pub fn write(folder: &str) -> Value {
    json!({ "id": "write", "folder": { "write": folder } })
}

/// Settings with one member replaced.
#[must_use]
pub fn with(mut settings: Value, name: &str, value: impl Into<Value>) -> Value {
    settings[name] = value.into();
    settings
}

/// The same step with another id.
#[must_use]
pub fn called(id: &str, mut step: Value) -> Value {
    step["id"] = json!(id);
    step
}

/// Settings for a scripted server with one try and the shortest time-out.
#[must_use]
pub fn impatient(server: &ScriptServer) -> Value {
    with(with(server.settings(), "timeout", 1), "max_tries", 1)
}

/// Runs `ftp-get` with these options; what arrives is in the local folder `in`.
#[must_use]
pub fn pull(bench: &Bench, settings: Value, options: Value) -> Run {
    bench.run(&flow(&[(SHOP, settings)], vec![get(SHOP, options), write("in")]))
}

/// Runs `ftp-get` of `a.txt` with [`impatient`] settings.
#[must_use]
pub fn pull_one(bench: &Bench, server: &ScriptServer) -> Run {
    pull(bench, impatient(server), json!({ "path": "a.txt" }))
}

/// Runs `ftp-get` of all files in the folder `outbound`, with [`impatient`] settings.
#[must_use]
pub fn pull_all(bench: &Bench, server: &ScriptServer) -> Run {
    pull(
        bench,
        impatient(server),
        json!({ "root": "outbound", "path": "(?s).*" }),
    )
}

/// Runs `ftp-put` of a file with the content `hello` to `inbound/a.txt`.
#[must_use]
pub fn push(bench: &Bench, settings: Value) -> Run {
    push_with(bench, settings, json!({ "path": "inbound/" }))
}

/// The same with other options.
#[must_use]
pub fn push_with(bench: &Bench, settings: Value, options: Value) -> Run {
    bench.write("out/a.txt", "hello");
    let steps = vec![read("out/*"), put("put", SHOP, options)];
    bench.run(&flow(&[(SHOP, settings)], steps))
}

/// Checks that no file is under its final name, here or there, after [`pull`] or [`push`].
///
/// # Panics
/// When one is.
pub fn assert_nothing_arrived(bench: &Bench, server: &ScriptServer) {
    assert_eq!(bench.files("in"), std::collections::BTreeMap::new());
    assert!(!server.uploads().contains_key("inbound/a.txt"));
    bench.assert_spool_empty();
}
