//! What is wrong with a value, in words.

use crate::flow::problem;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

/// What a value may be, gathered from several branches.
#[derive(Default)]
pub(super) struct Forms {
    values: Vec<String>,
    types: Vec<String>,
}

impl Forms {
    pub(super) fn add(&mut self, error: &ValidationError) {
        match error.kind() {
            ValidationErrorKind::Constant { expected_value } => self.values.push(plain(expected_value)),
            ValidationErrorKind::Enum { options } => {
                self.values.extend(
                    options
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter(|v| !v.is_null())
                        .map(plain),
                );
            }
            ValidationErrorKind::Type { kind } => self.types.extend(type_names(kind)),
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                context.iter().flatten().for_each(|error| self.add(error));
            }
            _ => {}
        }
    }

    pub(super) fn message(mut self, actual: &Value) -> String {
        self.types.dedup();
        // A branch of fixed texts says `string` as well, which would be misleading beside them.
        if !self.values.is_empty() {
            self.types.retain(|name| name != "text");
        }
        let known = self.values.iter().map(String::as_str);
        let values = problem::list(known.clone());
        let types = self.types.join(" or ");
        match (values.is_empty(), types.is_empty()) {
            (false, true) => choice_message(actual, known),
            (false, false) => format!("must be one of {values}, or {types}"),
            (true, false) => format!("must be {types}, not {}", type_name_of(actual)),
            (true, true) => "fits none of the forms that the schema allows".to_owned(),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn choice_message<'a>(actual: &Value, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let list = problem::list(known.clone());
    let suggestion = actual.as_str().and_then(|actual| problem::similar(actual, known));
    match suggestion {
        Some(suggestion) => format!("must be one of {list}; did you mean `{suggestion}`?"),
        None => format!("must be one of {list}"),
    }
}

fn type_names(kind: &TypeKind) -> Vec<String> {
    let names: Vec<String> = match kind {
        TypeKind::Single(name) => vec![name.to_string()],
        TypeKind::Multiple(names) => names.iter().map(|name| name.to_string()).collect(),
    };
    // `null` stands for an optional field, which is left out rather than written.
    names
        .iter()
        .filter(|name| *name != "null" || names.len() == 1)
        .map(|name| word(name).to_owned())
        .collect()
}

/// The author writes YAML, not JSON: `an object` would be a riddle.
fn word(type_name: &str) -> &'static str {
    match type_name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        _ => "nothing",
    }
}

fn type_name_of(value: &Value) -> &'static str {
    word(match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

/// What is wrong with a value that breaks one rule.
pub(super) fn leaf(error: &ValidationError) -> String {
    use ValidationErrorKind as Kind;
    let actual = error.instance();
    match error.kind() {
        Kind::Type { kind } => {
            let expected = type_names(kind).join(" or ");
            let quotes = matches!(**actual, Value::Number(_) | Value::Bool(_)) && expected == "text";
            let advice = if quotes { " (put it in quotes)" } else { "" };
            format!("must be {expected}, not {}{advice}", type_name_of(actual))
        }
        Kind::Enum { options } => {
            let options: Vec<String> = options
                .as_array()
                .into_iter()
                .flatten()
                .filter(|option| !option.is_null())
                .map(plain)
                .collect();
            choice_message(actual, options.iter().map(String::as_str))
        }
        Kind::Constant { expected_value } => format!("must be `{}`", plain(expected_value)),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MinLength { limit: 1 } | Kind::MinItems { limit: 1 } | Kind::MinProperties { limit: 1 } => {
            "must not be empty".to_owned()
        }
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::UniqueItems => "must not hold the same item twice".to_owned(),
        Kind::Format { format } => format!("must be a valid {format}"),
        Kind::OneOfMultipleValid { .. } => "fits several forms of which only one may be meant".to_owned(),
        Kind::FalseSchema => "is not allowed here".to_owned(),
        Kind::PropertyNames { .. } => "has a name that is not allowed".to_owned(),
        kind => format!("breaks the schema's rule `{}`", kind.keyword()),
    }
}

/// What a text has to look like. The expression itself is for programs; who writes a flow wants an example.
pub(super) fn pattern<'a>(pattern: &str, examples: impl Iterator<Item = &'a Value>) -> String {
    let examples: Vec<String> = examples.map(|example| format!("`{}`", plain(example))).collect();
    if examples.is_empty() {
        format!("must fit the regular expression `{pattern}`")
    } else {
        format!("must look like {}", examples.join(" or "))
    }
}

/// The first example, to be put behind what is wrong.
pub(super) fn example<'a>(mut examples: impl Iterator<Item = &'a Value>) -> String {
    match examples.next() {
        Some(example) => format!(", for example `{}`", plain(example)),
        None => String::new(),
    }
}
