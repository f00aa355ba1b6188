//! What a connector says of itself, for people and for programs. It may be anybody's connector, and say anything.

use crate::contract::Descriptor;
use serde_json::{Value, json};

/// Schemas nest little; a deeper one is cut rather than followed in circles.
const MAX_DEPTH: usize = 8;
/// Columns of a line of prose.
const WIDTH: usize = 100;
/// Lines of a page. A schema that refers to itself again and again would fill any number.
const MOST_LINES: usize = 5_000;
/// Bytes of a page.
const MOST_BYTES: usize = 1 << 20;

/// The descriptor as JSON, with the whole schemas.
///
/// # Errors
/// When a schema is not JSON.
pub fn json(descriptor: &Descriptor) -> serde_json::Result<Value> {
    let schema = |text: &str| serde_json::from_str::<Value>(text);
    let endpoints = descriptor.endpoints.iter().map(|endpoint| {
        Ok(json!({
            "name": endpoint.name, "title": endpoint.title, "description": endpoint.description,
            "options_schema": schema(&endpoint.options_schema)?,
        }))
    });
    Ok(json!({
        "id": descriptor.id, "version": descriptor.version, "title": descriptor.title,
        "description": descriptor.description,
        "connection_schema": schema(&descriptor.connection_schema)?,
        "endpoints": endpoints.collect::<serde_json::Result<Vec<_>>>()?,
    }))
}

/// The descriptor as a page of text.
///
/// # Errors
/// When a schema is not JSON.
pub fn text(descriptor: &Descriptor) -> serde_json::Result<Page> {
    let mut page = Page::default();
    page.line(
        0,
        &format!("{} {} ({})", descriptor.title, descriptor.version, descriptor.id),
    );
    page.paragraph(0, &descriptor.description);
    page.section("Connection settings");
    page.members(2, &serde_json::from_str(&descriptor.connection_schema)?);
    for endpoint in &descriptor.endpoints {
        page.section(&format!("Endpoint {}: {}", endpoint.name, endpoint.title));
        page.paragraph(2, &endpoint.description);
        page.members(2, &serde_json::from_str(&endpoint.options_schema)?);
    }
    Ok(page)
}

/// A page of text, line by line.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    lines: usize,
}

impl Page {
    /// All of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds a line. Control characters in it, which a terminal would obey, become blanks.
    pub fn line(&mut self, indent: usize, text: &str) {
        if self.is_full() {
            return;
        }
        let line = format!("{:indent$}{text}", "");
        let clean = line
            .trim_end()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c });
        self.text.extend(clean);
        self.text.push('\n');
        self.lines += 1;
        if self.is_full() {
            self.text.push_str("… and more\n");
        }
    }

    fn is_full(&self) -> bool {
        self.lines >= MOST_LINES || self.text.len() >= MOST_BYTES
    }

    /// Adds a heading.
    pub fn section(&mut self, title: &str) {
        self.line(0, "");
        self.line(0, title);
    }

    /// Adds prose, wrapped.
    pub fn paragraph(&mut self, indent: usize, text: &str) {
        self.entry(indent, "", 0, text);
    }

    /// Adds a word, and prose beside it, wrapped in a column that begins `column` behind the word's own.
    pub fn entry(&mut self, indent: usize, word: &str, column: usize, text: &str) {
        let mut beside = format!("{word:column$}");
        let mut line = String::new();
        let mut width = indent + column;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if !line.is_empty() && width + length >= WIDTH {
                self.line(indent, &format!("{beside}{line}"));
                beside = " ".repeat(column);
                line.clear();
                width = indent + column;
            }
            if !line.is_empty() {
                line.push(' ');
                width += 1;
            }
            line.push_str(word);
            width += length;
        }
        if !line.is_empty() {
            self.line(indent, &format!("{beside}{line}"));
        }
    }

    /// The members of an object: name, kind, default, description; nested ones below.
    fn members(&mut self, indent: usize, root: &Value) {
        self.object(indent, root, root, MAX_DEPTH);
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
            if self.is_full() {
                return;
            }
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
        page.members(2, &schema);
        assert_eq!(
            page.text(),
            "  host  (string, required, for example h.example)\n      Where to.\n  \
             port  (integer 1 to 9, default 5)\n  auth  (anonymous | object)\n      \
             password  (string, secret)\n  mode  (a | b)\n"
        );
    }

    #[test]
    fn prose_stays_in_its_column() {
        let mut page = Page::default();
        page.entry(2, "word", 8, &"ab ".repeat(60));
        let lines: Vec<&str> = page.text().lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("  word    ab ab") && lines[1].starts_with("          ab"));
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{lines:?}");
    }

    #[test]
    fn a_page_obeys_nobody_and_has_an_end() {
        let mut members = serde_json::Map::new();
        for number in 0..40 {
            let name = format!("m{number}\u{1b}[2J\n");
            members.insert(name, json!({"$ref": "#", "description": "a\u{7}b"}));
        }
        let mut page = Page::default();
        page.members(0, &json!({"properties": members}));
        let text = page.text();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        assert!(text.lines().count() <= MOST_LINES + 1 && text.ends_with("… and more\n"));
    }
}
