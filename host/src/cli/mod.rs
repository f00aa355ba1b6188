//! The command line.

mod check;
mod conformance;
mod demo;
mod describe;
mod fingerprint;
mod operator;
mod output;
mod run;
mod runs;
mod serve;
mod signals;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use flowhost::engine::{Runtime, RuntimeOptions};
use flowhost::flow::Problems;
use std::process::ExitCode;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// Something failed.
const FAILED: u8 = 1;
/// The flow or the command line is wrong; clap ends with the same code.
const WRONG: u8 = 2;
/// Another run of the flow goes on.
const SKIPPED: u8 = 3;

const EXIT_CODES: &str = "\
Exit codes:
  0  all went well
  1  something failed: a step, a payload, a connection, a check of conformance
  2  the flow, the settings or the command line is wrong, and nothing was done
  3  the flow was not run: another run of it goes on (overlap: skip)
  130  ended at once by a second Ctrl-C

Environment:
  FLOWHOST_STATE      folder for what a run keeps on disk, where --state is not given
  FLOWHOST_POLICY     the policy file, where --policy is not given
  FLOWHOST_CACHE      folder for compiled connectors (default: flowhost in the user's cache folder)
  FLOWHOST_CACHE_KEY  file with the secret that protects them (default: flowhost/cache.key in the user's state folder)
  FLOWHOST_LOG        the host's own log, for example `debug`";

/// Runs flows that move documents between systems through sandboxed connectors.
#[derive(Debug, Parser)]
#[command(name = "flowhost", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a flow.
    Run(run::Args),
    /// Run flows by their triggers until a signal ends it.
    Serve(serve::Args),
    /// List what runs have done; show, retry, export or purge one.
    Runs(runs::Args),
    /// Check flows: the files first, then the connections that they use.
    Check(check::Args),
    /// Tell what a connector is: its endpoints, settings and options.
    Describe(describe::Args),
    /// Check whether a connector keeps the contract.
    Conformance(conformance::Args),
    /// Show a server's certificate and its fingerprint, to decide whether to trust it.
    Fingerprint(fingerprint::Args),
    /// Move real files through three flows, with everything that takes part inside this program.
    Demo(demo::Args),
}

/// Parses the arguments, does what they say, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("FLOWHOST_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot start")
        .and_then(|runtime| runtime.block_on(dispatch(cli.command)));
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("flowhost: {error:#}");
            let wrong = error.is::<Problems>() || error.is::<Wrong>();
            ExitCode::from(if wrong { WRONG } else { FAILED })
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Serve(args) => serve::serve(args).await,
        Command::Runs(args) => runs::runs(args).await,
        Command::Check(args) => check::check(args).await,
        Command::Describe(args) => describe::describe(args).await,
        Command::Conformance(args) => conformance::conformance(args).await,
        Command::Fingerprint(args) => fingerprint::fingerprint(args).await,
        Command::Demo(args) => demo::demo(args).await,
    }
}

fn runtime() -> anyhow::Result<Arc<Runtime>> {
    Runtime::new(RuntimeOptions::cached())
}

/// What was asked for cannot be, whatever happens outside.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Wrong(String);

fn exit(all_well: bool) -> ExitCode {
    if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use flowhost::contract::LogLevel;
    use flowhost::tls::TlsVersion;

    fn parsed(arguments: &[&str]) -> Result<Command, clap::error::ErrorKind> {
        Cli::try_parse_from([&["flowhost"], arguments].concat())
            .map(|cli| cli.command)
            .map_err(|error| error.kind())
    }

    #[test]
    fn the_arguments_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_dialogue_is_told_only_when_asked_for() {
        let threshold = |arguments: &[&str]| match parsed(arguments) {
            Ok(Command::Run(args)) => args.trace.log_threshold(),
            Ok(Command::Check(args)) => args.trace.log_threshold(),
            other => panic!("{other:?}"),
        };
        for command in ["run", "check"] {
            assert_eq!(threshold(&[command, "f.yaml"]), LogLevel::Debug);
            assert_eq!(threshold(&[command, "f.yaml", "--trace-ftp"]), LogLevel::Trace);
            assert_eq!(
                threshold(&[command, "--json", "--trace-ftp", "f.yaml"]),
                LogLevel::Trace
            );
        }
    }

    #[test]
    fn the_operator_has_a_say_where_something_connects() {
        let hash = "ab".repeat(32);
        for command in ["run", "check"] {
            let operator = |arguments: &[&str]| match parsed(&[&[command, "f.yaml"], arguments].concat()) {
                Ok(Command::Run(args)) => Ok(args.operator.policy().expect("no file to read").tls),
                Ok(Command::Check(args)) => Ok(args.operator.policy().expect("no file to read").tls),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error),
            };
            let usual = operator(&[]).expect("nothing is needed");
            assert_eq!((usual.minimum, usual.insecure), (TlsVersion::V1_2, false));
            assert!(usual.distrusted.is_empty() && usual.roots.is_none());
            let colons = format!("sha256:{}", ["cd"; 32].join(":"));
            let arguments = [
                "--tls-minimum",
                "1.3",
                "--allow-insecure-tls",
                "--distrust",
                &hash,
                "--distrust",
                &colons,
            ];
            let said = operator(&arguments).expect("sound");
            assert_eq!((said.minimum, said.insecure), (TlsVersion::V1_3, true));
            assert_eq!(said.distrusted, [[0xab; 32], [0xcd; 32]]);
            for wrong in [
                ["--tls-minimum", "1.1"],
                ["--distrust", "ab"],
                ["--distrust", "sha1:ab"],
            ] {
                assert!(operator(&wrong).is_err(), "{wrong:?}");
            }
        }
    }

    #[test]
    fn serving_takes_what_the_operator_says_too() {
        let served = parsed(&[
            "serve",
            "a.yaml",
            "flows",
            "--listen",
            "40000-40100",
            "--tls-minimum",
            "1.3",
        ]);
        match served {
            Ok(Command::Serve(args)) => {
                assert_eq!(
                    args.operator.policy().expect("sound").tls.minimum,
                    TlsVersion::V1_3
                );
            }
            other => panic!("{other:?}"),
        }
        for wrong in [
            &["serve"][..],
            &["serve", "a", "--grace", "soon"],
            &["serve", "a", "--http", "8080"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn nothing_is_probed_without_a_connection() {
        assert!(parsed(&["check", "--probe-write", "f.yaml"]).is_ok());
        let refused = parsed(&["check", "--probe-write", "--offline", "f.yaml"]);
        assert_eq!(
            refused.expect_err("they exclude each other"),
            clap::error::ErrorKind::ArgumentConflict
        );
    }
}
