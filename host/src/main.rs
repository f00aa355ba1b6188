//! `flowhost`, the program: arguments in, library calls, text or JSON out.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
