//! All cases, and the contract's sentences.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

use super::case::Case;

/// The folder of this package.
fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All cases, by area and in the order of their files.
///
/// # Errors
/// When a file cannot be read, with its name and the case.
pub fn cases() -> Result<Vec<Case>> {
    let folder = home().join("conformance/cases");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    let mut cases = Vec::new();
    let mut ids = BTreeSet::new();
    for file in files {
        for case in read(&file).with_context(|| format!("{}", file.display()))? {
            ensure!(ids.insert(case.id.clone()), "there are two cases {:?}", case.id);
            cases.push(case);
        }
    }
    Ok(cases)
}

fn read(file: &Path) -> Result<Vec<Case>> {
    let text = fs::read_to_string(file)?;
    let documents = Yaml::load_from_str(&text)?;
    let area = file.file_stem().unwrap_or_default().to_string_lossy();
    let area = area.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '-');
    let mut cases = Vec::new();
    for value in documents
        .iter()
        .flat_map(|document| document.as_vec().into_iter().flatten())
    {
        let value = json(value)?;
        let id = value["id"].clone();
        let mut case: Case = serde_json::from_value(value).with_context(|| format!("case {id}"))?;
        case.id = format!("{area}/{}", case.id);
        cases.push(case);
    }
    Ok(cases)
}

/// The same as JSON, which all else is made of.
///
/// # Errors
/// When it has something that JSON has not.
pub fn json(yaml: &Yaml<'_>) -> Result<Value> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(json).collect::<Result<Vec<_>>>()?.into(),
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                let name = name.as_str().context("a name has to be a text")?;
                object.insert(name.to_owned(), json(value)?);
            }
            object.into()
        }
        other => bail!("JSON has nothing like {other:?}"),
    })
}

/// The text of the contract's docs: all files of `wit/connector`, without comment marks and line ends.
///
/// # Errors
/// When they cannot be read.
pub fn contract() -> Result<String> {
    let folder = home().join("../wit/connector");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    let mut words = Vec::new();
    for file in files {
        for line in fs::read_to_string(&file)?.lines() {
            let line = line.trim();
            match line.strip_prefix("///") {
                Some(doc) if doc.trim().is_empty() => words.push("¶".to_owned()),
                Some(doc) => words.extend(doc.split_whitespace().map(str::to_owned)),
                None => words.push("¶".to_owned()),
            }
        }
    }
    Ok(words.join(" "))
}

/// The sentences of the contract that say MUST.
#[must_use]
pub fn obligations(contract: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    for paragraph in contract.split('¶') {
        let mut start = 0;
        let ends = paragraph.match_indices(". ").map(|(at, _)| at + 1);
        for end in ends.chain([paragraph.len()]) {
            let sentence = paragraph[start..end].trim();
            if sentence.contains("MUST") {
                sentences.push(sentence.to_owned());
            }
            start = end;
        }
    }
    sentences
}
