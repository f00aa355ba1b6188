//! What the tests stand on: real FTP servers as processes, an FTP server that misbehaves by script, and
//! a way to run the built `flowhost` on a flow and look at what it did.
//!
//! - [`servers`]: [`FtpServer`](servers::FtpServer), the kinds of server, and how each is set up.
//! - [`script`]: [`ScriptServer`](script::ScriptServer), for everything that an honest server never does.
//! - [`pki`]: certificates, good and bad, and an authority that the tests trust.
//! - [`wire`]: [`Wire`](wire::Wire), one end of a connection, in clear or in TLS.
//! - [`proxy`]: [`CutProxy`](proxy::CutProxy), which breaks the connections to a real server.
//! - [`run`]: [`Bench`](run::Bench), a folder of its own for a test, and the runs of `flowhost` in it.
//! - [`steps`]: flows out of small parts, and those that most tests run.
//! - [`guests`]: connectors that misbehave, run in this process beside honest ones.
//! - [`crowd`]: many of them at once, beside one honest transfer. [`large`]: what tests of large transfers share.
//! - [`shop`]: [`Shop`](shop::Shop), a web server that takes what flows send.
//! - [`serving`]: [`Serving`](serving::Serving), `flowhost serve` as a process. [`gate`]: [`Gate`](gate::Gate), which keeps
//!   a run going for as long as a test wants.
//! - [`tree`]: folders of files, compared as wholes.
//! - [`torture`]: processes that are killed, connections that break and disks that fill, until everything is where it
//!   belongs. [`power`]: power that goes, and what is left on the disk.
//! - [`conformance`]: the suite that shows whether a host does what the contract says, whoever wrote it.
//! - [`protocol`]: what the conformance suite and the adapters of hosts say to each other.
//! - [`adapter`]: flowhost, as that suite drives it.
//!
//! Everything listens on loopback and on ports that nobody else has; readiness is waited for, never slept for.

pub mod adapter;
pub mod conformance;
pub mod crowd;
pub mod gate;
pub mod guests;
pub mod large;
pub mod pki;
mod poll;
pub mod power;
pub mod protocol;
pub mod proxy;
pub mod run;
pub mod script;
pub mod servers;
pub mod serving;
pub mod shop;
pub mod steps;
pub mod torture;
pub mod tree;
pub mod wire;
