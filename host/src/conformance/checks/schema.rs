//! The schemas of settings and options.

use super::{Check, CheckId, Needs};
use crate::conformance::bench::Bench;
use crate::conformance::report::Verdict;
use crate::flow::document::child;
use crate::flow::schema::Schema;
use serde_json::Value;

/// They are schemas.
pub const VALID: Check = Check {
    id: "schema.valid",
    interface: "connector",
    sentence: "JSON Schema (2020-12) of its options.",
    does: "Compiles the schemas of the connection and of each endpoint's options. They may refer to parts of themselves \
           only, have a bounded size when written out, and describe objects.",
    needs: Needs::Nothing,
};
/// People can read them.
pub const WORDS: Check = Check {
    id: "schema.words",
    interface: "connector",
    sentence: "Every property has a title and a description;",
    does: "Looks at every property of every schema, also below `properties`, `items`, `$defs`, `anyOf` and the like.",
    needs: Needs::Nothing,
};
/// Secrets are marked.
pub const SECRETS: Check = Check {
    id: "schema.secrets",
    interface: "connector",
    sentence: "secrets are marked `writeOnly`;",
    does: "Looks for texts without `writeOnly` whose names say that they are secrets: `password`, `passphrase`, `secret`, \
           `token`, `api_key`, `access_key`, `private_key`, `credential`, `pin`.",
    needs: Needs::Nothing,
};
/// Examples are right.
pub const DEFAULTS: Check = Check {
    id: "schema.defaults",
    interface: "connector",
    sentence: "JSON Schema (2020-12) of the connection settings, under the rules of `options-schema`.",
    does: "Checks each `default` of a property against the property's own schema.",
    needs: Needs::Nothing,
};

pub(super) const CHECKS: &[CheckId] = &[&VALID, &WORDS, &SECRETS, &DEFAULTS];

pub(super) fn run(bench: &mut Bench) {
    let said = bench.connector.descriptor.clone();
    let connection = ("connection", &said.connection_schema);
    let options = said
        .endpoints
        .iter()
        .map(|endpoint| (endpoint.name.as_str(), &endpoint.options_schema));
    for (name, text) in std::iter::once(connection).chain(options) {
        let schema = match compiled(text) {
            Ok(schema) => schema,
            Err(complaint) => {
                bench.book.put(&VALID, name, Verdict::Failed(complaint));
                continue;
            }
        };
        bench.book.put(&VALID, name, Verdict::Passed);
        let properties = properties(&schema);
        if properties.is_empty() {
            for check in [&WORDS, &SECRETS, &DEFAULTS] {
                let reason = format!("the schema of {name} has no properties");
                bench.book.put(check, name, Verdict::NotApplicable(reason));
            }
            continue;
        }
        let told = |found: Vec<&Property>, what: &str| {
            let names: Vec<&str> = found.iter().map(|property| property.pointer.as_str()).collect();
            (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
        };
        let silent = properties
            .iter()
            .filter(|property| !property.has_words())
            .collect();
        bench.book.put(
            &WORDS,
            name,
            Verdict::unless(told(silent, "without title or description")),
        );
        let open = properties
            .iter()
            .filter(|property| property.is_open_secret())
            .collect();
        bench.book.put(
            &SECRETS,
            name,
            Verdict::unless(told(open, "not marked `writeOnly`")),
        );
        let wrong = properties
            .iter()
            .filter(|property| property.has_wrong_default(&schema))
            .collect();
        bench.book.put(
            &DEFAULTS,
            name,
            Verdict::unless(told(wrong, "a default that its own schema refuses")),
        );
    }
}

fn compiled(text: &str) -> Result<Value, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    Schema::from_value(schema.clone()).map_err(|error| error.to_string())?;
    let named = schema.get("$schema").and_then(Value::as_str);
    if named.is_some_and(|named| !named.contains("2020-12")) {
        return Err(format!(
            "it says that it is another kind of schema: {}",
            named.unwrap_or_default()
        ));
    }
    let accepts_text = Schema::from_value(schema.clone())
        .is_ok_and(|schema| schema.check(&Value::from(""), |_| false).is_empty());
    if accepts_text {
        return Err("it accepts a text, and settings and options are objects".to_owned());
    }
    Ok(schema)
}

/// A property of a schema.
struct Property<'a> {
    /// Where in the schema.
    pointer: String,
    name: String,
    schema: &'a Value,
}

impl Property<'_> {
    fn has_words(&self) -> bool {
        let text = |keyword| {
            self.schema
                .get(keyword)
                .and_then(Value::as_str)
                .is_some_and(|text| !text.trim().is_empty())
        };
        // What it can only be is what it means: one form of several, told apart by a fixed word.
        self.schema.get("const").is_some() || (text("title") && text("description"))
    }

    /// Names do not prove anything; a connector that means something else by one finds another.
    fn is_open_secret(&self) -> bool {
        const WORDS: [&str; 7] = [
            "password",
            "passwd",
            "passphrase",
            "secret",
            "token",
            "credential",
            "credentials",
        ];
        const PAIRS: [&str; 5] = ["api_key", "apikey", "access_key", "private_key", "secret_key"];
        let mut name = String::new();
        for letter in self.name.chars() {
            if letter.is_uppercase() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        let name = name.replace(['-', ' '], "_");
        let last = name.rsplit('_').next().unwrap_or_default();
        let names_one =
            WORDS.contains(&last) || last == "pin" || PAIRS.iter().any(|pair| name.ends_with(pair));
        let is_text = match self.schema.get("type") {
            Some(Value::String(kind)) => kind == "string",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
            _ => false,
        };
        let chosen = self.schema.get("enum").is_some() || self.schema.get("const").is_some();
        names_one && is_text && !chosen && self.schema.get("writeOnly") != Some(&Value::Bool(true))
    }

    fn has_wrong_default(&self, whole: &Value) -> bool {
        // Null says that there is none.
        let Some(default) = self.schema.get("default").filter(|default| !default.is_null()) else {
            return false;
        };
        let mut schema = self.schema.clone();
        // What it refers to is in the whole schema.
        if let (Some(own), Some(definitions)) = (schema.as_object_mut(), whole.get("$defs")) {
            own.insert("$defs".to_owned(), definitions.clone());
        }
        Schema::from_value(schema).is_ok_and(|schema| !schema.check(default, |_| false).is_empty())
    }
}

/// All properties of a schema, wherever in it. What is only referred to is found where it stands.
fn properties(schema: &Value) -> Vec<Property<'_>> {
    let mut found = Vec::new();
    walk(schema, "", &mut found);
    found
}

fn walk<'a>(schema: &'a Value, pointer: &str, found: &mut Vec<Property<'a>>) {
    let Some(members) = schema.as_object() else { return };
    for (keyword, value) in members {
        let place = child(pointer, keyword);
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, schema) in properties {
                    let pointer = child(&place, name);
                    walk(schema, &pointer, found);
                    let name = name.clone();
                    found.push(Property {
                        pointer,
                        name,
                        schema,
                    });
                }
            }
            ("$defs" | "definitions" | "patternProperties" | "dependentSchemas", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    walk(schema, &child(&place, name), found);
                }
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                for (index, schema) in schemas.iter().enumerate() {
                    walk(schema, &child(&place, &index.to_string()), found);
                }
            }
            (
                "items"
                | "contains"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "not"
                | "if"
                | "then"
                | "else",
                schema,
            ) => walk(schema, &place, found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(schema: &Value, wanted: impl Fn(&Property) -> bool) -> Vec<String> {
        let properties = properties(schema);
        properties
            .into_iter()
            .filter(|property| wanted(property))
            .map(|property| property.pointer)
            .collect()
    }

    #[test]
    fn properties_are_found_wherever_they_are() {
        let words = json!({"title": "A", "description": "B"});
        let schema = json!({
            "type": "object",
            "properties": {"good": words, "bad": {"title": "x", "description": " "},
                "form": {"oneOf": [{"properties": {"kind": {"const": "a"}, "inner": {}}}], "title": "t", "description": "d"}},
            "$defs": {"deep": {"items": {"properties": {"below": {"title": "t"}}}}},
        });
        assert_eq!(
            pointers(&schema, |property| !property.has_words()),
            [
                "/properties/bad",
                "/properties/form/oneOf/0/properties/inner",
                "/$defs/deep/items/properties/below"
            ]
        );
    }

    #[test]
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's own path is of one lifetime, and any is wanted"
    )]
    fn secrets_are_known_by_their_names() {
        let text = json!({"type": "string"});
        let schema = json!({"properties": {"password": text, "accessKey": text, "api-key": text, "bearer_token": text,
            "token_lifetime": {"type": "integer"}, "key": text, "pinned": text, "password_file": text,
            "secret": {"type": "string", "writeOnly": true}, "token": {"type": "string", "enum": ["bearer"]}}});
        assert_eq!(
            pointers(&schema, |property| property.is_open_secret()),
            [
                "/properties/password",
                "/properties/accessKey",
                "/properties/api-key",
                "/properties/bearer_token"
            ]
        );
    }

    #[test]
    fn defaults_fit_their_schema() {
        let schema = json!({"$defs": {"port": {"type": "integer", "minimum": 1}}, "properties": {
            "good": {"$ref": "#/$defs/port", "default": 21}, "bad": {"$ref": "#/$defs/port", "default": 0}}});
        assert_eq!(
            pointers(&schema, |property| property.has_wrong_default(&schema)),
            ["/properties/bad"]
        );
    }
}
