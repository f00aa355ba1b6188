//! The FTP connector: the endpoints `ftp-get` and `ftp-put` as one WebAssembly component.
//!
//! # A tour
//!
//! From the outside in:
//!
//! - this file: the generated bindings, the exports, and the translation between the contract's types and
//!   ours
//! - `flow`: takes the incoming payloads one after another, hands each to its command, settles it
//! - `get`, `put`, `manage`, `list`: the commands, one family a file; `fetch`: one file on its way in; `store`,
//!   `append`, `source`: one on its way out; `target`, `replace`, `look`: under which name, and what if that is taken
//! - `note`, `earlier`, `origin`: what a try keeps for a later one, and what that finds out: nothing is done twice
//!   when the host was killed; `version`, `proof`: what tells files apart, and what proves that one has arrived
//! - `describe`, `check`, `probe`: what a host asks before it calls an endpoint
//! - `client`: one server: reuse of the session, trying again, removing what failed
//! - `session`, `signin`, `files`, `zone`: FTP proper: commands and features; signing in; files, folders and
//!   listings; the time zone of those
//! - `secure`, `tls`, `held`: AUTH TLS and the protection of data; TLS over a socket; the host that holds its sessions
//! - `connect`, `data`: opening data connections, and what runs over them
//! - `control`, `trace`: commands and replies, and what somebody who reads along may see of them
//! - `transport`, `patience`: bytes; time-outs, cancellation, keeping alive
//! - `settings`, `command`, `pattern`, `task`: what the settings and options mean
//! - `select`, `filter`, `path`, `encoding`, `listing`: which files, and what servers say of them
//! - `error`: every failure, and the one table from reply code to kind
//! - `fuzzing`: the readers above, for the fuzz targets; not in the component
//!
//! Nothing below `client` knows the contract's bindings, so that a later version of the contract can share
//! it, and so that it runs natively in tests. Nothing starts a thread.

#[allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated; its unsafe code is the calling convention of the component model"
)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../wit/deps/io", "../wit/connector", "../wit/ftp"],
        world: "flow:ftp/ftp-connector",
        generate_all,
    });
    export!(Component with_types_in self);
    use super::Component;
}

mod append;
mod check;
mod client;
mod command;
mod connect;
mod control;
mod data;
mod describe;
#[cfg(test)]
mod dialogue;
mod earlier;
mod encoding;
mod error;
mod fetch;
mod files;
mod filter;
mod flow;
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
pub mod fuzzing;
mod get;
mod hash;
mod held;
mod list;
mod listing;
mod look;
mod manage;
mod note;
mod origin;
mod path;
mod patience;
mod pattern;
mod probe;
mod proof;
mod put;
mod replace;
mod secure;
mod select;
mod session;
mod settings;
mod signin;
mod source;
mod store;
mod target;
mod task;
mod text;
mod tls;
mod trace;
mod transport;
mod version;
mod zone;

use bindings::exports::flow::connector::connector::{CheckStep, Descriptor, Egress};
use bindings::flow::connector::context;
use bindings::flow::connector::types;

use command::Verb;
use error::{Effect, Error, Kind, Retry};
use transport::{Host, Level};

/// What the component exports.
struct Component;

impl bindings::exports::flow::connector::connector::Guest for Component {
    fn describe() -> Descriptor {
        describe::descriptor()
    }

    fn plan(endpoint: Option<String>, call: types::Call) -> Result<Vec<Egress>, types::Error> {
        describe::plan(endpoint.as_deref(), &call).map_err(Into::into)
    }

    fn check(connection: types::Json, probe_write: bool) -> Result<Vec<CheckStep>, types::Error> {
        check::check(&connection, probe_write, HOST).map_err(Into::into)
    }
}

impl bindings::exports::flow::ftp::endpoints::Guest for Component {
    fn ftp_get(call: types::Call) -> Result<types::Summary, types::Error> {
        flow::run(&call, Verb::Get, HOST).map_err(Into::into)
    }

    fn ftp_put(call: types::Call) -> Result<types::Summary, types::Error> {
        flow::run(&call, Verb::Put, HOST).map_err(Into::into)
    }
}

/// The host's functions, as the FTP side knows them.
const HOST: Host = Host {
    cancelled: context::cancelled,
    remaining_ms: context::remaining_ms,
    traces: || context::log_threshold() == context::LogLevel::Trace,
    log: |level, message| {
        let level = match level {
            Level::Trace => context::LogLevel::Trace,
            Level::Debug => context::LogLevel::Debug,
            Level::Warn => context::LogLevel::Warn,
        };
        context::log(level, message);
    },
    progress: context::progress,
    tls: held::context,
};

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind.into(),
            message: error.message,
            code: error.code.map(|code| code.to_string()),
            retry: match error.retry {
                Retry::Never => types::Retry::Never,
                Retry::Backoff => types::Retry::Backoff,
            },
            effect: match error.effect {
                Effect::None => types::Effect::None,
                Effect::Partial => types::Effect::Partial,
                Effect::Unknown => types::Effect::Unknown,
            },
            details: error
                .field
                .map(|field| serde_json::json!({ "field": field }).to_string()),
        }
    }
}

/// A failure that the host reports to us, on its way back. It is not tried again here: what a host refuses
/// once it refuses again.
impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        let kind = Kind::from(error.kind);
        Self {
            ends_call: kind == Kind::Cancelled,
            ..Self::new(kind, error.message)
        }
    }
}

/// The kinds of the contract and ours are the same; one list serves both directions.
macro_rules! same_kinds {
    ($($case:ident),* $(,)?) => {
        impl From<Kind> for types::ErrorKind {
            fn from(kind: Kind) -> Self {
                match kind { $(Kind::$case => Self::$case,)* }
            }
        }
        impl From<types::ErrorKind> for Kind {
            fn from(kind: types::ErrorKind) -> Self {
                match kind { $(types::ErrorKind::$case => Self::$case,)* }
            }
        }
    };
}

same_kinds!(
    InvalidSettings,
    Authentication,
    Permission,
    NotFound,
    Conflict,
    Unreachable,
    Timeout,
    Busy,
    Tls,
    Protocol,
    Data,
    DeniedByHost,
    Cancelled,
    Unsupported,
    Internal,
);
