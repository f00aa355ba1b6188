//! What the demo did, for programs and as a table for people.

use std::fmt;

use super::files::DemoFile;

/// What the demo did.
#[derive(Debug)]
pub struct DemoReport {
    /// One entry for each flow, in the order in which they ran.
    pub flows: Vec<FlowReport>,
}

impl DemoReport {
    /// Whether every file is where it should be, whole, and nothing else is anywhere.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.flows.iter().all(|flow| flow.faults.is_empty())
    }
}

/// What became of one flow of the demo.
#[derive(Debug)]
pub struct FlowReport {
    /// The flow's name.
    pub name: &'static str,
    /// What it is to show.
    pub title: &'static str,
    /// One row for each file that moved.
    pub rows: Vec<Row>,
    /// What is not as it should be.
    pub faults: Vec<String>,
}

/// What became of one file.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub file: String,
    /// Its size in bytes.
    pub size: usize,
    /// Where its content arrived.
    pub arrived: String,
    /// Where the original is now.
    pub original: String,
}

/// A row for each file; `places` says where its content arrived and where the original is now.
pub(super) fn rows(files: &[DemoFile], places: impl Fn(&DemoFile) -> (String, String)) -> Vec<Row> {
    files
        .iter()
        .map(|file| {
            let (arrived, original) = places(file);
            Row {
                file: file.name().to_owned(),
                size: file.content.len(),
                arrived,
                original,
            }
        })
        .collect()
}

/// What arrived, and where each file went.
impl fmt::Display for DemoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, flow) in self.flows.iter().enumerate() {
            writeln!(f, "\n{}. {}: {}", number + 1, flow.name, flow.title)?;
            flow.table(f)?;
        }
        let files: usize = self.flows.iter().map(|flow| flow.rows.len()).sum();
        if self.is_ok() {
            write!(
                f,
                "\nAll {files} files arrived whole, every original is where it belongs, and nothing else is left."
            )
        } else {
            write!(f, "\nThe demo FAILED; see above.")
        }
    }
}

impl FlowReport {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "   FAILED: {fault}")?;
        }
        if !self.faults.is_empty() {
            return Ok(());
        }
        let head = ["file", "bytes", "arrived as", "original now at"].map(ToOwned::to_owned);
        let rows = self.rows.iter().map(|row| {
            [
                row.file.clone(),
                row.size.to_string(),
                row.arrived.clone(),
                row.original.clone(),
            ]
        });
        let lines: Vec<[String; 4]> = std::iter::once(head).chain(rows).collect();
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let (file_width, size_width, arrived_width) = (width(0), width(1), width(2));
        for [file, size, arrived, original] in &lines {
            writeln!(
                f,
                "   {file:file_width$}  {size:>size_width$}  {arrived:arrived_width$}  {original}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_a_fault_takes_its_place() {
        let row = |file: &str, size| Row {
            file: file.to_owned(),
            size,
            arrived: "in".to_owned(),
            original: "out".to_owned(),
        };
        let flow = |faults| FlowReport {
            name: "n",
            title: "t",
            rows: vec![row("ü", 5), row("longer", 1234)],
            faults,
        };
        let report = DemoReport {
            flows: vec![flow(vec![])],
        };
        assert_eq!(
            report.to_string(),
            "\n1. n: t\n   file    bytes  arrived as  original now at\n   ü           5  in          out\n   \
             longer   1234  in          out\n\nAll 2 files arrived whole, every original is where it belongs, \
             and nothing else is left."
        );
        let report = DemoReport {
            flows: vec![flow(vec!["x is missing".to_owned()])],
        };
        assert!(!report.is_ok());
        assert_eq!(
            report.to_string(),
            "\n1. n: t\n   FAILED: x is missing\n\nThe demo FAILED; see above."
        );
    }
}
