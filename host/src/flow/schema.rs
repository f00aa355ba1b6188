//! JSON Schemas: a value is checked, and each fault is said in words for the author of the flow.
//!
//! Messages say what would be right and never repeat the value: it may be a secret.

use super::document::child;
use super::problem;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

/// A compiled schema (2020-12).
#[derive(Debug)]
pub struct Schema {
    validator: jsonschema::Validator,
    text: Value,
}

/// A connector's schema is itself wrong.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is not JSON.
    #[error("the schema is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is not a schema.
    #[error("the schema is not a JSON Schema: {0}")]
    Schema(String),
}

/// One fault of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// JSON Pointer within the value, also of a member that is missing.
    pub pointer: String,
    /// What would be right.
    pub message: String,
}

/// Deepest nesting of `$ref`, `anyOf` and members that is followed, so that a schema cannot loop.
const MAX_DEPTH: usize = 32;

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// When the text is not JSON or not a schema.
    pub fn compile(text: &str) -> Result<Self, SchemaError> {
        Self::from_value(serde_json::from_str(text)?)
    }

    /// Compiles a schema that is already JSON.
    ///
    /// # Errors
    /// When it is not a schema.
    pub fn from_value(text: Value) -> Result<Self, SchemaError> {
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&text)
            .map_err(|error| SchemaError::Schema(error.to_string()))?;
        Ok(Self { validator, text })
    }

    /// All faults of a value. Nothing is said of values for whose pointer `open` holds (templates).
    pub fn check(&self, value: &Value, open: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for error in self.validator.iter_errors(value) {
            self.explain(&error, &open, &mut findings);
        }
        findings.dedup();
        findings
    }

    /// Turns texts into the number or truth value that the schema wants there: what comes out of a
    /// template or the environment is always text.
    pub fn coerce(&self, value: &mut Value, texts: &[String]) {
        if texts.is_empty() {
            return;
        }
        let mut wrong = Vec::new();
        for error in self.validator.iter_errors(value) {
            collect_type_errors(&error, &mut wrong);
        }
        for pointer in wrong.iter().filter(|pointer| texts.contains(pointer)) {
            let Some(place) = value.pointer_mut(pointer) else {
                continue;
            };
            let parsed = place
                .as_str()
                .and_then(|text| serde_json::from_str(text.trim()).ok());
            if let Some(parsed @ (Value::Number(_) | Value::Bool(_))) = parsed {
                *place = parsed;
            }
        }
    }

    /// The pointers of the values that the schema marks `writeOnly`: passwords and the like.
    #[must_use]
    pub fn secrets(&self, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.find_secrets(&self.text, value, "", MAX_DEPTH, &mut found);
        found.sort();
        found.dedup();
        found
    }

    fn find_secrets(
        &self,
        schema: &Value,
        value: &Value,
        pointer: &str,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        let Some(depth) = depth.checked_sub(1) else { return };
        if schema.get("writeOnly") == Some(&Value::Bool(true)) {
            found.push(pointer.to_owned());
        }
        let reference = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|target| target.strip_prefix('#'));
        if let Some(target) = reference.and_then(|target| self.text.pointer(target)) {
            self.find_secrets(target, value, pointer, depth, found);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            for branch in schema
                .get(keyword)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.find_secrets(branch, value, pointer, depth, found);
            }
        }
        let members = schema.get("properties").and_then(Value::as_object);
        for (name, member) in members.into_iter().flatten() {
            if let Some(value) = value.get(name) {
                self.find_secrets(member, value, &child(pointer, name), depth, found);
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for (index, value) in values.iter().enumerate() {
                self.find_secrets(items, value, &child(pointer, &index.to_string()), depth, found);
            }
        }
    }

    fn explain(&self, error: &ValidationError, open: &dyn Fn(&str) -> bool, findings: &mut Vec<Finding>) {
        let pointer = error.instance_path().as_str();
        if open(pointer) {
            return;
        }
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = self.known_members(error);
                findings.extend(unexpected.iter().map(|name| Finding {
                    pointer: child(pointer, name),
                    message: format!(
                        "is not known here{}",
                        problem::hint(name, known.iter().map(String::as_str))
                    ),
                }));
            }
            ValidationErrorKind::Required { property } => {
                let pointer = child(pointer, property.as_str().unwrap_or_default());
                findings.push(Finding {
                    pointer,
                    message: "is missing".to_owned(),
                });
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                self.explain_branches(error, context, open, findings);
            }
            _ => {
                let message = format!("{}{}", leaf_message(error), self.examples(error));
                findings.push(Finding {
                    pointer: pointer.to_owned(),
                    message,
                });
            }
        }
    }

    /// Says what is wrong with a value that fits none of several forms: in terms of the form that was
    /// most probably meant.
    fn explain_branches(
        &self,
        error: &ValidationError,
        branches: &[Vec<ValidationError<'static>>],
        open: &dyn Fn(&str) -> bool,
        findings: &mut Vec<Finding>,
    ) {
        let pointer = error.instance_path().as_str();
        let explained: Vec<Vec<Finding>> = branches
            .iter()
            .map(|branch| {
                let mut findings = Vec::new();
                for error in branch {
                    self.explain(error, open, &mut findings);
                }
                findings
            })
            .collect();
        if explained.iter().any(Vec::is_empty) {
            return; // Fits one form as far as can be said before its templates are filled in.
        }
        let meant = |index: &usize| !branches[*index].iter().any(|error| is_mismatch(error, pointer));
        let tagged = |index: &usize| !branches[*index].iter().any(|error| is_choice(error.kind()));
        let candidates: Vec<usize> = (0..branches.len()).filter(meant).collect();
        let tagged: Vec<usize> = candidates.iter().copied().filter(tagged).collect();
        let best = if tagged.is_empty() { &candidates } else { &tagged };
        if let Some(best) = best.iter().min_by_key(|index| explained[**index].len()) {
            findings.extend(explained[*best].iter().cloned());
            return;
        }
        let mut forms = Forms::default();
        branches.iter().flatten().for_each(|error| forms.add(error));
        let message = forms.message(error.instance());
        findings.push(Finding {
            pointer: pointer.to_owned(),
            message,
        });
    }

    /// The schema that holds the keyword which failed.
    fn around(&self, error: &ValidationError) -> Option<&Value> {
        let path = error.schema_path().as_str();
        self.text.pointer(&path[..path.rfind('/')?])
    }

    fn known_members(&self, error: &ValidationError) -> Vec<String> {
        let members = self
            .around(error)
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object);
        members
            .map(|members| members.keys().cloned().collect())
            .unwrap_or_default()
    }

    fn examples(&self, error: &ValidationError) -> String {
        let examples = self
            .around(error)
            .and_then(|schema| schema.get("examples"))
            .and_then(Value::as_array);
        match examples.and_then(|examples| examples.first()) {
            Some(Value::String(example)) => format!(", for example `{example}`"),
            Some(example) => format!(", for example `{example}`"),
            None => String::new(),
        }
    }
}

/// Whether an error says that the value at `pointer` is of another form altogether.
fn is_mismatch(error: &ValidationError, pointer: &str) -> bool {
    error.instance_path().as_str() == pointer
        && (is_choice(error.kind()) || matches!(error.kind(), ValidationErrorKind::Type { .. }))
}

fn is_choice(kind: &ValidationErrorKind) -> bool {
    matches!(
        kind,
        ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. }
    )
}

fn collect_type_errors(error: &ValidationError, pointers: &mut Vec<String>) {
    match error.kind() {
        ValidationErrorKind::Type { .. } => pointers.push(error.instance_path().as_str().to_owned()),
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context
                .iter()
                .flatten()
                .for_each(|error| collect_type_errors(error, pointers));
        }
        _ => {}
    }
}

/// What a value may be, gathered from several branches.
#[derive(Default)]
struct Forms {
    values: Vec<String>,
    types: Vec<String>,
}

impl Forms {
    fn add(&mut self, error: &ValidationError) {
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

    fn message(mut self, actual: &Value) -> String {
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

fn leaf_message(error: &ValidationError) -> String {
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
        Kind::Pattern { pattern } => format!("must fit the regular expression `{pattern}`"),
        Kind::Format { format } => format!("must be a valid {format}"),
        Kind::OneOfMultipleValid { .. } => "fits several forms of which only one may be meant".to_owned(),
        Kind::FalseSchema => "is not allowed here".to_owned(),
        Kind::PropertyNames { .. } => "has a name that is not allowed".to_owned(),
        kind => format!("breaks the schema's rule `{}`", kind.keyword()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn connection() -> Schema {
        Schema::from_value(json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["host"],
            "properties": {
                "host": {"type": "string", "minLength": 1, "examples": ["ftp.example.com"]},
                "port": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
                "visibility": {"oneOf": [{"const": "public"}, {"const": "private"}]},
                "encoding": {"enum": ["utf-8", "latin1"]},
                "auth": {"$ref": "#/$defs/Auth"},
            },
            "$defs": {
                "Auth": {"anyOf": [
                    {"type": "string", "const": "anonymous"},
                    {"type": "object", "additionalProperties": false, "required": ["username", "password"],
                     "properties": {"username": {"type": "string"},
                                    "password": {"type": "string", "writeOnly": true, "minLength": 8}}},
                ]},
            },
        }))
        .expect("a schema")
    }

    fn faults(value: &Value) -> Vec<String> {
        let findings = connection().check(value, |_| false);
        findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.pointer, finding.message))
            .collect()
    }

    #[test]
    fn every_fault_is_reported_and_says_what_would_be_right() {
        assert_eq!(
            faults(&json!({"host": "h", "port": 21, "auth": "anonymous"})),
            [""; 0]
        );
        let mut found =
            faults(&json!({"prot": 21, "port": 99999, "visibility": "privat", "encoding": "utf8"}));
        found.sort();
        assert_eq!(
            found,
            [
                "/encoding: must be one of `utf-8`, `latin1`; did you mean `utf-8`?",
                "/host: is missing",
                "/port: must be at most 65535",
                "/prot: is not known here; did you mean `port`? There are: \
                 `host`, `port`, `visibility`, `encoding`, `auth`",
                "/visibility: must be one of `public`, `private`; did you mean `private`?",
            ]
        );
        assert_eq!(
            faults(&json!({"host": 5})),
            ["/host: must be text, not a whole number (put it in quotes), for example `ftp.example.com`"]
        );
        assert_eq!(
            faults(&json!({"host": "h", "port": "x"})),
            ["/port: must be a whole number, not text"]
        );
    }

    #[test]
    fn of_several_forms_the_one_that_was_meant_is_explained() {
        let with = |auth: Value| faults(&json!({"host": "h", "auth": auth}));
        assert_eq!(
            with(json!({"username": "u", "pasword": "12345678"})),
            [
                "/auth/password: is missing",
                "/auth/pasword: is not known here; did you mean `password`? There are: `username`, `password`",
            ]
        );
        assert_eq!(
            with(json!("anonymus")),
            ["/auth: must be one of `anonymous`, or a mapping"]
        );
        assert_eq!(
            with(json!(3)),
            ["/auth: must be one of `anonymous`, or a mapping"]
        );
    }

    #[test]
    fn a_secret_is_found_and_never_repeated() {
        let value = json!({"host": "h", "auth": {"username": "u", "password": "s3cret"}});
        assert_eq!(connection().secrets(&value), ["/auth/password"]);
        let found = faults(&value);
        assert_eq!(found, ["/auth/password: must have at least 8 characters"]);
    }

    #[test]
    fn templates_are_not_judged() {
        let value =
            json!({"host": "h", "encoding": "{{ x }}", "auth": {"username": "u", "password": "{{ p }}"}});
        let open = |pointer: &str| pointer == "/encoding" || pointer == "/auth/password";
        assert_eq!(connection().check(&value, open), []);
    }

    #[test]
    fn text_becomes_the_number_that_is_wanted() {
        let mut value = json!({"host": "10", "port": "2121"});
        connection().coerce(&mut value, &["/port".to_owned(), "/host".to_owned()]);
        assert_eq!(value, json!({"host": "10", "port": 2121}));
        let mut value = json!({"host": "h", "port": "2121"});
        connection().coerce(&mut value, &[]);
        assert_eq!(value["port"], "2121");
    }
}
