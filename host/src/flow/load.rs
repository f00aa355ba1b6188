//! From a flow file to a [`Flow`] that is ready to run. Nothing connects here.

mod actions;
mod instances;
mod triggers;

use super::dedupe::{self, Dedupe};
use super::document::Document;
use super::file::{DedupeBy, Delivery, FlowFile, OnError, StepFile, schema};
use super::problem::{self, Problem, Problems};
use super::retry::{RetryPolicy, duration};
use super::schema::Finding;
use super::secret::{self, Redactor};
use super::template::{self, Scope};
use super::{Configured, Flow, Step};
use crate::engine::Runtime;
use crate::payload::Payload;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The limit of a step that sets none: no call is ever without a deadline.
const STEP_TIMEOUT: Duration = Duration::from_hours(1);

/// What a flow is loaded with, beside its file.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Values for the flow's `variables`, in place of those in the file.
    pub variables: BTreeMap<String, String>,
}

/// Reads a flow file and checks everything that can be known before anything connects: its structure, the
/// names it uses, settings and options against the connectors' schemas, secrets, templates, and what the
/// connectors themselves say of each call (`plan`).
///
/// # Errors
/// All problems that were found.
pub async fn load(runtime: &Arc<Runtime>, path: &Path, options: &LoadOptions) -> Result<Flow, Problems> {
    let file = path.display().to_string();
    let whole_file = |message| Problem {
        file: file.clone(),
        place: None,
        field: String::new(),
        message,
    };
    let text =
        fs::read_to_string(path).map_err(|error| whole_file(format!("the flow cannot be read: {error}")))?;
    load_text(runtime, path, &text, options).await
}

/// The same for the text of a flow that is not in a file, or not yet. `path` is what problems call it, and its folder
/// the one that paths in it are relative to.
///
/// # Errors
/// As [`load`].
pub async fn load_text(
    runtime: &Arc<Runtime>,
    path: &Path,
    text: &str,
    options: &LoadOptions,
) -> Result<Flow, Problems> {
    let file = path.display().to_string();
    let document = Document::parse(&file, text)?;
    let mut loader = Loader {
        runtime: Arc::clone(runtime),
        document,
        folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
        problems: Vec::new(),
        redactor: Redactor::default(),
    };
    let flow = loader.structure();
    loader.stop_at_problems()?;
    let mut flow =
        flow.ok_or_else(|| Problems::from(loader.document.problem("", "the flow cannot be read")))?;
    loader.variables(&mut flow, options);
    loader.stray_placeholders();
    let instances = loader.instances(&flow).await;
    let mut steps = loader.steps(&flow, &instances);
    loader.plans(&mut steps, &instances).await;
    loader.first_step(&flow, &steps);
    let triggers = loader.triggers(&flow);
    loader.stop_at_problems()?;
    let instances = instances
        .into_iter()
        .filter_map(|(name, instance)| Some((name, instance?)))
        .collect();
    Ok(Flow {
        name: flow.name,
        file: std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()),
        overlap: flow.overlap,
        variables: flow.variables,
        instances,
        steps,
        triggers,
        redactor: loader.redactor,
    })
}

/// The configured instances by name; none for those with problems.
type Instances = BTreeMap<String, Option<Configured>>;

struct Loader {
    runtime: Arc<Runtime>,
    document: Document,
    /// Paths in the file are relative to it.
    folder: PathBuf,
    problems: Vec<Problem>,
    redactor: Redactor,
}

impl Loader {
    fn problem(&mut self, pointer: &str, message: impl Into<String>) {
        let message = self.redactor.redact(&message.into());
        let problem = self.document.problem(pointer, message);
        self.problems.push(problem);
    }

    fn findings(&mut self, base: &str, findings: Vec<Finding>) {
        for finding in findings {
            self.problem(&format!("{base}{}", finding.pointer), finding.message);
        }
    }

    fn stop_at_problems(&mut self) -> Result<(), Problems> {
        Problems::from_list(std::mem::take(&mut self.problems)).map_or(Ok(()), Err)
    }

    fn structure(&mut self) -> Option<FlowFile> {
        let findings = match schema() {
            Ok(schema) => schema.check(&self.document.value, |_| false),
            Err(error) => vec![Finding {
                pointer: String::new(),
                message: error.to_string(),
            }],
        };
        if !findings.is_empty() {
            self.findings("", findings);
            return None;
        }
        let flow = serde_json::from_value(self.document.value.clone());
        flow.map_err(|error| self.problem("", error.to_string())).ok()
    }

    fn variables(&mut self, flow: &mut FlowFile, options: &LoadOptions) {
        for (name, value) in &options.variables {
            if let Some(variable) = flow.variables.get_mut(name) {
                variable.clone_from(value);
                continue;
            }
            let hint = problem::hint(name, flow.variables.keys().map(String::as_str));
            self.problem(
                "/variables",
                format!("the flow has no variable `{name}` to set{hint}"),
            );
        }
    }

    /// Placeholders of secrets work in few places; elsewhere they would silently stay as they are.
    fn stray_placeholders(&mut self) {
        let texts = template::texts(&self.document.value);
        let stray: Vec<String> = texts
            .into_iter()
            .filter(|(pointer, text)| secret::has_placeholder(text) && !takes_placeholders(pointer))
            .map(|(pointer, _)| pointer)
            .collect();
        for pointer in stray {
            self.problem(
                &pointer,
                "`${…}` is filled in only in an instance's `settings`, in the `url` and `headers` of http, and in the \
                 `token` of a trigger",
            );
        }
    }

    fn steps(&mut self, flow: &FlowFile, instances: &Instances) -> Vec<Step> {
        let mut ids = HashSet::new();
        let mut steps = Vec::new();
        for (index, file) in flow.steps.iter().enumerate() {
            let base = format!("/steps/{index}");
            let id = file.id.clone().unwrap_or_else(|| format!("step-{}", index + 1));
            if !ids.insert(id.clone()) {
                self.problem(
                    &format!("{base}/id"),
                    format!("another step has the id `{id}` already"),
                );
            }
            let retry = self.retry(&base, file);
            let timeout = self.duration(&format!("{base}/timeout"), file.timeout.as_deref());
            let dedupe = self.dedupe(&base, file);
            self.streaming(&base, flow, index);
            if let Some(action) = self.action(&base, file, instances) {
                let timeout = timeout.unwrap_or(STEP_TIMEOUT);
                steps.push(Step {
                    id,
                    action,
                    dedupe,
                    retry,
                    on_error: file.on_error,
                    timeout,
                });
            }
        }
        steps
    }

    /// A step that streams works together with the next one, as one step.
    fn streaming(&mut self, base: &str, flow: &FlowFile, index: usize) {
        let file = &flow.steps[index];
        let before = index.checked_sub(1).map(|before| &flow.steps[before]);
        if before.is_some_and(|before| before.delivery == Some(Delivery::Streaming)) {
            for (name, there) in [
                ("retry", file.retry.is_some()),
                ("timeout", file.timeout.is_some()),
                ("on_error", file.on_error != OnError::default()),
                ("dedupe", file.dedupe.is_some()),
                ("delivery", file.delivery == Some(Delivery::Streaming)),
            ] {
                if there {
                    let message = format!(
                        "the step before streams into this one (`delivery: streaming`), and its `{name}` holds for both"
                    );
                    self.problem(&format!("{base}/{name}"), message);
                }
            }
        }
        if file.delivery != Some(Delivery::Streaming) {
            return;
        }
        let next = flow.steps.get(index + 1);
        if file.r#use.is_none() || next.is_none_or(|next| next.r#use.is_none()) {
            let message =
                "`streaming` is from an endpoint into another: this step and the next one need `use`";
            self.problem(&format!("{base}/delivery"), message);
        }
        for (later, step) in flow.steps.iter().enumerate().skip(index + 2) {
            let wants_body = step.http.as_ref().is_some_and(|http| {
                let method = http.method.as_deref().unwrap_or("POST");
                !["GET", "HEAD", "DELETE"]
                    .iter()
                    .any(|none| method.eq_ignore_ascii_case(none))
            }) || step.folder.as_ref().is_some_and(|folder| folder.write.is_some());
            if wants_body {
                let message = format!(
                    "needs the documents, and step {} does not keep them (`delivery: streaming`)",
                    index + 1
                );
                self.problem(&format!("/steps/{later}"), message);
            }
        }
        if file.dedupe == Some(DedupeBy::ByContent) {
            let message = "`by-content` has to read a document before it is delivered, and `delivery: streaming` cannot";
            self.problem(&format!("{base}/dedupe"), message);
        }
    }

    fn dedupe(&mut self, base: &str, file: &StepFile) -> Dedupe {
        let expiry = self.duration(&format!("{base}/dedupe_expiry"), file.dedupe_expiry.as_deref());
        Dedupe {
            by: file.dedupe.unwrap_or(DedupeBy::None),
            expiry: expiry.unwrap_or(dedupe::EXPIRY),
        }
    }

    fn retry(&mut self, base: &str, file: &StepFile) -> RetryPolicy {
        RetryPolicy::from_file(file.retry.as_ref()).unwrap_or_else(|(field, error)| {
            self.problem(&format!("{base}/retry/{field}"), error.to_string());
            RetryPolicy::default()
        })
    }

    fn duration(&mut self, pointer: &str, text: Option<&str>) -> Option<Duration> {
        duration(text?)
            .map_err(|error| self.problem(pointer, error.to_string()))
            .ok()
    }

    /// A template that is used without a payload's options: checked here, filled in by the step.
    fn template(&mut self, pointer: &str, source: &str) {
        if template::is_template(source)
            && let Err(error) = template::check(source)
        {
            self.problem(pointer, error.to_string());
        }
    }

    /// The first step has the run's trigger only, so that its templates can be filled in already now.
    fn first_step(&mut self, flow: &FlowFile, steps: &[Step]) {
        if !self.problems.is_empty() {
            return; // Its templates may be among the problems.
        }
        let Some(step) = steps.first() else { return };
        let trigger = Payload::trigger("run");
        let scope = Scope::of_run(&flow.name, "run", Timestamp::now(), &flow.variables).with(&trigger);
        for (field, source) in step.action.templates() {
            if let Err(error) = scope.render(&source) {
                let message = format!("{error} (no step before the first makes payloads)");
                self.problem(&format!("/steps/0{field}"), message);
            }
        }
    }
}

fn takes_placeholders(pointer: &str) -> bool {
    let segments: Vec<&str> = pointer.split('/').skip(1).collect();
    match segments.as_slice() {
        ["instances", _, "settings", ..] | ["triggers", _, "http", "token"] => true,
        ["steps", _, "http", field, ..] => matches!(*field, "url" | "headers"),
        _ => false,
    }
}
