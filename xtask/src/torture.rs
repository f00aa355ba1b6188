//! `cargo xtask torture`: everything that the torture needs, then the torture.

use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::workspace::Workspace;
use crate::{build, faults, process, servers};

/// Enough that every phase of a flow is met in each of its shapes, on each pair of servers.
const KILLS: u32 = 500;

/// Files of a round: a run over them has a few hundred places at which it can be killed.
const FILES: u32 = 200;

/// Files of the run whose power is cut. All that it writes is read again for each cut.
const POWER_FILES: u32 = 50;

pub const HELP: &str = "\
Kills flowhost at random moments, cuts its connections, fills its disk and cuts its power, and looks what became of it

Each round has fresh servers and files, and a flow: get, http, put, rename; or, streaming, get, put, rename. It is
killed and started again until a run ends by itself. Then every file must be where it belongs, byte for byte; each must
have been sent to the web server under one key; its original must have been moved once; nothing temporary may be left
anywhere; and `flowhost runs` must say the same.

With --power-cuts a flow is run once while all that it writes is recorded. For each cut, its state folder is made as a
disk may have it that lost what was not synced; whatever it had accepted by then must arrive.

The random choices come from a seed, which is printed.";

/// What can be said after `cargo xtask torture`.
#[derive(clap::Args)]
pub struct Options {
    /// How many processes are killed, for each way of delivery
    #[arg(long, value_name = "N", default_value_t = KILLS)]
    kills: u32,
    /// Files of a round
    #[arg(long, value_name = "N", default_value_t = FILES, value_parser = clap::value_parser!(u32).range(1..))]
    files: u32,
    /// Cut the power so often, too, for each way of delivery
    #[arg(long, value_name = "N", default_value_t = 0)]
    power_cuts: u32,
    /// Where the random choices come from [default: a random one]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only flows that spool
    #[arg(long)]
    spooled: bool,
    /// Only flows that stream
    #[arg(long, conflicts_with = "spooled")]
    streaming: bool,
    /// Only this kind of server: embedded, vsftpd, pure-ftpd, proftpd or pyftpdlib
    #[arg(long, value_name = "KIND")]
    server: Option<String>,
}

pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    servers::run(workspace)?;
    build::run(workspace)?;
    faults::run(workspace)?;
    process::say("torture");
    process::run(
        Command::new(workspace.program("flow-torture"))
            .current_dir(workspace.root())
            .arg(plan(options).to_string()),
    )
}

/// What flow-torture is told.
fn plan(options: &Options) -> Value {
    json!({
        "kills": options.kills,
        "files": options.files,
        "power_cuts": options.power_cuts,
        "power_files": POWER_FILES,
        "seed": options.seed,
        "spooled": !options.streaming,
        "streaming": !options.spooled,
        "server": options.server,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn planned(arguments: &[&str]) -> Value {
        let line = Line::parse_from([&["torture"], arguments].concat());
        plan(&line.options)
    }

    #[test]
    fn both_ways_of_delivery_are_tortured_unless_one_is_named() {
        let ways = |arguments: &[&str]| {
            let plan = planned(arguments);
            (plan["spooled"] == true, plan["streaming"] == true)
        };
        assert_eq!(ways(&[]), (true, true));
        assert_eq!(ways(&["--spooled"]), (true, false));
        assert_eq!(ways(&["--streaming"]), (false, true));
    }

    #[test]
    fn what_is_said_is_planned() {
        let plan = planned(&[
            "--kills",
            "7",
            "--power-cuts",
            "9",
            "--seed",
            "3",
            "--server",
            "vsftpd",
        ]);
        assert_eq!(
            (
                &plan["kills"],
                &plan["power_cuts"],
                &plan["seed"],
                &plan["server"]
            ),
            (&json!(7), &json!(9), &json!(3), &json!("vsftpd"))
        );
        assert_eq!(
            (&planned(&[])["kills"], &planned(&[])["seed"]),
            (&json!(500), &json!(null))
        );
    }
}
