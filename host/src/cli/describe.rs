//! `flowhost describe`.

use super::{Wrong, output, runtime};
use flowhost::component::Connector;
use flowhost::component::artefact::Artefact;
use flowhost::component::capability::{Access, CAPABILITIES, Capability};
use indicatif::HumanBytes;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `ftp`, or the path of a `.wasm` file.
    connector: String,
    /// Print one JSON object, with the whole schemas.
    #[arg(long)]
    json: bool,
}

pub(super) async fn describe(args: Args) -> anyhow::Result<ExitCode> {
    let artefact =
        Artefact::find(&args.connector, Path::new("")).map_err(|error| Wrong(error.to_string()))?;
    let connector = runtime()?
        .load_artefact(&artefact)
        .await
        .map_err(|error| Wrong(error.to_string()))?;
    let text = if args.json {
        as_json(&args.connector, &connector)?.to_string()
    } else {
        as_text(&args.connector, &connector)?
    };
    output::line(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn as_json(path: &str, connector: &Connector) -> anyhow::Result<Value> {
    let descriptor = &connector.descriptor;
    let schema = |text: &str| serde_json::from_str::<Value>(text);
    let endpoints = descriptor.endpoints.iter().map(|endpoint| {
        anyhow::Ok(json!({
            "name": endpoint.name, "title": endpoint.title, "description": endpoint.description,
            "options_schema": schema(&endpoint.options_schema)?,
        }))
    });
    let imports = connector.imports.iter().map(|interface| {
        let capability = Capability::of(interface);
        json!({
            "interface": interface,
            "access": capability.map(|capability| capability.access),
            "topic": capability.map(|capability| capability.topic),
            "meaning": capability.map(|capability| capability.meaning),
        })
    });
    Ok(json!({
        "id": descriptor.id, "version": descriptor.version, "title": descriptor.title,
        "description": descriptor.description,
        "connection_schema": schema(&descriptor.connection_schema)?,
        "endpoints": endpoints.collect::<anyhow::Result<Vec<_>>>()?,
        "digest": format!("sha256:{}", connector.digest), "size": connector.size,
        "pin": {"path": path, "sha256": connector.digest},
        "imports": imports.collect::<Vec<_>>(), "exports": connector.exports,
    }))
}

fn as_text(path: &str, connector: &Connector) -> anyhow::Result<String> {
    let descriptor = &connector.descriptor;
    let mut page = Page::default();
    page.line(
        0,
        &format!("{} {} ({})", descriptor.title, descriptor.version, descriptor.id),
    );
    page.paragraph(0, &descriptor.description);
    page.section("Connection settings");
    page.members(
        2,
        &serde_json::from_str(&descriptor.connection_schema)?,
        MAX_DEPTH,
    );
    for endpoint in &descriptor.endpoints {
        page.section(&format!("Endpoint {}: {}", endpoint.name, endpoint.title));
        page.paragraph(2, &endpoint.description);
        page.members(2, &serde_json::from_str(&endpoint.options_schema)?, MAX_DEPTH);
    }
    page.component(path, connector);
    page.capabilities(&connector.imports);
    Ok(page.0)
}

/// Schemas nest little; a deeper one is cut rather than followed in circles.
const MAX_DEPTH: usize = 8;
/// Columns before what a topic means.
const TOPIC: usize = 13;
/// Columns of a line of prose.
const WIDTH: usize = 100;

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        self.0.push_str(format!("{:indent$}{text}", "").trim_end());
        self.0.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(0, "");
        self.line(0, title);
    }

    /// Prose, wrapped.
    fn paragraph(&mut self, indent: usize, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && indent + line.chars().count() + word.chars().count() >= WIDTH {
                self.line(indent, &std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.line(indent, &line);
        }
    }

    /// The bytes, how to pin them, and what they export.
    fn component(&mut self, path: &str, connector: &Connector) {
        self.section("Component");
        let size = HumanBytes(connector.size as u64);
        self.line(2, &format!("sha256:{}, {size}", connector.digest));
        self.line(2, "exports:");
        for name in &connector.exports {
            self.line(4, name);
        }
        self.line(
            2,
            "to run these bytes and no others, write in the flow file, with the path as seen from there:",
        );
        self.line(4, "connector:");
        self.line(6, &format!("path: {}", yaml(path)));
        self.line(6, &format!("sha256: \"{}\"", connector.digest));
    }

    /// What the imports let it do, by how the host answers.
    fn capabilities(&mut self, imports: &[String]) {
        self.section("What it may do");
        for (access, title) in [
            (Access::Granted, "granted, within the policy and the limits:"),
            (Access::Denied, "always denied, whatever the policy says:"),
            (Access::Harmless, "harmless:"),
        ] {
            let mut title = Some(title);
            for capability in CAPABILITIES
                .iter()
                .filter(|capability| capability.access == access)
            {
                let names: Vec<&str> = imports
                    .iter()
                    .filter(|import| Capability::of(import) == Some(capability))
                    .map(String::as_str)
                    .collect();
                if names.is_empty() {
                    continue;
                }
                if let Some(title) = title.take() {
                    self.line(2, title);
                }
                self.topic(capability.topic, capability.meaning);
                self.paragraph(4 + TOPIC, &format!("({})", names.join(", ")));
            }
        }
    }

    /// A word with its meaning beside it.
    fn topic(&mut self, topic: &str, meaning: &str) {
        let mut meaning_alone = Self::default();
        meaning_alone.paragraph(4 + TOPIC, meaning);
        let rest = meaning_alone.0.get(4 + TOPIC..).unwrap_or_default();
        self.line(4, &format!("{topic:TOPIC$}{}", rest.trim_end()));
    }

    /// The members of an object: name, kind, default, description; nested ones below.
    fn members(&mut self, indent: usize, root: &Value, depth: usize) {
        self.object(indent, root, root, depth);
    }

    fn object(&mut self, indent: usize, schema: &Value, root: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let required = |name: &str| {
            let required = schema.get("required").and_then(Value::as_array);
            required.is_some_and(|required| required.iter().any(|other| other == name))
        };
        for (name, member) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let member = resolved(member, root);
            let mut facts = vec![kind(member, root)];
            if required(name) {
                facts.push("required".to_owned());
            }
            if let Some(default) = member.get("default").filter(|default| !default.is_null()) {
                facts.push(format!("default {}", plain(default)));
            }
            if member.get("writeOnly") == Some(&Value::Bool(true)) {
                facts.push("secret".to_owned());
            }
            if let Some(example) = member.get("examples").and_then(|examples| examples.get(0)) {
                facts.push(format!("for example {}", plain(example)));
            }
            facts.retain(|fact| !fact.is_empty());
            self.line(indent, &format!("{name}  ({})", facts.join(", ")));
            self.paragraph(
                indent + 4,
                member
                    .get("description")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
            );
            for form in forms(member) {
                self.object(indent + 4, resolved(form, root), root, depth);
            }
        }
    }
}

/// The schema itself and the forms that it allows.
fn forms(schema: &Value) -> impl Iterator<Item = &Value> {
    let choices = ["oneOf", "anyOf", "allOf"].into_iter();
    let choices = choices
        .filter_map(|keyword| schema.get(keyword)?.as_array())
        .flatten();
    std::iter::once(schema).chain(choices)
}

fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|target| target.strip_prefix('#'));
    target.and_then(|target| root.pointer(target)).unwrap_or(schema)
}

/// What a value may be, in a few words.
fn kind(schema: &Value, root: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    for form in forms(schema) {
        let form = resolved(form, root);
        if let Some(value) = form.get("const") {
            words.push(plain(value));
        } else if let Some(values) = form.get("enum").and_then(Value::as_array) {
            words.extend(values.iter().filter(|value| !value.is_null()).map(plain));
        } else {
            match form.get("type") {
                Some(Value::String(name)) => words.push(name.clone()),
                Some(Value::Array(names)) => words.extend(names.iter().map(plain)),
                _ => {}
            }
        }
    }
    words.retain(|word| word != "null");
    words.dedup();
    let range = match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(" {} to {}", plain(least), plain(most)),
        _ => String::new(),
    };
    format!("{}{range}", words.join(" | "))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A text as YAML takes it.
fn yaml(text: &str) -> String {
    let harmless = |character: char| character.is_ascii_alphanumeric() || "./_-".contains(character);
    if text.chars().all(harmless)
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || "./".contains(first))
    {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_shown_with_its_facts() {
        let schema = json!({
            "required": ["host"],
            "properties": {
                "host": {"type": "string", "description": "Where to.", "examples": ["h.example"]},
                "port": {"type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": 5},
                "auth": {"oneOf": [
                    {"const": "anonymous"},
                    {"type": "object", "properties": {"password": {"type": "string", "writeOnly": true}}},
                ]},
                "mode": {"$ref": "#/$defs/Mode"},
            },
            "$defs": {"Mode": {"enum": ["a", "b"]}},
        });
        let mut page = Page::default();
        page.members(2, &schema, MAX_DEPTH);
        assert_eq!(
            page.0,
            "  host  (string, required, for example h.example)\n      Where to.\n  \
             port  (integer 1 to 9, default 5)\n  auth  (anonymous | object)\n      \
             password  (string, secret)\n  mode  (a | b)\n"
        );
    }
}
