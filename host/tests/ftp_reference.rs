//! `docs/ftp.md` documents every setting and option of the FTP connector, and each with an example that the
//! connector takes: the examples are put into flows and checked as any flow is.

use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::flow::{self, LoadOptions};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
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
    yaml.lines()
        .fold(String::new(), |text, line| text + &" ".repeat(by) + line + "\n")
}

/// A flow with all examples: an instance for each setting, and a step for each option.
fn flow_of(settings: &BTreeMap<String, String>, options: &BTreeMap<String, String>) -> String {
    let mut flow = "name: examples\ninstances:\n".to_owned();
    for (name, example) in settings {
        let host = if example.contains("host:") {
            ""
        } else {
            "      host: ftp.example.com\n"
        };
        let example = indented(example, 6).replace("${env:WAREHOUSE_PASSWORD}", "${file:password}");
        write!(
            flow,
            "  {name}:\n    connector: ftp\n    settings:\n{host}{example}"
        )
        .expect("a string takes all");
    }
    // Some examples use what a payload brings along.
    flow.push_str("steps:\n  - { id: first, use: host, endpoint: ftp-get }\n");
    for (name, example) in options {
        let endpoint = if example.contains("command:") {
            "ftp-put"
        } else {
            "ftp-get"
        };
        write!(
            flow,
            "  - id: {name}\n    use: host\n    endpoint: {endpoint}\n    options:\n{}",
            indented(example, 6)
        )
        .expect("a string takes all");
    }
    flow
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
    let options = examples(&document, "Options:");
    assert_eq!(
        options.keys().cloned().collect::<Vec<_>>(),
        names(&connector.descriptor.endpoints[0].options_schema)
    );

    let folder = std::env::temp_dir().join(format!("ftp-reference-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    fs::write(folder.join("password"), "secret").expect("own folder");
    let path = folder.join("examples.yaml");
    fs::write(&path, flow_of(&settings, &options)).expect("own folder");
    let loaded = flow::load(&runtime, &path, &LoadOptions::default()).await;
    fs::remove_dir_all(&folder).expect("own folder");
    if let Err(problems) = loaded {
        panic!("examples of docs/ftp.md are refused:\n{problems}");
    }
}
