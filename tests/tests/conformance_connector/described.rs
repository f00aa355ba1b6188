//! Components that fail before they are called.

use flow_tests::guests::{component, host};
use flowhost::component::artefact::Artefact;
use flowhost::conformance::connector;
use flowhost::policy::Policy;

use crate::{conformance, failed};

fn assert_fails(guest: &str, expected: &[&str]) {
    let path = component(guest).display().to_string();
    let report = host().block_on(async move { conformance(&path, None).await });
    assert_eq!(failed(&report), expected, "{guest}: {}", report.text());
}

#[test]
fn a_careless_description_is_told_in_full() {
    assert_fails(
        "describe_careless",
        &[
            "describe.id",
            "describe.version",
            "describe.words",
            "describe.details",
            "schema.words",
            "schema.secrets",
            "schema.defaults",
            "plan.text",
        ],
    );
}

/// Their plan takes anything, too.
#[test]
fn descriptions_stay_the_same_and_are_schemas() {
    assert_fails("describe_unsteady", &["describe.same", "plan.text"]);
    for guest in ["describe_no_json", "describe_no_schema"] {
        assert_fails(guest, &["schema.valid", "plan.text"]);
    }
}

#[test]
fn descriptions_need_no_help() {
    for guest in [
        "describe_calls_an_import",
        "describe_loops",
        "describe_panics",
        "describe_waits",
    ] {
        assert_fails(guest, &["describe.pure"]);
    }
    assert_fails("describe_strange_endpoints", &["component.endpoints"]);
}

#[test]
fn what_is_no_connector_fails_where_it_shows() {
    let component = |text: &str| wat::parse_str(text).expect("well formed");
    let cases = [
        (b"no wasm".to_vec(), "component.valid"),
        (component("(module)"), "component.valid"),
        (
            component(r#"(component (import "a:b/c@1.0.0" (instance)))"#),
            "component.imports",
        ),
        (component("(component)"), "component.contract"),
    ];
    for (bytes, expected) in cases {
        let report = host().block_on(async move {
            connector(&host().runtime(), &Artefact::new(bytes), None, &Policy::default()).await
        });
        let report = report.expect("the host is well");
        assert_eq!(failed(&report), [expected], "{}", report.text());
    }
}
