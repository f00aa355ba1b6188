//! What is wrong with a flow file, and where.

use crate::text::on_one_line;
use serde::Serialize;
use std::fmt;

/// A place in a text file. Both counts begin with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// One thing that is wrong, in words for the author of the flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The flow file, as it was named.
    pub file: String,
    /// Where; none when the file as a whole is meant.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// The field, such as `steps[1].options.path`; empty for the file as a whole.
    pub field: String,
    /// What is wrong and what would be right. Never a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file)?;
        if let Some(place) = self.place {
            write!(formatter, ":{}:{}", place.line, place.column)?;
        }
        if !self.field.is_empty() {
            write!(formatter, ": {}", self.field)?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// All problems of a flow, in the order of the file; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Puts problems in order and drops repetitions; none when there are no problems.
    #[must_use]
    pub fn from_list(mut list: Vec<Problem>) -> Option<Self> {
        list.sort_by(|left, right| (left.place, &left.field).cmp(&(right.place, &right.field)));
        list.dedup();
        (!list.is_empty()).then_some(Self(list))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Characters of a field or a message: some sentences. What is longer repeats what others have written.
const LONGEST: usize = 1000;

/// Text for one line of a terminal or a log: parts of it may come from a file or a connector that nobody knows.
pub(crate) fn in_one_line(text: &str) -> String {
    on_one_line(text, LONGEST)
}

/// The name among `known` that `name` was probably meant to be.
#[must_use]
pub fn similar<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this, suggestions are more often wrong than right.
    const LEAST_LIKENESS: f64 = 0.7;
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?` and the list of what there is, to be put behind what is wrong.
#[must_use]
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let list = list(known.clone());
    match similar(name, known) {
        Some(candidate) => format!("; did you mean `{candidate}`? There are: {list}"),
        None if list.is_empty() => String::new(),
        None => format!("; there are: {list}"),
    }
}

/// Names in backticks, with commas.
#[must_use]
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_close_or_absent() {
        assert_eq!(similar("ftp-gte", ["ftp-get", "ftp-put"]), Some("ftp-get"));
        assert_eq!(similar("Warehose", ["warehouse", "shop"]), Some("warehouse"));
        assert_eq!(similar("zzz", ["warehouse", "shop"]), None);
    }

    #[test]
    fn what_others_have_written_does_not_leave_its_line() {
        assert_eq!(in_one_line("a\u{1b}[31m\r\nb"), "a [31m  b");
        assert_eq!(in_one_line(&"é".repeat(5000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn problems_come_in_the_order_of_the_file() {
        let at = |line, field: &str| Problem {
            file: "f".into(),
            place: Some(Place { line, column: 1 }),
            field: field.into(),
            message: "m".into(),
        };
        let problems = Problems::from_list(vec![at(9, "b"), at(2, "a"), at(9, "b")]).expect("two");
        assert_eq!(problems.to_string(), "f:2:1: a: m\nf:9:1: b: m");
        assert!(Problems::from_list(Vec::new()).is_none());
    }
}
