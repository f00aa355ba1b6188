//! Flow files: whoever writes one, or makes a program write one, is told what is wrong with it and where.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use flowhost::engine::{CacheOptions, Runtime, RuntimeOptions};
use flowhost::flow::document::Document;
use flowhost::flow::load::load_text;
use flowhost::flow::{LoadOptions, Problem, template};
use serde_json::Value;

use crate::{assert_problem, current_thread};

/// The name of the file that the text is said to be from. Its folder is not there.
const FILE: &str = "/nowhere/flow.yaml";

/// Nodes that a text may become. Aliases make some of few bytes.
const MOST_NODES: usize = 1_000_000;

/// The host with its built-in connector, which every flow loads: without a cache, for a second each. The cache is beside
/// this program, and not in the home folder of who runs it.
static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| {
    let program = std::env::current_exe().expect("a program");
    let cache = CacheOptions {
        folder: program.with_file_name("flow-fuzz-cache"),
        key: program.with_file_name("flow-fuzz-state").join("cache.key"),
    };
    Runtime::new(RuntimeOptions { cache: Some(cache) }).expect("this machine runs wasm")
});

/// Reads a flow file and checks all of it that needs neither disk nor network.
///
/// # Panics
/// Unless each problem has its place in the text and can be shown, and it is the same problems the second time.
pub fn flow(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let document = match Document::parse(FILE, text) {
        Ok(document) => document,
        Err(problem) => return assert_problem(&problem, text),
    };
    assert!(nodes(&document.value) <= MOST_NODES, "it grows");
    for (pointer, _) in template::texts(&document.value) {
        assert!(document.place(&pointer).is_some(), "{pointer:?} is nowhere");
    }
    if !is_harmless(&document.value) {
        return;
    }
    let problems = || {
        let options = LoadOptions::default();
        let load = load_text(&RUNTIME, Path::new(FILE), text, &options);
        match current_thread().block_on(load) {
            Ok(flow) => {
                let mut names: Vec<&str> = flow.steps.iter().map(|step| step.id.as_str()).collect();
                assert!(!names.is_empty(), "a flow without steps");
                names.sort_unstable();
                names
                    .windows(2)
                    .for_each(|pair| assert_ne!(pair[0], pair[1], "two steps of one name"));
                Vec::new()
            }
            Err(problems) => problems.iter().cloned().collect(),
        }
    };
    let found: Vec<Problem> = problems();
    for problem in &found {
        assert_problem(problem, text);
    }
    assert_eq!(found, problems(), "the second time differs");
}

fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(nodes).sum::<usize>() + 1,
        Value::Object(members) => members.values().map(nodes).sum::<usize>() + 1,
        _ => 1,
    }
}

/// Whether checking it reads no file: no connector but the built-in one, no certificates, no secrets.
fn is_harmless(flow: &Value) -> bool {
    let texts = template::texts(flow);
    if texts.iter().any(|(_, text)| text.contains("${")) {
        return false;
    }
    let instances = flow.get("instances").and_then(Value::as_object);
    instances.into_iter().flatten().all(|(_, instance)| {
        let connector = instance.get("connector").and_then(Value::as_str);
        connector.is_none_or(|name| name == "ftp") && instance.get("client_certificates").is_none()
    })
}
