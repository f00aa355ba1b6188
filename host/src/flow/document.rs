//! A YAML file as JSON in which every value still knows its line.

mod depth;

use super::problem::{Place, Problem, in_one_line};
use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;
use std::fmt::Write as _;

/// A YAML document.
#[derive(Debug)]
pub struct Document {
    /// The file as it was named.
    pub file: String,
    /// The content.
    pub value: Value,
    /// JSON Pointer of each value -> where its key (in a mapping) or itself (in a sequence) begins.
    places: HashMap<String, Place>,
}

impl Document {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is not one YAML document of mappings with distinct text keys, sequences and plain values.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problem> {
        let problem = |place, field: &str, message: String| Problem {
            file: file.to_owned(),
            place,
            field: in_one_line(&field_name(field)),
            message: in_one_line(&message),
        };
        if let Some(marker) = depth::exceeded(text) {
            let message = format!("this is nested too deeply: more than {} levels", depth::MOST);
            return Err(problem(Some(place_of(marker)), "", message));
        }
        let documents = MarkedYaml::load_from_str(text).map_err(|error| {
            problem(
                Some(place_of(*error.marker())),
                "",
                format!("this is not valid YAML: {}", error.info()),
            )
        })?;
        let node = match documents.as_slice() {
            [node] if !matches!(node.data, YamlData::BadValue) => node,
            [] | [_] => return Err(problem(None, "", "the file is empty".to_owned())),
            [_, second, ..] => {
                let place = Some(place_of(second.span.start));
                return Err(problem(
                    place,
                    "",
                    "a file holds one flow; a second document begins here".to_owned(),
                ));
            }
        };
        let mut places = HashMap::new();
        let value = convert(node, "", &mut places)
            .map_err(|fault| problem(Some(fault.place), &fault.pointer, fault.message.to_owned()))?;
        Ok(Self {
            file: file.to_owned(),
            value,
            places,
        })
    }

    /// Where a value is; for a value that is missing, where the nearest one around it is.
    #[must_use]
    pub fn place(&self, pointer: &str) -> Option<Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return Some(*place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// A problem with a value, named by its JSON Pointer.
    #[must_use]
    pub fn problem(&self, pointer: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file.clone(),
            place: self.place(pointer),
            field: in_one_line(&field_name(pointer)),
            message: in_one_line(&message.into()),
        }
    }
}

struct Fault {
    place: Place,
    pointer: String,
    message: &'static str,
}

fn place_of(marker: Marker) -> Place {
    Place {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn convert(node: &MarkedYaml, pointer: &str, places: &mut HashMap<String, Place>) -> Result<Value, Fault> {
    let place = place_of(node.span.start);
    places.entry(pointer.to_owned()).or_insert(place);
    let fault = |message| Fault {
        place,
        pointer: pointer.to_owned(),
        message,
    };
    match &node.data {
        YamlData::Value(scalar) => match scalar {
            Scalar::Null => Ok(Value::Null),
            Scalar::Boolean(value) => Ok(Value::Bool(*value)),
            Scalar::Integer(value) => Ok(Value::from(*value)),
            Scalar::FloatingPoint(value) => Number::from_f64(value.into_inner())
                .map(Value::Number)
                .ok_or_else(|| fault("a number must be finite")),
            Scalar::String(text) => Ok(Value::from(text.as_ref())),
        },
        YamlData::Sequence(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| convert(item, &child(pointer, &index.to_string()), places))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        YamlData::Mapping(members) => {
            let mut object = Map::new();
            for (key, value) in members {
                let place = place_of(key.span.start);
                let Some(name) = key.data.as_str() else {
                    let message = "a key must be text: put it in quotes";
                    return Err(Fault {
                        place,
                        pointer: pointer.to_owned(),
                        message,
                    });
                };
                let pointer = child(pointer, name);
                places.insert(pointer.clone(), place);
                object.insert(name.to_owned(), convert(value, &pointer, places)?);
            }
            Ok(Value::Object(object))
        }
        YamlData::Tagged(..) => Err(fault("YAML tags (`!name`) mean nothing here")),
        YamlData::Alias(_) | YamlData::BadValue | YamlData::Representation(..) => {
            Err(fault("this value cannot be read"))
        }
    }
}

/// The JSON Pointer (RFC 6901) of a member.
#[must_use]
pub fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A JSON Pointer as people write fields: `steps[1].options.path`.
#[must_use]
pub fn field_name(pointer: &str) -> String {
    let mut field = String::new();
    for segment in pointer.split('/').skip(1) {
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            let _ = write!(field, "[{segment}]");
            continue;
        }
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(&segment.replace("~1", "/").replace("~0", "~"));
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FLOW: &str = "name: a\nsteps:\n  - use: b\n    options: { path: 'x/{{ y }}', size: 3 }\n  - ~\n";

    #[test]
    fn values_know_their_lines() {
        let document = Document::parse("f.yaml", FLOW).expect("valid");
        assert_eq!(
            document.value,
            json!({"name": "a", "steps": [{"use": "b", "options": {"path": "x/{{ y }}", "size": 3}}, null]})
        );
        assert_eq!(
            document.place("/steps/0/options/size"),
            Some(Place { line: 4, column: 35 })
        );
        assert_eq!(document.place("/steps/1"), Some(Place { line: 5, column: 5 }));
        // What is missing is reported where it would belong.
        assert_eq!(
            document.place("/steps/0/options/missing"),
            Some(Place { line: 4, column: 5 })
        );
        let problem = document.problem("/steps/0/options/path", "no");
        assert_eq!(problem.to_string(), "f.yaml:4:16: steps[0].options.path: no");
    }

    #[test]
    fn what_is_not_a_flow_document_is_explained() {
        let message = |text| Document::parse("f", text).expect_err("wrong").to_string();
        assert_eq!(message(""), "f: the file is empty");
        assert!(message("a: 1\nb: 2\na: 3\n").starts_with("f:3:1: this is not valid YAML: duplicate"));
        assert!(message("a: [1\n").starts_with("f:2:1: this is not valid YAML"));
        assert!(message("a: 1\n---\nb: 2\n").starts_with("f:3:1: a file holds one flow"));
        assert!(message("a:\n  1: x\n").starts_with("f:2:3: a: a key must be text"));
        assert!(message("a: !x y\n").contains("a: YAML tags"));
        assert!(message("a: .nan\n").contains("finite"));
    }

    /// The parser calls itself for each level: without a bound, a file of some hundred KiB would end the process.
    #[test]
    fn deep_nesting_is_refused() {
        let message = |text: &str| Document::parse("f", text).expect_err("too deep").to_string();
        let aliases = (1..100).fold("- &a0 [x]\n".to_owned(), |text, number| {
            format!("{text}- &a{number} [[[*a{}]]]\n", number - 1)
        });
        for text in [
            "- ".repeat(200_000),
            "? ".repeat(200_000),
            "[".repeat(100),
            aliases,
        ] {
            assert!(
                message(&text).contains("nested too deeply: more than 64 levels"),
                "{}",
                message(&text)
            );
        }
        let deep = format!("a: {}{}", "[".repeat(60), "]".repeat(60));
        assert!(Document::parse("f", &deep).is_ok());
        assert!(Document::parse("f", "a: &a [1]\nb: [*a, *a]\nc: {d: *a}\n").is_ok());
    }

    #[test]
    fn pointers_become_field_names() {
        assert_eq!(
            field_name("/steps/10/http/headers/X-A~1b"),
            "steps[10].http.headers.X-A/b"
        );
        assert_eq!(field_name(""), "");
    }
}
