//! Templates: `{{ … }}` in options, filled in for each payload.

use super::problem;
use crate::payload::Payload;
use crate::state::body::Body;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Object;
use minijinja::{Environment, Error, ErrorKind, Template, UndefinedBehavior, Value};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, LazyLock};

/// Instructions that one template may take: a million are some 50 ms. A loop within a loop would otherwise keep a
/// thread busy for hours, and no time limit of a step can interrupt it.
const FUEL: u64 = 1_000_000;

/// Bytes that one template may make. They are names and small documents; files go through bodies.
const LONGEST: usize = 1 << 20;

/// Filters that make as much text as a number says, up to more than there is memory, which would end the whole
/// process. They lay out tables and indent source code; nobody needs them for a name.
const WITHOUT: [&str; 4] = ["batch", "format", "indent", "slice"];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("date", date);
    environment.add_test("divisibleby", divisible_by);
    environment.remove_global("debug");
    environment.set_fuel(Some(FUEL));
    for filter in WITHOUT {
        environment.remove_filter(filter);
    }
    environment
});

/// Whether a text is a template. The contract defines it so, for connectors as well.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// A template cannot be used, or not for this payload. The message is for the author of the flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// Checks what can be known without a payload: syntax, and the names of filters, tests and functions.
///
/// # Errors
/// When the template can never be filled in.
pub fn check(source: &str) -> Result<(), TemplateError> {
    let template = ENVIRONMENT
        .template_from_named_str("template", source)
        .map_err(|error| {
            TemplateError(format!(
                "the template cannot be read: {}",
                error.detail().unwrap_or("syntax error")
            ))
        })?;
    match filled(&template, Value::from_object(Anything)) {
        Err(error) if matches!(error.kind(), ErrorKind::UnknownFilter) => Err(TemplateError(format!(
            "{}; among others there are: `date`, `default`, `lower`, `upper`, `replace`",
            described(&error)
        ))),
        Err(error) if matches!(error.kind(), ErrorKind::UnknownTest | ErrorKind::UnknownFunction) => {
            Err(TemplateError(described(&error)))
        }
        _ => Ok(()),
    }
}

/// Names and values that templates see.
#[derive(Debug, Clone)]
pub struct Scope(BTreeMap<String, Value>);

impl Scope {
    /// What is the same for all payloads of a run.
    #[must_use]
    pub fn of_run(flow: &str, run_id: &str, now: Timestamp, variables: &BTreeMap<String, String>) -> Self {
        Self(BTreeMap::from([
            ("flow".to_owned(), Value::from(flow)),
            ("run".to_owned(), Value::from_pairs([("id", run_id)])),
            ("now".to_owned(), Value::from(now.to_string())),
            (
                "vars".to_owned(),
                Value::from_pairs(
                    variables
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_str())),
                ),
            ),
        ]))
    }

    /// Adds what is known of a payload. The names of the run win: a payload's attributes are not to be
    /// trusted with `vars` or `run`.
    #[must_use]
    pub fn with(&self, payload: &Payload) -> Self {
        let metadata = &payload.metadata;
        let mut names: BTreeMap<String, Value> = metadata
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        let mut own = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                names.insert(name.to_owned(), value);
            }
        };
        own("id", Some(Value::from(metadata.id.as_str())));
        own("name", metadata.name.as_deref().map(Value::from));
        own("content_type", metadata.content_type.as_deref().map(Value::from));
        own(
            "size",
            payload
                .body
                .as_ref()
                .map(Body::len)
                .or(metadata.size)
                .map(Value::from),
        );
        let modified = metadata.modified_ms.and_then(|ms| i64::try_from(ms).ok());
        let modified = modified.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        own("modified", modified.map(|time| Value::from(time.to_string())));
        names.extend(self.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self(names)
    }

    /// Fills in one template.
    ///
    /// # Errors
    /// When it does not parse, or uses a name that is not there.
    pub fn render(&self, source: &str) -> Result<String, TemplateError> {
        let template = ENVIRONMENT
            .template_from_named_str("template", source)
            .map_err(|error| TemplateError(described(&error)))?;
        let values = Value::from_pairs(self.0.iter().map(|(name, value)| (name.as_str(), value.clone())));
        filled(&template, values).map_err(|error| {
            let mut missing: Vec<String> = template
                .undeclared_variables(true)
                .into_iter()
                .filter(|name| !self.has(name))
                .collect();
            missing.sort();
            match missing.first() {
                Some(name) if error.kind() == ErrorKind::UndefinedError => {
                    TemplateError(format!("there is no `{name}` here{}", self.hint(name)))
                }
                _ => TemplateError(described(&error)),
            }
        })
    }

    /// Fills in the templates among the texts of a JSON value, at the given pointers.
    ///
    /// # Errors
    /// For the first that cannot be filled in, with its pointer.
    pub fn render_all(
        &self,
        value: &serde_json::Value,
        pointers: &[String],
    ) -> Result<serde_json::Value, (String, TemplateError)> {
        let mut value = value.clone();
        for pointer in pointers {
            let Some(place) = value.pointer_mut(pointer) else {
                continue;
            };
            let Some(source) = place.as_str() else { continue };
            let rendered = self.render(source).map_err(|error| (pointer.clone(), error))?;
            *place = serde_json::Value::from(rendered);
        }
        Ok(value)
    }

    fn has(&self, name: &str) -> bool {
        let mut segments = name.split('.');
        let Some(top) = segments.next().and_then(|top| self.0.get(top)) else {
            return false;
        };
        match segments.next() {
            Some(member) => top.get_attr(member).is_ok_and(|value| !value.is_undefined()),
            None => true,
        }
    }

    fn hint(&self, name: &str) -> String {
        let Some((top, member)) = name.split_once('.').filter(|(top, _)| self.0.contains_key(*top)) else {
            return problem::hint(name, self.0.keys().map(String::as_str));
        };
        let members: Vec<String> = self.0[top]
            .try_iter()
            .map(|keys| keys.map(|key| key.to_string()).collect())
            .unwrap_or_default();
        problem::hint(member, members.iter().map(String::as_str))
    }
}

/// The pointers of all templates among the texts of a value.
#[must_use]
pub fn pointers(value: &serde_json::Value) -> Vec<String> {
    texts(value)
        .into_iter()
        .filter(|(_, text)| is_template(text))
        .map(|(pointer, _)| pointer)
        .collect()
}

/// All texts of a value with their pointers.
#[must_use]
pub fn texts(value: &serde_json::Value) -> Vec<(String, &str)> {
    fn walk<'a>(value: &'a serde_json::Value, pointer: &str, found: &mut Vec<(String, &'a str)>) {
        match value {
            serde_json::Value::String(text) => found.push((pointer.to_owned(), text)),
            serde_json::Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{pointer}/{index}"), found);
                }
            }
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    walk(member, &super::document::child(pointer, name), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// Fills in a template as far as [`LONGEST`].
fn filled(template: &Template<'_, '_>, values: Value) -> Result<String, Error> {
    let mut text = Bounded(Vec::new());
    template.render_captured_to(values, &mut text)?;
    String::from_utf8(text.0).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
}

/// A text that does not grow beyond [`LONGEST`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn described(error: &Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => {
            return "the template fails: it takes too long, which a loop within a loop may do".to_owned();
        }
        ErrorKind::WriteFailure => {
            return format!("the template fails: it makes more than {LONGEST} bytes of text");
        }
        _ => {}
    }
    match error.detail() {
        Some(detail) => format!("the template fails: {}: {detail}", error.kind()),
        None => format!("the template fails: {}", error.kind()),
    }
}

/// `date(format, zone)`: a point in time (RFC 3339) in another form. The zone is UTC unless given.
fn date(time: &str, format: &str, zone: Option<&str>) -> Result<String, Error> {
    let invalid = |error: jiff::Error| Error::new(ErrorKind::InvalidOperation, error.to_string());
    let time: Timestamp = time.parse().map_err(invalid)?;
    let zone = zone.map_or(Ok(TimeZone::UTC), TimeZone::get).map_err(invalid)?;
    jiff::fmt::strtime::format(format, &time.to_zoned(zone)).map_err(invalid)
}

/// In the place of the library's own test, which panics at 0.
fn divisible_by(number: &Value, by: &Value) -> bool {
    match (i128::try_from(number.clone()), i128::try_from(by.clone())) {
        (Ok(number), Ok(by)) => number.checked_rem(by) == Some(0),
        _ => false,
    }
}

/// Stands for whatever a payload may bring.
#[derive(Debug)]
struct Anything;

impl Object for Anything {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_object(Self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        let variables = BTreeMap::from([("folder".to_owned(), "in".to_owned())]);
        let now = "2026-03-04T05:06:07Z".parse().expect("a time");
        let mut payload = Payload::trigger("r1");
        payload.metadata.id = "p1".to_owned();
        payload.metadata.name = Some("a b.csv".to_owned());
        payload.metadata.modified_ms = Some(0);
        payload.metadata.attributes = vec![
            ("original_filename".into(), "o.csv".into()),
            ("run".into(), "evil".into()),
        ];
        Scope::of_run("collect", "r1", now, &variables).with(&payload)
    }

    #[test]
    fn templates_see_payload_variables_run_and_time() {
        let render = |source: &str| scope().render(source);
        assert_eq!(
            render("{{ vars.folder }}/{{ original_filename }}").as_deref(),
            Ok("in/o.csv")
        );
        assert_eq!(
            render("{{ flow }} {{ run.id }} {{ id }} {{ name }}").as_deref(),
            Ok("collect r1 p1 a b.csv")
        );
        assert_eq!(
            render("{{ now | date('%Y-%m-%d') }}").as_deref(),
            Ok("2026-03-04")
        );
        assert_eq!(
            render("{{ now | date('%H:%M', 'Europe/Zurich') }}").as_deref(),
            Ok("06:06")
        );
        assert_eq!(render("{{ modified }}").as_deref(), Ok("1970-01-01T00:00:00Z"));
        assert_eq!(
            render("{{ content_type | default('none') }}").as_deref(),
            Ok("none")
        );
        // No HTML escaping: a name is a name.
        assert_eq!(render("<{{ '&' }}>").as_deref(), Ok("<&>"));
    }

    #[test]
    fn a_missing_name_is_an_error_that_lists_what_there_is() {
        let message = |source: &str| scope().render(source).expect_err("missing").to_string();
        assert_eq!(
            message("x/{{ orginal_filename }}"),
            "there is no `orginal_filename` here; did you mean `original_filename`? There are: \
             `flow`, `id`, `modified`, `name`, `now`, `original_filename`, `run`, `vars`"
        );
        assert_eq!(
            message("{{ vars.foldr }}"),
            "there is no `vars.foldr` here; did you mean `folder`? There are: `folder`"
        );
        assert!(message("{{ now | date('%!') }}").starts_with("the template fails: invalid operation"));
        assert!(message("{{ 'x' | date('%Y') }}").starts_with("the template fails: invalid operation"));
    }

    /// Known from fuzzing: each of these ended the process or took for ever.
    #[test]
    fn a_template_is_bounded_in_time_and_space() {
        let message = |source: &str| scope().render(source).expect_err("too much").to_string();
        let nested = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
        assert!(
            message(nested).contains("it takes too long"),
            "{}",
            message(nested)
        );
        assert_eq!(check(nested), Ok(()));
        let much = "{% for a in range(2000) %}{{ 'x' * 1000 }}{% endfor %}";
        assert!(
            message(much).contains("more than 1048576 bytes"),
            "{}",
            message(much)
        );
        for source in [
            "{{ 'x' | indent(9223372036854775807) }}",
            "{{ '%.9223372036854775807f' | format(1.5) }}",
            "{{ [1] | slice(9999999999) }}",
            "{{ [1] | batch(9999999999, 'x') }}",
        ] {
            assert!(message(source).contains("is unknown"), "{}", message(source));
            assert!(check(source).is_err(), "{source}");
        }
    }

    /// Found by the target `template`.
    #[test]
    fn nothing_is_divisible_by_zero() {
        assert_eq!(
            scope().render("{{ 6 is divisibleby 3 }} {{ 7 is divisibleby 3 }} {{ 6 is divisibleby 0 }}"),
            Ok("True False False".to_owned())
        );
    }

    #[test]
    fn what_can_never_work_is_found_without_a_payload() {
        assert_eq!(
            check("{{ anything.at.all | upper }} {% if x %}y{% endif %}"),
            Ok(())
        );
        assert_eq!(check("{{ now | date('%Y') }}"), Ok(()));
        let message = |source: &str| check(source).expect_err("wrong").to_string();
        assert!(
            message("{{ name").starts_with("the template cannot be read: "),
            "{}",
            message("{{ name")
        );
        assert!(
            message("{{ name | uper }}").contains("filter uper is unknown"),
            "{}",
            message("{{ name | uper }}")
        );
    }

    #[test]
    fn all_templates_of_a_value_are_found_and_filled_in() {
        let value = json!({"a/b": ["x", "{{ id }}"], "c": {"d": "{{ name }}", "e": 5}});
        let pointers = pointers(&value);
        assert_eq!(pointers, ["/a~1b/1", "/c/d"]);
        let rendered = scope().render_all(&value, &pointers).expect("rendered");
        assert_eq!(
            rendered,
            json!({"a/b": ["x", "p1"], "c": {"d": "a b.csv", "e": 5}})
        );
        let broken = json!({"c": "{{ nope }}"});
        let (pointer, _) = scope()
            .render_all(&broken, &["/c".to_owned()])
            .expect_err("missing");
        assert_eq!(pointer, "/c");
    }
}
