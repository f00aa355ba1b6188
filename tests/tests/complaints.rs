//! `docs/complaints.md` names tests that exist.

use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of all tables: complaint, answer, proof.
fn rows() -> Vec<[String; 3]> {
    let file = repository().join("docs/complaints.md");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let rows = rows.filter(|line| !line.starts_with("|---") && !line.starts_with("| complaint |"));
    rows.map(|line| {
        let cells: Vec<String> = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        cells
            .try_into()
            .unwrap_or_else(|_| panic!("not three cells: {line}"))
    })
    .collect()
}

#[test]
fn every_complaint_has_an_answer_and_a_proof_that_exists() {
    let rows = rows();
    assert_eq!(rows.len(), 35, "a complaint is missing");
    let mut wrong = Vec::new();
    for [complaint, answer, proof] in &rows {
        if answer.is_empty() {
            wrong.push(format!("{complaint}: no answer"));
        }
        let tests: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            wrong.push(format!("{complaint}: no proof"));
        }
        wrong.extend(
            tests
                .iter()
                .filter_map(|test| missing(test))
                .map(|why| format!("{complaint}: {why}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Why a test is not there: `file::function`, a scenario also in the list of those that are run.
fn missing(test: &str) -> Option<String> {
    let Some((path, name)) = test.split_once("::") else {
        return Some(format!("`{test}` is not `file::function`"));
    };
    let Ok(source) = std::fs::read_to_string(repository().join(path)) else {
        return Some(format!("there is no file `{path}`"));
    };
    let functions: Vec<&str> = source
        .lines()
        .map(|line| {
            line.trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("async ")
        })
        .collect();
    let Some(at) = functions
        .iter()
        .position(|line| line.starts_with(&format!("fn {name}(")))
    else {
        return Some(format!("`{path}` has no function `{name}`"));
    };
    if let Some(module) = path
        .strip_prefix("tests/tests/scenarios/")
        .and_then(|rest| rest.strip_suffix(".rs"))
    {
        let list = std::fs::read_to_string(repository().join("tests/tests/scenarios/main.rs"));
        let list = list.unwrap_or_default();
        // With the blank before it: a name may end another.
        let of_module = list
            .split_once(&format!(" {module} {{\n"))
            .map_or("", |(_, rest)| rest);
        let of_module = of_module.split('}').next().unwrap_or_default();
        let listed = of_module.lines().any(|line| line.trim() == format!("{name},"));
        return (!listed).then(|| format!("`{module}::{name}` is in no list of scenarios"));
    }
    let is_test = functions[at.saturating_sub(3)..at]
        .iter()
        .any(|line| line.contains("test"));
    (!is_test).then(|| format!("`{test}` is no test"))
}
