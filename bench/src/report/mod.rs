//! The results: as a Markdown table for people, as JSON for programs.

mod machine;
mod markdown;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::{Timestamp, Unit};
use serde::Serialize;

use crate::contender::Contender;
use crate::figures::{Figures, Ratios};
use crate::lines::Line;
use crate::place::Place;
use crate::stopwatch::Sample;
use crate::{Plan, made};

pub use machine::{Machine, Version, versions};

/// Everything that was measured, and what it was measured on.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// When it began, RFC 3339.
    pub when: String,
    /// With which command.
    pub command: String,
    /// Whether the figures mean nothing.
    pub quick: bool,
    /// Runs of each contender that count.
    pub pairs: u32,
    /// On what.
    pub machine: Machine,
    /// Of what.
    pub versions: Vec<Version>,
    /// The lines.
    pub lines: Vec<LineReport>,
}

impl Report {
    /// One without lines as yet.
    #[must_use]
    pub fn new(plan: &Plan, place: &Place, versions: Vec<Version>) -> Self {
        let now = Timestamp::now();
        Self {
            when: now.round(Unit::Second).unwrap_or(now).to_string(),
            command: plan.command.clone(),
            quick: plan.quick,
            pairs: plan.pairs,
            machine: Machine::this(place),
            versions,
            lines: Vec::new(),
        }
    }

    /// As a document.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::of(self)
    }

    /// Writes `results.md` and `results.json` to a folder.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        made(folder)?;
        let json = format!("{}\n", serde_json::to_string_pretty(self)?);
        for (name, content) in [("results.md", self.markdown()), ("results.json", json)] {
            let file = folder.join(name);
            fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }
}

/// The results of one line.
#[derive(Debug, Clone, Serialize)]
pub struct LineReport {
    /// Its name.
    pub name: &'static str,
    /// What was done.
    pub what: String,
    /// A row for every contender, ours first.
    pub rows: Vec<Row>,
}

impl LineReport {
    /// Of a line with its rows.
    #[must_use]
    pub fn new(line: &Line, plan: &Plan, rows: Vec<Row>) -> Self {
        Self {
            name: line.name,
            what: line.describe(plan),
            rows,
        }
    }
}

/// One contender in a line.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name.
    pub contender: &'static str,
    /// Why there are no figures, where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<String>,
    /// What its runs took, where it took part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
    /// Ours divided by its, unless it is ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratios: Option<Ratios>,
    /// Its runs, in their order.
    pub samples: Vec<Sample>,
}

impl Row {
    /// With figures.
    #[must_use]
    pub fn measured(contender: Contender, samples: Vec<Sample>, ours: &[Sample]) -> Self {
        Self {
            contender: contender.name(),
            without: None,
            figures: Figures::of(&samples),
            ratios: (contender != Contender::Flowhost)
                .then(|| Ratios::of(ours, &samples))
                .flatten(),
            samples,
        }
    }

    /// Without figures, and why.
    #[must_use]
    pub fn without(contender: Contender, reason: String) -> Self {
        Self {
            contender: contender.name(),
            without: Some(reason),
            figures: None,
            ratios: None,
            samples: Vec::new(),
        }
    }
}
