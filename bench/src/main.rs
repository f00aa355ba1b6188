//! `flow-bench PLAN`: measures what a plan says, as JSON, and prints the results. `cargo xtask bench` starts it.

use std::env;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use flow_bench::Plan;
use flow_bench::interrupt::Interrupt;
use flow_bench::place::Place;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let plan = env::args()
        .nth(1)
        .context("there is no plan: run `cargo xtask bench`")?;
    let plan: Plan = serde_json::from_str(&plan).context("this is no plan")?;
    // Before anything is measured: a wrong name is told at once.
    plan.chosen()?;
    let interrupt = Interrupt::by_signal()?;
    let report = flow_bench::run(&plan, &Place::choose(&plan)?, &interrupt)?;
    print!("{}", report.markdown());
    if let Some(folder) = &plan.write {
        report.write(folder)?;
    }
    Ok(())
}
