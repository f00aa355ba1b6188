//! **flowhost**, the reference host for connectors: it loads a connector's component, checks it against
//! the contract, and runs its endpoints inside flows.
//!
//! # The tour
//!
//! - [`engine`]: what a process has once: the wasm engine, the linker, compiled components.
//! - [`component`]: a loaded [`Connector`](component::Connector): its descriptor and endpoints, found by type.
//!   [`page`] shows what it says of itself.
//! - [`instance`]: a live connector within one run. [`imports`] holds what it may call, one file an
//!   interface; [`policy`] says what it may reach and how much it may use.
//! - [`tls`]: the TLS sessions that the host holds for connectors, and the operator's say about them.
//! - [`payload`], [`state`]: what moves through a run, and where its bytes are meanwhile.
//! - [`flow`]: flow files, templates, steps, and the runner.
//! - [`serve`]: runs flows by their triggers, for as long as the process lives.
//! - [`conformance`](mod@conformance): whether a connector keeps the contract.
//! - [`demo`]: an embedded FTP server and HTTP receiver, and the three flows that must always work.
//! - [`contract`], [`failure`], [`event`]: the words, the ways to fail, and what a run tells.

mod bindings;
pub mod component;
pub mod conformance;
pub mod contract;
pub mod demo;
pub mod engine;
pub mod event;
pub mod failure;
pub mod flow;
#[doc(hidden)]
pub mod fuzzing;
pub mod imports;
pub mod instance;
mod meter;
pub mod page;
pub mod payload;
pub mod policy;
pub mod serve;
pub mod state;
mod text;
pub mod tls;

/// The FTP connector's component, as built with this host.
pub const FTP_COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ftp.wasm"));

/// Its SHA-256.
const FTP_DIGEST: &[u8; 32] = include_bytes!(concat!(env!("OUT_DIR"), "/ftp.sha256"));
