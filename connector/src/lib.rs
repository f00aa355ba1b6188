//! The FTP connector: the endpoints `ftp-get` and `ftp-put` as one WebAssembly component.
//!
//! # A tour
//!
//! From the outside in:
//!
//! - this file: the exports; `flow-connector`, the kit, has the bindings, and all that is the same for each connector
//! - `describe`: what the connector and its endpoints are, and what they will reach
//! - `flow`: hands each incoming payload to its command
//! - `get`, `put`, `manage`, `list`: the commands, one family a file; `fetch`: one file on its way in; `store`,
//!   `append`, `source`: one on its way out; `target`, `replace`, `look`: under which name, and what if that is taken
//! - `note`, `earlier`, `origin`: what a try keeps for a later one, and what that finds out: nothing is done twice
//!   when the host was killed; `version`, `proof`: what tells files apart, and what proves that one has arrived
//! - `check`, `probe`: what a host asks before it calls an endpoint
//! - `client`: one server: reuse of the session, trying again, removing what failed
//! - `session`, `signin`, `files`, `zone`: FTP proper: commands and features; signing in; files, folders and
//!   listings; the time zone of those
//! - `secure`, `tls`, `held`: AUTH TLS and the protection of data; TLS over a socket; the host, which holds its sessions
//! - `connect`, `data`: opening data connections, and what runs over them
//! - `control`, `trace`: commands and replies, and what somebody who reads along may see of them
//! - `transport`, `patience`: bytes; time-outs, cancellation, keeping alive
//! - `settings`, `command`, `pattern`, `task`: what the settings and options mean
//! - `select`, `filter`, `path`, `encoding`, `listing`: which files, and what servers say of them
//! - `error`: every failure, and the one table from reply code to kind
//! - `fuzzing`: the readers above, for the fuzz targets; not in the component
//!
//! Nothing below `client` calls the host but through `Host`, so that tests can stand in for it. Nothing starts a thread.

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

pub use describe::{Ftp, Get, Put};

flow_connector::connector! {
    connector: Ftp,
    wit: ["../wit/deps/io", "../wit/connector", "../wit/ftp"],
    world: "flow:ftp/ftp-connector",
    endpoints: flow::ftp::endpoints { ftp_get: Get, ftp_put: Put },
}
