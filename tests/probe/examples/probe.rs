//! The probe as a component.
#![cfg(target_arch = "wasm32")]

use flow_probe::bindings;

bindings::export!(Probe);

/// What the component exports.
struct Probe;

impl bindings::exports::flow::connector::connector::Guest for Probe {
    fn describe() -> bindings::exports::flow::connector::connector::Descriptor {
        flow_probe::about::describe()
    }

    fn plan(
        endpoint: Option<String>,
        call: bindings::flow::connector::types::Call,
    ) -> Result<
        Vec<bindings::exports::flow::connector::connector::Egress>,
        bindings::flow::connector::types::Error,
    > {
        flow_probe::about::plan(endpoint.as_deref(), &call)
    }

    fn check(
        connection: String,
        probe_write: bool,
    ) -> Result<
        Vec<bindings::exports::flow::connector::connector::CheckStep>,
        bindings::flow::connector::types::Error,
    > {
        flow_probe::about::check(&connection, probe_write)
    }
}

impl bindings::exports::test::probe::scripts::Guest for Probe {
    fn run(
        call: bindings::flow::connector::types::Call,
    ) -> Result<bindings::flow::connector::types::Summary, bindings::flow::connector::types::Error> {
        flow_probe::run(&call)
    }

    fn describe_yourself(name: String) -> String {
        name
    }
}

impl bindings::exports::test::probe::more::Guest for Probe {
    fn pass_all(
        call: bindings::flow::connector::types::Call,
    ) -> Result<bindings::flow::connector::types::Summary, bindings::flow::connector::types::Error> {
        flow_probe::pass_all(&call)
    }
}
