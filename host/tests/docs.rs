//! What the documents say is what the program does: tables come from the connector's own schemas, and the
//! embedding example is the program that the tests run. `UPDATE_GOLDEN=1` rewrites the generated parts.

use flowhost::engine::{Runtime, RuntimeOptions};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares, or rewrites, the part of a document between `<!-- generated: NAME -->` and `<!-- end -->`.
fn compare_part(document: &str, name: &str, expected: &str) {
    let path = repository().join(document);
    let text = fs::read_to_string(&path).expect("the document is readable");
    let start = format!("<!-- generated: {name} -->\n");
    let (before, rest) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("{document} has no part {name:?}"));
    let (found, after) = rest.split_once("<!-- end -->").expect("the part has an end");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{before}{start}{expected}<!-- end -->{after}")).expect("writable");
    } else {
        assert_eq!(
            found, expected,
            "{document}, part {name:?}: run with UPDATE_GOLDEN=1 to rewrite it"
        );
    }
}

/// A schema's properties as a Markdown table, in the order in which forms show them.
fn table(schema: &str) -> String {
    let schema: Value = serde_json::from_str(schema).expect("a schema is JSON");
    let properties = schema["properties"].as_object().expect("a schema has properties");
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut table = "| name | values | default | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, property) in properties {
        let default = match &property["default"] {
            _ if required.contains(&Value::from(name.as_str())) => "required".to_owned(),
            Value::Null => String::new(),
            value => format!("`{}`", plain(value)),
        };
        let meaning = property["description"]
            .as_str()
            .expect("every property has a description");
        let example = match property["examples"].get(0) {
            Some(example) => format!(" Example: `{}`", plain(example)),
            None => String::new(),
        };
        let (values, meaning) = (values(property), cell(meaning));
        writeln!(table, "| `{name}` | {values} | {default} | {meaning}{example} |")
            .expect("a string takes all");
    }
    table
}

fn plain(value: &Value) -> String {
    cell(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn values(property: &Value) -> String {
    let alternatives = ["oneOf", "anyOf"].iter().find_map(|key| property[key].as_array());
    if let Some(alternatives) = alternatives {
        return alternatives.iter().map(values).collect::<Vec<_>>().join(" or ");
    }
    if let Some(word) = property["const"].as_str() {
        return format!("`{word}`");
    }
    if let Some(words) = property["enum"].as_array() {
        return words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let Some(types) = property["type"].as_array() {
        let alternatives = types.iter().filter(|name| *name != "null").map(|name| {
            let mut one = property.clone();
            one["type"] = name.clone();
            values(&one)
        });
        return alternatives.collect::<Vec<_>>().join(" or ");
    }
    match property["type"].as_str() {
        Some("object") => {
            let names = property["properties"].as_object().map(|members| {
                members
                    .keys()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            });
            names.map_or_else(|| "object".to_owned(), |names| format!("object with {names}"))
        }
        Some("integer") => match (property["minimum"].as_u64(), property["maximum"].as_u64()) {
            (Some(minimum), Some(maximum)) => format!("{minimum} to {maximum}"),
            _ => "whole number".to_owned(),
        },
        Some("string") => "text".to_owned(),
        Some("boolean") => "`true`, `false`".to_owned(),
        other => panic!("the table has no words for the type {other:?} of {property}"),
    }
}

#[test]
fn the_limits_are_those_of_the_policy() {
    let schema = flowhost::policy::file::schema_json();
    let limits = schema["$defs"]["Limits"].to_string();
    compare_part("docs/policy.md", "limits", &table(&limits));
}

#[tokio::test]
async fn the_readme_has_every_setting_and_option() {
    let runtime = Runtime::new(RuntimeOptions::default()).expect("an engine");
    let connector = runtime
        .load(flowhost::FTP_COMPONENT)
        .await
        .expect("the FTP connector fits");
    compare_part(
        "README.md",
        "connection",
        &table(&connector.descriptor.connection_schema),
    );
    for endpoint in &connector.descriptor.endpoints {
        compare_part("README.md", &endpoint.name, &table(&endpoint.options_schema));
    }
}

#[test]
fn the_embedding_page_shows_the_program_that_is_tested() {
    let program = fs::read_to_string(repository().join("host/examples/embed.rs")).expect("readable");
    compare_part("docs/embedding.md", "embed", &format!("```rust\n{program}```\n"));
}

#[test]
fn the_page_about_connectors_shows_the_template_that_is_tested() {
    let template = fs::read_to_string(repository().join("kit/template/src/lib.rs")).expect("readable");
    // As `cargo xtask new-connector demo` makes it.
    let made = [
        ("my-connector", "demo"),
        ("my_connector", "demo"),
        ("MyConnector", "Demo"),
        ("My connector", "Demo"),
    ]
    .iter()
    .fold(template, |text, (from, to)| text.replace(from, to));
    compare_part(
        "docs/new-connector.md",
        "template",
        &format!("```rust\n{made}```\n"),
    );
}

#[test]
fn the_page_about_serving_has_every_number() {
    let metrics = flowhost::serve::metrics::Metrics::new();
    metrics.add("f");
    let text = metrics.text();
    let page = fs::read_to_string(repository().join("docs/serve.md")).expect("readable");
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let missing: Vec<_> = kinds
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("`{name}_total`"),
            _ => format!("`{name}`"),
        })
        .filter(|name| !page.contains(name.as_str()))
        .collect();
    assert!(text.contains("# TYPE") && missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_about_connectors_has_every_check() {
    let table = flowhost::conformance::report::list_markdown();
    compare_part("docs/conformance-connector.md", "checks", &table);
}
