//! How large a schema is when everything it refers to is written out.
//!
//! Connectors bring schemas, and not all of them mean well: 27 definitions of which each refers twice to the one before
//! make a hundred million rules.

use crate::flow::document::child;
use serde_json::Value;
use std::collections::HashMap;
use thiserror::Error;

/// Levels of a schema that are written out, and levels that a value may have: it takes two of the schema's or more for
/// one of the value's, so that no value leads deeper.
const MOST_LEVELS: usize = 64;

/// Parts of a schema, written out. Those of the FTP connector have some thousand.
const MOST_PARTS: usize = 100_000;

/// What refers in ways that are not followed here.
const UNFOLLOWED: [&str; 4] = ["$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"];

/// Keywords below which nothing is a schema.
const PLAIN: [&str; 4] = ["const", "default", "enum", "examples"];

/// Why a schema is refused.
#[derive(Debug, Error)]
pub enum Endless {
    /// It grows when it is written out.
    #[error("written out, its `$ref`s make more than {MOST_PARTS} parts")]
    TooLarge,
    /// It refers to something else than a part of itself.
    #[error("`$ref` may only name a part of the schema itself, as in `#/$defs/name`, not `{0}`")]
    Elsewhere(String),
    /// It refers in another way.
    #[error("`{0}` is not supported; use `$ref` and `$defs`")]
    Unfollowed(&'static str),
}

/// # Errors
/// When checking a value against the schema could take for ever.
pub(super) fn bounded(schema: &Value) -> Result<(), Endless> {
    let mut sizes = Sizes {
        root: schema,
        known: HashMap::new(),
    };
    if sizes.of(schema, MOST_LEVELS)? > MOST_PARTS {
        return Err(Endless::TooLarge);
    }
    Ok(())
}

struct Sizes<'a> {
    root: &'a Value,
    /// By the part of the schema (where it is in memory) and the levels that are left.
    known: HashMap<(*const Value, usize), usize>,
}

impl<'a> Sizes<'a> {
    /// How many parts a schema has, down to so many levels.
    fn of(&mut self, schema: &'a Value, levels: usize) -> Result<usize, Endless> {
        let Some(below) = levels.checked_sub(1) else {
            return Ok(0);
        };
        let place = (std::ptr::from_ref(schema), levels);
        if let Some(size) = self.known.get(&place) {
            return Ok(*size);
        }
        let mut size = 1_usize;
        match schema {
            Value::Array(items) => {
                for item in items {
                    size = size.saturating_add(self.of(item, below)?);
                }
            }
            Value::Object(members) => {
                for (name, member) in members.iter().filter(|(name, _)| !PLAIN.contains(&name.as_str())) {
                    if let Some(name) = UNFOLLOWED.into_iter().find(|unfollowed| unfollowed == name)
                        && member.is_string()
                    {
                        return Err(Endless::Unfollowed(name));
                    }
                    let part = match member {
                        Value::String(target) if name == "$ref" => self.target(target)?,
                        member => member,
                    };
                    size = size.saturating_add(self.of(part, below)?);
                }
            }
            _ => {}
        }
        self.known.insert(place, size);
        Ok(size)
    }

    fn target(&self, reference: &str) -> Result<&'a Value, Endless> {
        let target = reference.strip_prefix('#');
        target
            .and_then(|target| self.root.pointer(target))
            .ok_or_else(|| Endless::Elsewhere(reference.to_owned()))
    }
}

/// The first value that is nested more deeply than schemas are followed.
pub(super) fn too_deep(value: &Value) -> Option<String> {
    fn below(value: &Value, pointer: &str, levels: usize) -> Option<String> {
        let Some(levels) = levels.checked_sub(1) else {
            return Some(pointer.to_owned());
        };
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .find_map(|(index, item)| below(item, &child(pointer, &index.to_string()), levels)),
            Value::Object(members) => members
                .iter()
                .find_map(|(name, member)| below(member, &child(pointer, name), levels)),
            _ => None,
        }
    }
    below(value, "", MOST_LEVELS / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(schema: &Value) -> String {
        bounded(schema).expect_err("endless").to_string()
    }

    #[test]
    fn what_refers_to_itself_more_than_once_is_endless() {
        let mut definitions = json!({"d0": {"type": "string"}});
        for number in 1..28 {
            let before = json!({"$ref": format!("#/$defs/d{}", number - 1)});
            definitions[format!("d{number}")] = json!({"allOf": [before, before]});
        }
        let laughs = json!({"$defs": definitions, "$ref": "#/$defs/d27"});
        let twins =
            json!({"properties": {"a": {"$ref": "#"}, "b": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
        for schema in [laughs, twins] {
            assert!(refusal(&schema).contains("more than 100000 parts"));
        }
        let list =
            json!({"type": "object", "properties": {"next": {"$ref": "#"}, "text": {"type": "string"}}});
        assert!(bounded(&list).is_ok());
    }

    #[test]
    fn only_parts_of_the_schema_itself_are_referred_to() {
        for elsewhere in [
            "file:///etc/passwd",
            "http://example.com/schema",
            "#name",
            "#/$defs/none",
        ] {
            assert!(refusal(&json!({"items": {"$ref": elsewhere}})).contains("a part of the schema itself"));
        }
        assert!(refusal(&json!({"$anchor": "a"})).contains("`$anchor` is not supported"));
        // Neither is a reference: one is the name of a member, the other a value.
        let names = json!({"properties": {"$ref": {"type": "string"}}, "const": {"$ref": "x"}});
        assert!(bounded(&names).is_ok());
    }

    #[test]
    fn values_have_no_more_levels_than_schemas() {
        let mut value = json!(1);
        for _ in 0..MOST_LEVELS / 2 - 1 {
            value = json!([value]);
        }
        assert_eq!(too_deep(&value), None);
        assert_eq!(too_deep(&json!([value])), Some("/0".repeat(MOST_LEVELS / 2)));
    }
}
