//! The document with the table.

use std::fmt::Write as _;

use super::{LineReport, Report, Row};
use crate::figures::{Figures, Ratios, Spread};

/// How the figures came about, and what is not the same on both sides.
const NOTES: &str = "\
## How to read this

- Each figure is the median of all runs that count, with the least and the most of them. Wall time is that of the
  whole process, from its start to its end; CPU is user and system time; peak is the most resident memory. The
  server's own work is in the wall time alone.
- The last four columns are flowhost divided by the client: **below 1, flowhost takes less**. The programs run in
  turns, and \"pairs\" stands for the median of the ratios of two runs in the same round, which a machine that is slower
  for a while does not change; \"medians\" for the ratio of the two medians.
- All run with their own defaults, on one machine over loopback, one file after another, and each file in one stream.
  (That is not rclone's default: with its four, rclone 1.60 left other bytes in a file of 1 GiB, and exit code 0.) One
  round before the first that counts fills the caches, for flowhost that of the compiled connector.
- After each run, what arrived is compared with the source by SHA-256, and removed. A client that moved other bytes has
  no figures.
- flowhost does more for a file than the others do. What it gets goes to its spool, and then from there to the folder
  (the step `folder`), under a temporary name, flushed to the disk, and renamed; the others write one file, and leave
  the flushing to the system. What it puts goes to a temporary name on the server, is renamed there, and its length is
  compared. All files are on one file system; on one in memory (`tmpfs`) flushing costs nothing.
- flowhost, Python, lftp, wget and rclone list a folder before they get its files; curl cannot, and is told their
  names.
- curl, lftp, wget and rclone are those of this machine; Python's ftplib runs in a short script, which for FTPS adds the
  session reuse that ftplib has not got.
";

pub fn of(report: &Report) -> String {
    let mut text = String::new();
    write(report, &mut text).expect("a text takes what is written to it");
    text
}

fn write(report: &Report, text: &mut String) -> std::fmt::Result {
    writeln!(text, "# Timings beside other FTP clients\n")?;
    if report.quick {
        writeln!(
            text,
            "**A quick run: it shows that everything works. Its figures mean nothing.**\n"
        )?;
    }
    table(report, text)?;
    writeln!(text)?;
    for line in &report.lines {
        writeln!(text, "- `{}`: {}.", line.name, line.what)?;
    }
    writeln!(text, "\n{NOTES}")?;
    machine(report, text)
}

fn table(report: &Report, text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "| line | client | wall, s | CPU, s | peak, MiB | wall ratio (pairs) | wall ratio (medians) | CPU ratio (pairs) | peak ratio |"
    )?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|")?;
    for line in &report.lines {
        for row in &line.rows {
            writeln!(text, "| {} |", cells(line, row).join(" | "))?;
        }
    }
    Ok(())
}

fn cells(line: &LineReport, row: &Row) -> [String; 9] {
    let empty = String::new;
    let [wall, cpu, peak] = match (&row.figures, &row.without) {
        (Some(figures), _) => taken(figures),
        // A pipe would begin a new cell.
        (None, Some(reason)) => [reason.replace('|', "\\|"), empty(), empty()],
        (None, None) => [empty(), empty(), empty()],
    };
    let [of_pairs, of_medians, of_cpu, of_peak] = row
        .ratios
        .as_ref()
        .map_or_else(|| [empty(), empty(), empty(), empty()], compared);
    [
        format!("`{}`", line.name),
        row.contender.to_owned(),
        wall,
        cpu,
        peak,
        of_pairs,
        of_medians,
        of_cpu,
        of_peak,
    ]
}

fn taken(figures: &Figures) -> [String; 3] {
    [
        spread(&figures.wall_s, 3),
        spread(&figures.cpu_s, 3),
        format!("{:.0}", figures.peak_kib.median / 1024.0),
    ]
}

fn compared(ratios: &Ratios) -> [String; 4] {
    [
        format!(
            "**{:.2}** {}",
            ratios.wall_of_pairs.median,
            ends(&ratios.wall_of_pairs, 2)
        ),
        format!("{:.2}", ratios.wall_of_medians),
        spread(&ratios.cpu_of_pairs, 2),
        format!("{:.2}", ratios.peak_of_medians),
    ]
}

fn spread(spread: &Spread, digits: usize) -> String {
    format!("{:.digits$} {}", spread.median, ends(spread, digits))
}

fn ends(spread: &Spread, digits: usize) -> String {
    format!("({:.digits$}..{:.digits$})", spread.min, spread.max)
}

fn machine(report: &Report, text: &mut String) -> std::fmt::Result {
    let machine = &report.machine;
    writeln!(text, "## What it was measured on\n")?;
    writeln!(
        text,
        "- {}, with `{}`, {} pairs a line",
        report.when, report.command, report.pairs
    )?;
    writeln!(
        text,
        "- {}, {} cores, {} MiB of memory, {}; load before the first run: {}",
        machine.cpu, machine.cores, machine.memory_mib, machine.kernel, machine.load
    )?;
    writeln!(text, "- all files on {}", machine.file_system)?;
    for one in &report.versions {
        writeln!(text, "- {}: {}", one.name, one.version)?;
    }
    Ok(())
}
