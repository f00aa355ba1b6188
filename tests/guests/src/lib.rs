//! Connectors for the tests that do wrong, each in a way of its own, and what they do when they are honest.
//!
//! # A tour
//!
//! - [`bindings`]: generated from the contract and `wit/guests.wit`. [`connector!`] makes a component of a crate: each
//!   of `examples/` is one, and differs from the others in its `describe` alone.
//! - [`describe`]: the ways to describe oneself. [`plan`]: the ways to plan.
//! - [`misbehave`]: the endpoint that does wrong; [`options`] has the list of what it can do.
//! - [`work`], [`network`], [`flood`], [`payloads`]: what it then does, by what it is wrong with. [`raw`]: what only
//!   unsafe code can do wrong.
//! - [`sequence`]: calls of the host in any order, as a fuzzer writes them.
//! - [`sloppy`]: a connector that keeps the contract, or breaks it in one way: for the checks of conformance.
//! - [`honest`]: the endpoints `make` and `pass`, for the runs beside it.
//!
//! What a program in Rust cannot do at all is in `wat/`. Natively all this is a library that nobody calls: it is
//! compiled and linted like any other, and the imports behind it are not there.

#[allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated; its unsafe code is the calling convention of the component model"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/deps/io", "../../wit/connector", "wit"],
        world: "test:guests/guest",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "flow_guests::bindings",
    });
}

pub mod describe;
pub mod flood;
pub mod honest;
pub mod misbehave;
pub mod network;
pub mod options;
pub mod payloads;
pub mod plan;
pub mod raw;
pub mod sequence;
pub mod sloppy;
pub mod work;

/// The functions of the component `misbehave`.
pub mod endpoints {
    pub use crate::honest::{make, pass};
    pub use crate::misbehave::misbehave;
    pub use crate::plan::plan;
    pub use crate::silent::check;
}

/// The functions of the component `sequence`.
pub mod sequences {
    pub use crate::sequence::misbehave;
    pub use crate::silent::{check, make, pass, plan};
}

/// Functions that do nothing, for components that do not get so far. They are a fifth as large.
pub mod silent {
    use crate::bindings::exports::flow::connector::connector::{CheckStep, Egress};
    use crate::bindings::flow::connector::types::{Call, Error, Summary};
    use crate::honest::nothing;

    /// Reaches nothing.
    ///
    /// # Errors
    /// Never.
    pub fn plan(_: Option<String>, _: &Call) -> Result<Vec<Egress>, Error> {
        Ok(Vec::new())
    }

    /// Finds nothing.
    ///
    /// # Errors
    /// Never.
    pub fn check(_: &str, _: bool) -> Result<Vec<CheckStep>, Error> {
        Ok(Vec::new())
    }

    /// Does nothing.
    ///
    /// # Errors
    /// Never.
    pub fn misbehave(_: &Call) -> Result<Summary, Error> {
        Ok(nothing())
    }

    pub use misbehave as make;
    pub use misbehave as pass;
}

/// Makes a component of the crate that calls it, with this function for its `describe`, and this module's functions
/// for all else: [`endpoints`] or [`silent`].
#[macro_export]
macro_rules! connector {
    ($describe:path, $($calls:ident)::+) => {
        #[allow(
            unsafe_code,
            missing_docs,
            clippy::pedantic,
            reason = "generated; its unsafe code is the calling convention of the component model"
        )]
        mod component {
            use flow_guests::bindings::exports::flow::connector::connector::{CheckStep, Descriptor, Egress};
            use flow_guests::bindings::flow::connector::types::{Call, Error, Summary};

            struct Component;

            impl flow_guests::bindings::exports::flow::connector::connector::Guest for Component {
                fn describe() -> Descriptor {
                    $describe()
                }

                fn plan(endpoint: Option<String>, call: Call) -> Result<Vec<Egress>, Error> {
                    $($calls)::+::plan(endpoint, &call)
                }

                fn check(connection: String, probe_write: bool) -> Result<Vec<CheckStep>, Error> {
                    $($calls)::+::check(&connection, probe_write)
                }
            }

            impl flow_guests::bindings::exports::test::guests::endpoints::Guest for Component {
                fn misbehave(call: Call) -> Result<Summary, Error> {
                    $($calls)::+::misbehave(&call)
                }

                fn make(call: Call) -> Result<Summary, Error> {
                    $($calls)::+::make(&call)
                }

                fn pass(call: Call) -> Result<Summary, Error> {
                    $($calls)::+::pass(&call)
                }
            }

            flow_guests::bindings::export!(Component);
        }
    };
}
