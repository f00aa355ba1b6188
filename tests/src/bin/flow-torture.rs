//! `flow-torture PLAN`: tortures `flowhost` as a plan says, as JSON, and prints the counts. `cargo xtask torture` starts it.

use std::env;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use flow_tests::servers::Kind;
use flow_tests::torture::stage::Delivery;
use flow_tests::{power, torture};
use serde::Deserialize;

/// What xtask says.
#[derive(Deserialize)]
struct Plan {
    kills: usize,
    files: usize,
    power_cuts: usize,
    power_files: usize,
    seed: Option<u64>,
    spooled: bool,
    streaming: bool,
    server: Option<String>,
}

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
        .context("there is no plan: run `cargo xtask torture`")?;
    let plan: Plan = serde_json::from_str(&plan).context("this is no plan")?;
    let server = plan.server.as_deref().map(kind).transpose()?;
    let seed = plan.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("seed {seed}");
    let deliveries = [
        (plan.spooled, Delivery::Spooled),
        (plan.streaming, Delivery::Streaming),
    ];
    for (_, delivery) in deliveries.into_iter().filter(|(wanted, _)| *wanted) {
        kill(&plan, seed, delivery, server)?;
        cut_power(&plan, seed, delivery, server)?;
    }
    Ok(())
}

fn kill(plan: &Plan, seed: u64, delivery: Delivery, server: Option<Kind>) -> Result<()> {
    if plan.kills == 0 {
        return Ok(());
    }
    let plan = torture::Plan {
        kills: plan.kills,
        files: plan.files,
        seed,
        delivery,
        server,
    };
    let counts = torture::run(&plan, &mut |line| println!("{line}"))?;
    println!("\n{delivery:?}: {counts}\n");
    Ok(())
}

fn cut_power(plan: &Plan, seed: u64, delivery: Delivery, server: Option<Kind>) -> Result<()> {
    if plan.power_cuts == 0 {
        return Ok(());
    }
    let plan = power::Plan {
        cuts: plan.power_cuts,
        files: plan.power_files,
        seed,
        delivery,
        server: server.unwrap_or(Kind::Embedded),
    };
    if let Some(counts) = power::run(&plan, &mut |line| println!("{line}"))? {
        println!("\n{delivery:?}: {counts}\n");
    }
    Ok(())
}

fn kind(name: &str) -> Result<Kind> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let names = Kind::ALL.map(Kind::name).join(", ");
    kind.with_context(|| format!("there is no server `{name}`: write one of {names}"))
}
