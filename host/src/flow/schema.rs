//! JSON Schemas: a value is checked, and each fault is said in words for the author of the flow.
//!
//! Messages say what would be right and never repeat the value: it may be a secret.

mod size;
mod words;

use super::document::child;
use super::problem;
use super::template::is_template;
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;
use words::Forms;

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
    /// Checking a value against it might never end.
    #[error("the schema is not one that a host can check values against: {0}")]
    Endless(#[from] size::Endless),
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
        size::bounded(&text)?;
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&text)
            .map_err(|error| SchemaError::Schema(error.to_string()))?;
        Ok(Self { validator, text })
    }

    /// All faults of a value. Nothing is said of values for whose pointer `open` holds (templates).
    pub fn check(&self, value: &Value, open: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(pointer) = size::too_deep(value) {
            let message = "is nested too deeply".to_owned();
            return vec![Finding { pointer, message }];
        }
        for error in self.validator.iter_errors(value) {
            self.explain(&error, &open, &mut findings);
        }
        // A schema's own words are repeated, and it may be anybody's.
        for finding in &mut findings {
            finding.message = problem::in_one_line(&finding.message);
        }
        findings.dedup();
        findings
    }

    /// Turns texts into the number or truth value that the schema wants there: what comes out of a
    /// template or the environment is always text.
    pub fn coerce(&self, value: &mut Value, texts: &[String]) {
        if texts.is_empty() || size::too_deep(value).is_some() {
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
                let message = format!("is missing{}", self.example_of(error, property));
                findings.push(Finding { pointer, message });
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                self.explain_branches(error, context, open, findings);
            }
            ValidationErrorKind::Pattern { pattern } => {
                let message = words::pattern(pattern, examples(self.around(error)));
                findings.push(Finding {
                    pointer: pointer.to_owned(),
                    message,
                });
            }
            _ => {
                let message = format!(
                    "{}{}",
                    words::leaf(error),
                    words::example(examples(self.around(error)))
                );
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

    /// An example of the member that is missing.
    fn example_of(&self, error: &ValidationError, property: &Value) -> String {
        let member = self
            .around(error)
            .zip(property.as_str())
            .and_then(|(schema, name)| schema.get("properties")?.get(name));
        words::example(examples(member))
    }
}

/// The examples that a schema gives, none of which is a template: where a value is wrong, one would not help.
fn examples(schema: Option<&Value>) -> impl Iterator<Item = &Value> {
    let examples = schema
        .and_then(|schema| schema.get("examples"))
        .and_then(Value::as_array);
    examples
        .into_iter()
        .flatten()
        .filter(|example| !example.as_str().is_some_and(is_template))
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

#[cfg(test)]
mod tests;
