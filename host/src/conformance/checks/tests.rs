use super::*;
use std::collections::HashSet;
use std::path::Path;

/// The words of an interface, without line breaks and the marks of comments.
fn words(interface: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../wit/connector/{interface}.wit"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("///").trim());
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn each_check_quotes_the_contract() {
    let missing: Vec<_> = all()
        .filter(|check| !words(check.interface).contains(check.sentence))
        .map(|check| {
            format!(
                "{}: {}.wit does not say: {}",
                check.id, check.interface, check.sentence
            )
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn checks_have_names_of_their_own() {
    let ids: Vec<_> = all().map(|check| check.id).collect();
    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    assert!(ids.len() > 40, "{}", ids.len());
    assert!(ids.iter().all(|id| id.contains('.')), "{ids:?}");
}
