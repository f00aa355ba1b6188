//! One tiny line through everything: servers, contenders, stopwatch, comparison, report.

use flow_bench::Plan;
use flow_bench::interrupt::Interrupt;
use flow_bench::place::Place;
use flow_bench::report::Report;
use serde_json::Value;

fn plan(lines: &[&str]) -> Plan {
    Plan {
        lines: lines.iter().map(|name| (*name).to_owned()).collect(),
        pairs: 1,
        large: 1 << 20,
        files: 3,
        quick: true,
        command: "a test".to_owned(),
        write: None,
    }
}

fn measured(lines: &[&str]) -> Report {
    let place = Place::at(&std::env::temp_dir()).expect("a folder for temporary files");
    flow_bench::run(&plan(lines), &place, &Interrupt::default()).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn every_line_is_measured_or_says_why_not() {
    let report = measured(&[]);
    let written = tempfile::tempdir().expect("a temporary folder");
    report.write(written.path()).expect("room for the results");
    let read = |name: &str| std::fs::read_to_string(written.path().join(name)).expect(name);
    let (markdown, json) = (read("results.md"), read("results.json"));
    assert!(markdown.contains("Its figures mean nothing"), "{markdown}");

    let json: Value = serde_json::from_str(&json).expect("JSON");
    let lines = json["lines"].as_array().expect("lines");
    assert_eq!(lines.len(), flow_bench::lines::LINES.len());
    for line in lines {
        let rows = line["rows"].as_array().expect("rows");
        let name = line["name"].as_str().expect("a name");
        if rows[0]["without"]
            .as_str()
            .is_some_and(|why| why.ends_with("is missing here"))
        {
            continue;
        }
        assert_eq!(
            rows.len(),
            flow_bench::contender::Contender::ALL.len(),
            "{line:#}"
        );
        assert!(
            rows[0]["figures"]["wall_s"]["median"].as_f64() > Some(0.0),
            "{line:#}"
        );
        for row in rows {
            let (who, found) = (
                &row["contender"],
                row["samples"].as_array().expect("samples").len(),
            );
            assert_eq!(found == 1, row["without"].is_null(), "{line:#}");
            assert_eq!(
                row["ratios"].is_null(),
                *who == "flowhost" || found == 0,
                "{line:#}"
            );
            let start = format!("| `{name}` | {} | ", who.as_str().expect("a name"));
            let cell = markdown.lines().find_map(|line| line.strip_prefix(&start));
            assert!(
                cell.is_some_and(|cell| !cell.starts_with(' ')),
                "{start}: {markdown}"
            );
        }
    }
}

#[test]
fn a_name_that_no_line_has_is_told() {
    let error = plan(&["get-1g", "get-2g"]).chosen().unwrap_err().to_string();
    assert!(
        error.starts_with("there is no line `get-2g`; there are: get-1g, "),
        "{error}"
    );
}
