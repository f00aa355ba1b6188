//! From the content of a file to a flow that is served.

use super::files::Content;
use super::{ServeError, ServeOptions, Served};
use crate::engine::Runtime;
use crate::flow::document::Document;
use crate::flow::load::load_text;
use crate::flow::{Flow, LoadOptions, Problem, Problems};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Loads all flows, which have to be right, with names that differ.
pub(super) async fn all(
    options: &ServeOptions,
    look: BTreeMap<PathBuf, Content>,
) -> Result<Vec<Served>, ServeError> {
    if look.is_empty() {
        let folders: Vec<String> = options
            .flows
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(ServeError::Wrong(format!(
            "there is no flow in {}: a flow is a file that ends in `.yaml` or `.yml`",
            folders.join(", ")
        )));
    }
    let mut flows: Vec<Served> = Vec::new();
    let mut wrong = Vec::new();
    for (path, content) in look {
        match one(&options.runtime, path, content, &options.variables).await {
            Ok(served) => match flows.iter().find(|other| other.flow.name == served.flow.name) {
                Some(other) => wrong.push(same_name(&served, &other.path)),
                None => flows.push(served),
            },
            Err(problems) => wrong.push(problems),
        }
    }
    if wrong.is_empty() {
        Ok(flows)
    } else {
        Err(ServeError::Flows(wrong))
    }
}

/// Loads one.
pub(super) async fn one(
    runtime: &Arc<Runtime>,
    path: PathBuf,
    content: Content,
    variables: &BTreeMap<String, String>,
) -> Result<Served, Problems> {
    let text = content.map_err(|error| problem(&path, "", format!("the flow cannot be read: {error}")))?;
    let options = LoadOptions {
        variables: declared(&text, variables),
    };
    let flow = load_text(runtime, &path, &text, &options).await?;
    if flow.triggers.is_empty() {
        let message = "is missing: a flow that is served says what starts it, for example `triggers: [{ cron: \
                       \"*/5 * * * *\" }]` or `triggers: [{ every: 30s }]`";
        return Err(problem(&path, "triggers", message.to_owned()));
    }
    Ok(Served {
        flow: Arc::new(flow),
        path,
        text,
    })
}

/// Loads a flow once more, with other values for its variables.
pub(super) async fn with_variables(
    runtime: &Arc<Runtime>,
    served: &Served,
    operator: &BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
) -> Result<Flow, Problems> {
    let mut all = declared(&served.text, operator);
    all.extend(variables);
    load_text(
        runtime,
        &served.path,
        &served.text,
        &LoadOptions { variables: all },
    )
    .await
}

/// Those of the variables that a flow has: they are given for all flows together.
fn declared(text: &str, variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    if variables.is_empty() {
        return BTreeMap::new();
    }
    // What is wrong with the file is told by whoever loads it.
    let Ok(document) = Document::parse("", text) else {
        return BTreeMap::new();
    };
    let has = |name: &str| document.value["variables"].get(name).is_some();
    let own = variables.iter().filter(|(name, _)| has(name));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The problem that another flow has its name.
pub(super) fn same_name(served: &Served, other: &Path) -> Problems {
    let message = format!(
        "the flow in {} is named `{}` too; what runs is told apart by its name",
        other.display(),
        served.flow.name
    );
    problem(&served.path, "name", message)
}

pub(super) fn problem(path: &Path, field: &str, message: String) -> Problems {
    Problems::from(Problem {
        file: path.display().to_string(),
        place: None,
        field: field.to_owned(),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_gets_the_variables_that_it_has() {
        let given = [("shop", "a"), ("other", "b")];
        let given = given
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let own = declared("name: f\nvariables: { shop: x, more: y }\n", &given);
        assert_eq!(own, [("shop".to_owned(), "a".to_owned())].into());
        assert!(declared("name: f\n", &given).is_empty());
        assert!(declared("[", &given).is_empty());
    }
}
