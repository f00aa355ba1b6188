//! `cargo xtask …`: everything that is more than one cargo command.
//!
//! One file per command; `wasm/` finds the compiler for the component, `fuzz/` stands in for the compiler of the
//! fuzz targets, `servers/` gets the FTP servers of the tests, `apt` reads Debian's packages without installing any, `process` runs other programs.

mod apt;
mod bench;
mod build;
mod conformance;
mod connectors;
mod demo;
mod faults;
mod fuzz;
mod guests;
mod hosts;
mod lint;
mod new_connector;
mod process;
mod servers;
mod test;
mod torture;
mod wasm;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Builds, shows, tests and checks the FTP connector and its host.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const ENVIRONMENT: &str = "\
Environment:
  WASM_TOOLCHAIN=rustup|debian  use only this source of the wasm32-wasip2 toolchain
                                (default: installed, then rustup, then Debian packages)
  CI                            when set, a server that is missing is a failure";

#[derive(Subcommand)]
enum Command {
    /// Build dist/ftp.wasm (the connector), target/release/flowhost (the host, which embeds it), and the connectors in
    /// examples/, into target/connectors
    Build,
    /// Make a connector of your own: a crate that builds, tests natively, and runs in a flow
    NewConnector {
        /// Lower-case words with `-` between them
        name: String,
        /// The folder to make it in; its own folder there must not exist yet
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        into: PathBuf,
    },
    /// Build the connector in a folder, wherever it is: as `cargo build --release --target wasm32-wasip2`, also where
    /// that target is not installed
    Component {
        /// The folder with its Cargo.toml
        folder: PathBuf,
    },
    /// Build what is missing or out of date and run `flowhost demo`
    Demo {
        /// Passed to `flowhost demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Get the servers, build, also the guests, and run every test in the release profile
    Test {
        /// Passed to `cargo test`, such as a test's name or `-- --nocapture`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Fuzz everything that reads words from outside under libFuzzer (needs a C++ compiler)
    ///
    /// Each target runs on its seeds and on what earlier runs found worth keeping (target/fuzz/corpus). A finding
    /// fails the command, which then tells where the reproducer is and how to run it again.
    Fuzz(fuzz::Options),
    /// Measure flowhost beside other FTP clients on a real server
    #[command(long_about = bench::HELP)]
    Bench(bench::Options),
    /// Kill flowhost at random moments and see that nothing is lost or done twice
    #[command(long_about = torture::HELP)]
    Torture(torture::Options),
    /// Show whether hosts do what the contract says: flowhost, Node.js, Python, or one of your own
    #[command(long_about = conformance::HELP)]
    Conformance(conformance::Options),
    /// Test the hosts in hosts/ in their own languages (Node.js, Python)
    Hosts,
    /// Check format, lints, docs and dependencies (licences, sources, bans, advisories)
    Lint,
    /// Build the connectors that misbehave in the tests, into target/guests
    Guests,
    /// Build the library that lets disks fail below flowhost in the tests (Linux)
    Faults,
    /// Get the FTP servers of the tests into target/servers; none is installed on the machine
    Servers,
    /// Find or get the wasm32-wasip2 toolchain and say which one it is
    Toolchain,
}

fn main() -> ExitCode {
    let done = if fuzz::instrument::is_meant() {
        fuzz::instrument::run()
    } else {
        run(Arguments::parse().command)
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Build => build::run(&workspace)?,
        Command::NewConnector { name, into } => new_connector::run(&workspace, &name, &into)?,
        Command::Component { folder } => connectors::component(&workspace, &folder)?,
        Command::Demo { arguments } => return demo::run(&workspace, &arguments),
        Command::Test { arguments } => test::run(&workspace, &arguments)?,
        Command::Fuzz(options) => fuzz::run(&workspace, &options)?,
        Command::Bench(options) => bench::run(&workspace, &options)?,
        Command::Torture(options) => torture::run(&workspace, &options)?,
        Command::Conformance(options) => return conformance::run(&workspace, &options),
        Command::Hosts => hosts::test(&workspace)?,
        Command::Lint => lint::run(&workspace)?,
        Command::Guests => guests::run(&workspace)?,
        Command::Faults => faults::run(&workspace)?,
        Command::Servers => servers::run(&workspace)?,
        Command::Toolchain => println!("{}", wasm::toolchain(&workspace)?),
    }
    Ok(ExitCode::SUCCESS)
}
