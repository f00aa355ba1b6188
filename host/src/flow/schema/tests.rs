//! Faults and how they are told.

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
    let mut found = faults(&json!({"prot": 21, "port": 99999, "visibility": "privat", "encoding": "utf8"}));
    found.sort();
    assert_eq!(
        found,
        [
            "/encoding: must be one of `utf-8`, `latin1`; did you mean `utf-8`?",
            "/host: is missing, for example `ftp.example.com`",
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
    let value = json!({"host": "h", "encoding": "{{ x }}", "auth": {"username": "u", "password": "{{ p }}"}});
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

/// As connectors describe options of several types.
fn options() -> Schema {
    Schema::from_value(json!({
        "type": "object",
        "properties": {
            "age": {"type": ["string", "integer"], "minimum": 0, "pattern": r"^\d+[smh]?$", "examples": ["5m", 300]},
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "recursive": {"type": "boolean", "examples": [true]},
            "path": {"type": "string", "pattern": "^x", "examples": ["{{ original_path }}", "x/y"]},
            "depth": {"type": "integer"},
        },
    }))
    .expect("a schema")
}

fn option_faults(value: &Value) -> Vec<String> {
    let findings = options().check(value, |_| false);
    findings.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn a_text_that_looks_wrong_is_told_what_looks_right() {
    for right in [json!({"age": "5m"}), json!({"age": 300}), json!({"age": "300"})] {
        assert_eq!(option_faults(&right), [""; 0]);
    }
    for (wrong, message) in [
        (json!({"age": "soon"}), "must look like `5m` or `300`"),
        (json!({"age": -1}), "must be at least 0, for example `5m`"),
        (
            json!({"age": true}),
            "must be a whole number or text, not true or false, for example `5m`",
        ),
        (json!({"name": "A"}), "must fit the regular expression `^[a-z]+$`"),
        (json!({"path": "y"}), "must look like `x/y`"),
        (
            json!({"recursive": "yes"}),
            "must be true or false, not text, for example `true`",
        ),
    ] {
        assert_eq!(option_faults(&wrong), [message]);
    }
}

#[test]
fn text_stays_text_where_text_is_allowed() {
    let mut value = json!({"age": "300", "recursive": "true", "depth": "3", "name": "true"});
    let all = ["/age", "/recursive", "/depth", "/name"].map(str::to_owned);
    options().coerce(&mut value, &all);
    assert_eq!(
        value,
        json!({"age": "300", "recursive": true, "depth": 3, "name": "true"})
    );
}

/// A schema may be anybody's: what it says of itself must not reach a terminal as it is.
#[test]
fn the_words_of_a_schema_are_told_in_one_line() {
    let schema = Schema::from_value(json!({
        "additionalProperties": false,
        "properties": {"h\u{7f}st": {"enum": ["a\u{1b}[2J", "x".repeat(5000)]}},
    }))
    .expect("a schema");
    for value in [json!({"host": 1}), json!({"h\u{7f}st": 1})] {
        let findings = schema.check(&value, |_| false);
        assert_eq!(findings.len(), 1);
        let message = &findings[0].message;
        assert!(!message.chars().any(char::is_control), "{message:?}");
        assert!(message.chars().count() <= 1001, "{message:?}");
    }
}
