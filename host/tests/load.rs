//! What is not a connector is refused with a sentence that says why.

use flowhost::component::LoadError;
use flowhost::engine::{Runtime, RuntimeOptions};

async fn load_bytes(bytes: &[u8]) -> Result<(), LoadError> {
    let runtime = Runtime::new(RuntimeOptions::default()).expect("an engine");
    runtime.load(bytes).await.map(|_| ())
}

async fn load_text(component: &str) -> LoadError {
    let bytes = wat::parse_str(component).expect("the test's component is well formed");
    load_bytes(&bytes).await.expect_err("it is not a connector")
}

#[tokio::test]
async fn the_built_in_connector_fits_the_contract() {
    let runtime = Runtime::new(RuntimeOptions::default()).expect("an engine");
    let connector = runtime
        .load(flowhost::FTP_COMPONENT)
        .await
        .expect("the FTP connector fits");
    let names: Vec<&str> = connector
        .descriptor
        .endpoints
        .iter()
        .map(|endpoint| endpoint.name.as_str())
        .collect();
    assert_eq!(names, ["ftp-get", "ftp-put"]);
    assert!(
        connector
            .exports
            .contains(&"flow:connector/connector@0.1.1".to_owned())
    );
    assert!(connector.exports.contains(&"flow:ftp/endpoints@0.1.1".to_owned()));
    let foreign: Vec<&String> = connector
        .imports
        .iter()
        .filter(|name| !name.starts_with("flow:connector/") && !name.starts_with("wasi:"))
        .collect();
    assert!(
        foreign.is_empty(),
        "imports beside the contract and WASI: {foreign:?}"
    );
}

#[tokio::test]
async fn a_text_file_is_not_webassembly() {
    let error = load_bytes(b"#!/bin/sh\n")
        .await
        .expect_err("a script is no component");
    assert!(matches!(error, LoadError::NotWasm), "{error}");
}

#[tokio::test]
async fn an_empty_file_is_not_webassembly() {
    let error = load_bytes(b"").await.expect_err("nothing is no component");
    assert!(matches!(error, LoadError::NotWasm), "{error}");
}

#[tokio::test]
async fn a_core_module_is_told_apart_from_a_component() {
    let error = load_text("(module)").await;
    assert!(matches!(error, LoadError::CoreModule), "{error}");
}

#[tokio::test]
async fn a_broken_component_is_invalid() {
    let mut bytes = wat::parse_str("(component)").expect("well formed");
    bytes.extend([0xff; 16]);
    let error = load_bytes(&bytes).await.expect_err("garbage follows the header");
    assert!(matches!(error, LoadError::Invalid(_)), "{error}");
}

#[tokio::test]
async fn a_component_without_the_contracts_export_is_refused_with_what_it_exports() {
    let error = load_text(
        r#"(component
            (instance $empty)
            (export "other:thing/iface@1.0.0" (instance $empty)))"#,
    )
    .await;
    let LoadError::NoConnector(exports) = &error else {
        panic!("{error}")
    };
    assert!(exports.contains("other:thing/iface@1.0.0"), "{error}");
    assert!(
        error.to_string().contains("flow:connector/connector@0.1.1"),
        "{error}"
    );
}

#[tokio::test]
async fn an_export_of_the_right_name_and_the_wrong_type_is_a_mismatch() {
    let error = load_text(
        r#"(component
            (instance $empty)
            (export "flow:connector/connector@0.1.1" (instance $empty)))"#,
    )
    .await;
    assert!(matches!(error, LoadError::Mismatch(_)), "{error}");
    assert!(
        error.to_string().contains("describe"),
        "the message names the missing function: {error}"
    );
}

/// The FTP connector, with other versions or names in its imports and exports.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "lengths are written in the component");
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut bytes = flowhost::FTP_COMPONENT.to_vec();
    let places: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|place| bytes[*place..].starts_with(from))
        .collect();
    assert!(!places.is_empty(), "{from:?} is not in it");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to);
    }
    bytes
}

#[tokio::test]
async fn connectors_of_other_versions_that_import_nothing_new_are_loaded() {
    for version in ["@0.1.0", "@0.1.9"] {
        let loaded = load_bytes(&renamed("@0.1.1", version)).await;
        loaded.unwrap_or_else(|error| panic!("{version}: {error}"));
    }
}

#[tokio::test]
async fn what_is_new_to_this_host_is_named() {
    for (from, to, words) in [
        ("@0.1.1", "@0.2.0", "@0.2.0"),
        (
            "flow:connector/connector@0.1.1",
            "flow:connector/connector@0.2.0",
            "flow:connector/connector@0.2.0",
        ),
        (
            "remaining-ms",
            "remaining-us",
            "imports flow:connector/context@0.1.1 with `remaining-us`,",
        ),
        (
            "reader.note",
            "reader.nota",
            "imports flow:connector/exchange@0.1.1 with `[method]reader.nota`,",
        ),
    ] {
        let error = load_bytes(&renamed(from, to)).await.expect_err(to);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn an_import_that_the_host_has_not_is_named() {
    let error = load_text(
        r#"(component
            (import "other:thing/needed@1.0.0" (instance (export "call" (func)))))"#,
    )
    .await;
    let LoadError::Import(name) = &error else {
        panic!("{error}")
    };
    assert_eq!(name, "other:thing/needed@1.0.0");
}
