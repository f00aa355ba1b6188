//! The one macro: a connector's exports.

/// Makes a component of a connector.
///
/// ```text
/// flow_connector::connector! {
///     connector: Ftp,
///     wit: ["wit"],
///     world: "flow:ftp/ftp-connector",
///     endpoints: flow::ftp::endpoints { ftp_get: Get, ftp_put: Put },
/// }
/// ```
///
/// - `connector`: the type that is the [`Connector`](crate::Connector).
/// - `wit`: the folders with the connector's own WIT package and those that it names, from the folder of its
///   `Cargo.toml`.
/// - `world`: its world, which includes `flow:connector/connector-base` and exports the interface with the endpoints.
/// - `endpoints`: that interface as a path, and for each of its functions, with `_` for `-`, the type that is the
///   [`Endpoint`](crate::Endpoint).
///
/// The WIT is checked by the compiler when it makes the component: a function that is missing here or there does not
/// compile. Natively only the table of endpoints is made, which the [harness](crate::harness) uses.
#[macro_export]
macro_rules! connector {
    (
        connector: $connector:ty,
        wit: $wit:tt,
        world: $world:tt,
        endpoints: $($interface:ident)::+ { $($function:ident: $endpoint:ty),+ $(,)? } $(,)?
    ) => {
        impl $crate::glue::Endpoints for $connector {
            fn endpoints() -> Vec<$crate::glue::Entry<Self>> {
                vec![$($crate::glue::Entry::of::<$endpoint>(stringify!($function))),+]
            }
        }

        #[cfg(target_family = "wasm")]
        #[allow(
            unsafe_code,
            missing_docs,
            clippy::all,
            clippy::pedantic,
            reason = "generated; its unsafe code is the calling convention of the component model"
        )]
        mod component {
            use super::*;
            use $crate::bindings::exports::flow::connector::connector::{CheckStep, Descriptor, Egress};
            use $crate::bindings::flow::connector::types;

            // The types are those of the kit, whose functions take them.
            $crate::wit_bindgen::generate!({
                path: $wit,
                world: $world,
                runtime_path: "flow_connector::wit_bindgen::rt",
                with: {
                    "wasi:io/error@0.2.6": flow_connector::bindings::wasi::io::error,
                    "wasi:io/poll@0.2.6": flow_connector::bindings::wasi::io::poll,
                    "wasi:io/streams@0.2.6": flow_connector::bindings::wasi::io::streams,
                    "flow:connector/types@0.1.1": flow_connector::bindings::flow::connector::types,
                    "flow:connector/context@0.1.1": flow_connector::bindings::flow::connector::context,
                    "flow:connector/exchange@0.1.1": flow_connector::bindings::flow::connector::exchange,
                    "flow:connector/tls@0.1.1": flow_connector::bindings::flow::connector::tls,
                    "flow:connector/connector@0.1.1/descriptor":
                        flow_connector::bindings::exports::flow::connector::connector::Descriptor,
                    "flow:connector/connector@0.1.1/endpoint":
                        flow_connector::bindings::exports::flow::connector::connector::Endpoint,
                    "flow:connector/connector@0.1.1/egress":
                        flow_connector::bindings::exports::flow::connector::connector::Egress,
                    "flow:connector/connector@0.1.1/direction":
                        flow_connector::bindings::exports::flow::connector::connector::Direction,
                    "flow:connector/connector@0.1.1/check-step":
                        flow_connector::bindings::exports::flow::connector::connector::CheckStep,
                    "flow:connector/connector@0.1.1/check-status":
                        flow_connector::bindings::exports::flow::connector::connector::CheckStatus,
                },
            });

            struct Component;

            impl exports::flow::connector::connector::Guest for Component {
                fn describe() -> Descriptor {
                    $crate::glue::describe::<$connector>()
                }

                fn plan(endpoint: Option<String>, call: types::Call) -> Result<Vec<Egress>, types::Error> {
                    $crate::glue::plan::<$connector>(endpoint.as_deref(), &call).map_err(Into::into)
                }

                fn check(connection: String, probe_write: bool) -> Result<Vec<CheckStep>, types::Error> {
                    $crate::glue::check::<$connector>(&connection, probe_write).map_err(Into::into)
                }
            }

            impl exports::$($interface)::+::Guest for Component {
                $(fn $function(call: types::Call) -> Result<types::Summary, types::Error> {
                    $crate::glue::run::<$endpoint>(&call).map_err(Into::into)
                })+
            }

            export!(Component);
        }
    };
}
