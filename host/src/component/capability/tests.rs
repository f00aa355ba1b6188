//! The words against what the linker really offers.

use super::*;
use crate::imports::{State, linker};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use wasmtime::{Engine, StoreContextMut};

/// Where cargo has the sources of `wasmtime-wasi`, whose WIT names everything that its linker can offer.
fn sources_of_wasi() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = Command::new(cargo)
        .args([
            "metadata",
            "--offline",
            "--format-version",
            "1",
            "--filter-platform",
            "host-tuple",
        ])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&metadata.stderr);
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap_or_else(|_| panic!("{errors}"));
    let packages = metadata["packages"].as_array().expect("packages");
    let wasi = packages
        .iter()
        .find(|package| package["name"] == "wasmtime-wasi")
        .expect("the host depends on it");
    let manifest = wasi["manifest_path"].as_str().expect("a path");
    Path::new(manifest).parent().expect("a folder").to_path_buf()
}

/// Interfaces as `package/interface@version`, with what they declare: functions, resources, and some names that belong
/// to resources.
type Interfaces = BTreeMap<String, BTreeSet<String>>;

/// Reads the WIT files of a folder and of those below.
fn interfaces(folder: &Path, found: &mut Interfaces) {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            interfaces(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "wit") {
            texts.push(fs::read_to_string(path).expect("readable"));
        }
    }
    let mut named = "";
    for text in &texts {
        // A package of several files names itself in at least one of them.
        let package = |text: &'_ String| {
            let package = text
                .lines()
                .find_map(|line| line.strip_prefix("package ")?.strip_suffix(';'));
            package.map(str::to_owned)
        };
        let package = package(text).or_else(|| texts.iter().find_map(package));
        let Some((package, version)) = package.as_deref().and_then(|package| package.split_once('@')) else {
            continue;
        };
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("interface ") {
                named = word(rest);
                found.entry(format!("{package}/{named}@{version}")).or_default();
            } else if line.starts_with("world ") {
                named = "";
            }
            let declared = line
                .strip_prefix("resource ")
                .or_else(|| line.split_once(": func").map(|(name, _)| name));
            let interface = found.get_mut(&format!("{package}/{named}@{version}"));
            if let (Some(interface), Some(declared)) = (interface, declared) {
                interface.insert(word(declared).to_owned());
            }
        }
    }
}

fn word(text: &str) -> &str {
    let end = text.find([' ', '{', ';', ':']).unwrap_or(text.len());
    text[..end].trim_start_matches('%')
}

/// Whether the linker has one of these names in this interface: then it does not let it be defined once more.
fn offered(engine: &Engine, interface: &str, names: &BTreeSet<String>) -> bool {
    let mut linker = linker(engine).expect("linked");
    let mut instance = linker.instance(interface).expect("an instance");
    names.iter().any(|name| {
        instance
            .func_wrap(name, |_: StoreContextMut<'_, State>, (): ()| Ok(()))
            .is_err()
    })
}

#[test]
fn every_interface_that_the_linker_offers_has_words() {
    let mut known = Interfaces::new();
    interfaces(&sources_of_wasi(), &mut known);
    interfaces(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")),
        &mut known,
    );
    let engine = Engine::default();
    let nothing = BTreeSet::from(["nowhere".to_owned()]);
    assert!(!offered(&engine, "wasi:nothing/nowhere@0.2.6", &nothing));
    let offered: Vec<&String> = known
        .iter()
        .filter(|(interface, names)| offered(&engine, interface, names))
        .map(|(interface, _)| interface)
        .collect();
    let wordless: Vec<_> = offered
        .iter()
        .filter(|name| Capability::of(name).is_none())
        .collect();
    assert!(
        wordless.is_empty(),
        "say what these let a connector do: {wordless:?}"
    );
    // And no words for what is not there, which also tells that the search finds what there is.
    let without_names = "flow:connector/types";
    for interface in CAPABILITIES.iter().flat_map(|capability| capability.interfaces) {
        assert!(
            offered
                .iter()
                .any(|name| name.split('@').next() == Some(interface))
                || *interface == without_names,
            "{interface} is not offered; there are {offered:?}"
        );
    }
}

#[test]
fn an_interface_is_in_one_place() {
    let mut seen = BTreeSet::new();
    for interface in CAPABILITIES.iter().flat_map(|capability| capability.interfaces) {
        assert!(seen.insert(interface), "{interface}");
    }
    assert!(Capability::of("wasi:sockets/tcp@0.2.99").is_some());
    assert!(Capability::of("wasi:sockets/tcp-more@0.2.6").is_none());
    assert!(Capability::of("wasi:http/outgoing-handler@0.2.6").is_none());
}
