//! This program in the place of rustc: it calls rustc, with instrumentation for the workspace's own code.
//!
//! Flags for everything (`RUSTFLAGS`) would compile wasmtime once more, for minutes, and count its branches too.
//! Cargo calls a *workspace wrapper* for the packages of the workspace alone, and keeps what it makes apart from
//! what the plain compiler makes.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

/// Set for the wrapper's calls, which are not meant for `cargo xtask`.
const SWITCH: &str = "XTASK_INSTRUMENT";

/// What libFuzzer needs to see where an input leads, as cargo-fuzz asks for it; all stable. With the checks that
/// a debug build has: an overflow or a broken `debug_assert` is a finding.
const FLAGS: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Coverflow-checks=on",
    "-Cdebug-assertions=on",
];

/// Makes cargo call this program in the place of rustc.
pub fn apply(cargo: &mut Command) -> Result<()> {
    let own = env::current_exe().context("where is this program?")?;
    cargo.env("RUSTC_WORKSPACE_WRAPPER", own).env(SWITCH, "1");
    Ok(())
}

/// Whether this call comes from cargo, in the place of rustc.
pub fn is_meant() -> bool {
    env::var_os(SWITCH).is_some()
}

/// Calls rustc, which is the first argument.
pub fn run() -> Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let rustc = arguments
        .next()
        .context("cargo names no rustc to the workspace wrapper")?;
    let arguments: Vec<OsString> = arguments.collect();
    let mut command = Command::new(&rustc);
    command.args(&arguments);
    if is_ours(&arguments) {
        command.args(FLAGS);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", rustc.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Whether it is code to instrument: neither a question about the compiler, nor a build script, which runs
/// without libFuzzer.
fn is_ours(arguments: &[OsString]) -> bool {
    let name = arguments
        .iter()
        .position(|argument| argument == "--crate-name")
        .and_then(|place| arguments.get(place + 1));
    name.map(OsString::as_os_str)
        .and_then(OsStr::to_str)
        .is_some_and(|name| name != "___" && !name.starts_with("build_script_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crates_are_instrumented() {
        let ours = |line: &str| is_ours(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(ours(
            "--crate-name ftp_connector --edition=2024 connector/src/lib.rs"
        ));
        assert!(!ours("--crate-name build_script_build host/build.rs"));
        assert!(!ours("- --crate-name ___ --print=file-names"));
        assert!(!ours("-vV"));
    }
}
