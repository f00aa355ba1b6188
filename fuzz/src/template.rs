//! Templates: the flow's author wrote them, and servers name the files that they are filled in with.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use flowhost::flow::template::{Scope, check, pointers, texts};
use flowhost::payload::Payload;
use jiff::Timestamp;
use serde_json::Value;

/// What templates see: a payload that came from a server with odd names.
static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    let mut payload = Payload::trigger("r1");
    payload.metadata.name = Some("{{ name }} {% raw %} é\u{1b}\0.csv".to_owned());
    payload.metadata.size = Some(u64::MAX);
    payload.metadata.modified_ms = Some(1_709_210_096_789);
    payload.metadata.attributes = vec![
        ("original_filename".to_owned(), "o.csv".to_owned()),
        ("original_path".to_owned(), "out/../{{ run.id }}".to_owned()),
        ("vars".to_owned(), "not these".to_owned()),
    ];
    let variables = BTreeMap::from([("folder".to_owned(), "in".to_owned())]);
    Scope::of_run("fuzz", "r1", Timestamp::UNIX_EPOCH, &variables).with(&payload)
});

/// Bytes that a rendered text may have. Templates make names and small documents.
const LONGEST: usize = 1 << 20;

/// Checks a template and fills it in.
///
/// # Panics
/// Unless it is filled in or refused, in bounded space, twice the same, and the check was right.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let checked = check(text);
    let rendered = SCOPE.render(text);
    if let Ok(rendered) = &rendered {
        assert!(rendered.len() <= LONGEST, "{} bytes", rendered.len());
        assert!(
            checked.is_ok() || !unreadable(&checked),
            "what cannot be read was filled in"
        );
    }
    if !text.contains('{') {
        // Except for the line break at its end, which templates lose.
        let rest = rendered.as_deref().map(|rendered| text.strip_prefix(rendered));
        assert!(
            matches!(rest, Ok(Some("" | "\n" | "\r" | "\r\n"))),
            "not a template, and changed: {rendered:?}"
        );
    }
    assert_eq!(rendered, SCOPE.render(text), "the second time differs");
    if let Ok(value) = serde_json::from_str(text) {
        options(&value);
    }
}

fn unreadable<T: ToString>(checked: &Result<(), T>) -> bool {
    checked
        .as_ref()
        .is_err_and(|error| error.to_string().starts_with("the template cannot be read"))
}

/// Templates in options: only those are touched.
fn options(value: &Value) {
    let pointers = pointers(value);
    for pointer in &pointers {
        assert!(
            value.pointer(pointer).is_some_and(Value::is_string),
            "{pointer:?} leads nowhere"
        );
    }
    match SCOPE.render_all(value, &pointers) {
        Ok(rendered) => {
            let (before, after) = (texts(value), texts(&rendered));
            assert_eq!(before.len(), after.len(), "the shape has changed");
            for ((place, old), (same, new)) in before.iter().zip(&after) {
                assert_eq!(place, same, "the shape has changed");
                assert!(
                    old == new || pointers.contains(place),
                    "{place:?} is not a template, and changed"
                );
            }
        }
        Err((pointer, _)) => assert!(pointers.contains(&pointer), "{pointer:?} is not one of them"),
    }
}
