//! `docs/ftp.md` documents every setting and option of the FTP connector, and each with an example that the
//! connector takes: the examples are put into flows and checked as any flow is.

use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::flow::{self, LoadOptions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The examples below the headings of a part of the document, by the name in the heading.
fn examples(document: &str, part: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for chapter in document
        .split("\n## ")
        .filter(|chapter| chapter.starts_with(part))
    {
        for section in chapter.split("\n### ").skip(1) {
            let name = section.split('`').nth(1).expect("a heading names its setting");
            let example = section
                .split_once("```yaml\n")
                .and_then(|(_, rest)| rest.split_once("\n```"))
                .unwrap_or_else(|| panic!("`{name}` has no example"))
                .0;
            assert!(
                example.contains(&format!("{name}:")),
                "the example of `{name}` does not use it"
            );
            let twice = found.insert(name.to_owned(), example.to_owned());
            assert!(twice.is_none(), "`{name}` is documented twice");
        }
    }
    found
}

fn names(schema: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).expect("a schema is JSON");
    let properties = schema["properties"].as_object().expect("a schema has properties");
    let mut names: Vec<_> = properties.keys().cloned().collect();
    names.sort();
    names
}

fn indented(yaml: &str, by: usize) -> String {
    yaml.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// Checks a flow as `flowhost check --offline` does.
async fn check(name: &str, settings: &str, options: &str, endpoint: &str) {
    let runtime = Runtime::new(RuntimeOptions::default()).expect("an engine");
    let folder = std::env::temp_dir().join(format!("ftp-reference-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    fs::write(folder.join("password"), "secret").expect("own folder");
    let settings = settings.replace("${env:WAREHOUSE_PASSWORD}", "${file:password}");
    let flow = format!(
        "name: example\ninstances:\n  warehouse:\n    connector: ftp\n    settings:\n{}steps:\n  - use: warehouse\n    endpoint: {endpoint}\n    options:\n{}",
        indented(&settings, 6),
        indented(options, 6)
    );
    let path = folder.join(format!("{name}.yaml"));
    fs::write(&path, &flow).expect("own folder");
    let loaded = flow::load(&runtime, &path, &LoadOptions::default()).await;
    if let Err(problems) = loaded {
        panic!("the example of `{name}` is refused: {problems}\n{flow}");
    }
}

#[tokio::test]
async fn every_setting_and_option_has_an_example_that_works() {
    let runtime = Runtime::new(RuntimeOptions::default()).expect("an engine");
    let connector = runtime
        .load(flowhost::FTP_COMPONENT)
        .await
        .expect("the FTP connector fits");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ftp.md");
    let document = fs::read_to_string(path).expect("the document is readable");

    let settings = examples(&document, "Connection settings");
    assert_eq!(
        settings.keys().cloned().collect::<Vec<_>>(),
        names(&connector.descriptor.connection_schema)
    );
    for (name, example) in &settings {
        let mut settings = example.clone();
        if !example.contains("host:") {
            settings.push_str("\nhost: ftp.example.com");
        }
        check(name, &settings, "path: orders/", "ftp-get").await;
    }

    let options = examples(&document, "Options:");
    assert_eq!(
        options.keys().cloned().collect::<Vec<_>>(),
        names(&connector.descriptor.endpoints[0].options_schema)
    );
    for (name, example) in &options {
        let endpoint = if example.contains("command:") {
            "ftp-put"
        } else {
            "ftp-get"
        };
        check(name, "host: ftp.example.com", example, endpoint).await;
    }
}
