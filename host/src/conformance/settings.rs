//! The settings file: what lets a connector do something that checks can look at.
//!
//! The schema that checks the file is generated from the types in `file`.

mod file;

use crate::component::Connector;
use crate::contract::Metadata;
use crate::flow::document::{Document, child, field_name};
use crate::flow::problem::hint;
use crate::flow::retry::duration;
use crate::flow::schema::{Finding, Schema};
use crate::flow::secret::{self, Redactor};
use crate::flow::template::{self, Scope};
use crate::flow::{Problem, Problems};
use crate::payload::Payload;
use file::{CallFile, FileSettings, IncomingFile};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// The limit of a call where the file has none.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A settings file that could be read. Whether it fits a connector is not known yet.
#[derive(Debug)]
pub struct SettingsFile {
    document: Document,
    /// Paths in the file are relative to it.
    folder: PathBuf,
    file: FileSettings,
}

/// Settings that fit a connector.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// Of the run in which all calls are made.
    pub run_id: String,
    /// The connection's settings with the secrets filled in; none where the file has none.
    pub connection: Option<Value>,
    /// Pointers of the secrets in it.
    pub secrets: Vec<String>,
    pub calls: Vec<Planned>,
    pub remains: Option<Planned>,
    pub silent: Option<Silent>,
    pub timeout: Duration,
    pub redactor: Redactor,
}

/// The pointers of the settings by which a connection is led elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Silent {
    pub host: String,
    pub port: String,
}

/// A call that is to be made.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub name: String,
    pub endpoint: String,
    pub options: Value,
    /// Pointers of the templates in the options.
    pub templates: Vec<String>,
    /// At least one: the trigger of a run, where the file has none.
    pub incoming: Vec<Given>,
    /// Payloads that it makes at least.
    pub payloads: u64,
    pub repeatable: bool,
}

/// An incoming payload.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub metadata: Metadata,
    /// None: it is the trigger.
    pub content: Option<Vec<u8>>,
    /// The call's options with this payload's values filled in.
    pub options: Value,
}

impl Planned {
    /// Whether it is given documents, and not the trigger alone.
    pub fn takes(&self) -> bool {
        self.incoming.iter().any(|given| given.content.is_some())
    }
}

impl SettingsFile {
    /// Reads a settings file.
    ///
    /// # Errors
    /// When it cannot be read, or is not what a settings file has to be.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let named = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| Problem {
            file: named.clone(),
            place: None,
            field: String::new(),
            message: format!("the settings cannot be read: {error}"),
        })?;
        let document = Document::parse(&named, &text)?;
        let findings = match file::schema() {
            Ok(schema) => schema.check(&document.value, |_| false),
            Err(error) => return Err(document.problem("", error.to_string()).into()),
        };
        let problems = findings
            .into_iter()
            .map(|found| document.problem(&found.pointer, found.message));
        if let Some(problems) = Problems::from_list(problems.collect()) {
            return Err(problems);
        }
        let file = serde_json::from_value(document.value.clone());
        let file = file.map_err(|error| document.problem("", error.to_string()))?;
        Ok(Self {
            document,
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            file,
        })
    }

    /// Fills in the secrets, reads the files, and checks settings and options against the connector's schemas.
    pub(super) fn fit(&self, connector: &Connector) -> Result<Settings, Problems> {
        let mut fitting = Fitting {
            file: self,
            connector,
            problems: Vec::new(),
            settings: Settings {
                run_id: Uuid::now_v7().to_string(),
                ..Settings::default()
            },
        };
        fitting.connection();
        fitting.settings.timeout = fitting.timeout();
        for (index, call) in self.file.calls.iter().enumerate() {
            let call = fitting.call(&format!("/calls/{index}"), call);
            fitting.settings.calls.extend(call);
        }
        if let Some(remains) = &self.file.remains {
            fitting.settings.remains = fitting.call("/remains", remains);
        }
        fitting.silent();
        fitting.names();
        match Problems::from_list(fitting.problems) {
            None => Ok(fitting.settings),
            Some(problems) => Err(problems),
        }
    }
}

/// The member that is wrong, as the end of a pointer, and what is wrong with it.
type Wrong = (&'static str, String);

struct Fitting<'a> {
    file: &'a SettingsFile,
    connector: &'a Connector,
    problems: Vec<Problem>,
    settings: Settings,
}

impl Fitting<'_> {
    fn problem(&mut self, pointer: &str, message: impl Into<String>) {
        let message = self.settings.redactor.redact(&message.into());
        self.problems.push(self.file.document.problem(pointer, message));
    }

    fn findings(&mut self, base: &str, findings: Vec<Finding>) {
        for finding in findings {
            self.problem(&format!("{base}{}", finding.pointer), finding.message);
        }
    }

    fn timeout(&mut self) -> Duration {
        let limit = self.file.file.timeout.as_deref().map_or(Ok(TIMEOUT), duration);
        limit.unwrap_or_else(|error| {
            self.problem("/timeout", error.to_string());
            TIMEOUT
        })
    }

    fn connection(&mut self) {
        let Some(written) = &self.file.file.connection else {
            let used = !self.file.file.calls.is_empty() || self.file.file.remains.is_some();
            if used || self.file.file.silent.is_some() {
                self.problem(
                    "",
                    "`connection` is missing: calls and `silent` need the connector's settings",
                );
            }
            return;
        };
        let written = Value::Object(written.clone().into_iter().collect::<Map<_, _>>());
        let mut connection = written.clone();
        let mut filled = Vec::new();
        for (pointer, text) in template::texts(&written) {
            match secret::filled(text, &self.file.folder) {
                Ok(None) => continue,
                Ok(Some(value)) => {
                    if let Some(place) = connection.pointer_mut(&pointer) {
                        *place = Value::from(value);
                    }
                }
                Err(error) => self.problem(&format!("/connection{pointer}"), error.to_string()),
            }
            filled.push(pointer);
        }
        // What is wrong with the schema itself is a check's to say.
        if let Ok(schema) = Schema::compile(&self.connector.descriptor.connection_schema) {
            schema.coerce(&mut connection, &filled);
            self.settings.secrets = schema.secrets(&connection);
            for pointer in &self.settings.secrets {
                if let Some(secret) = connection.pointer(pointer).and_then(Value::as_str) {
                    self.settings.redactor.add(secret.to_owned().into());
                }
            }
            self.findings("/connection", schema.check(&connection, |_| false));
        }
        self.settings.connection = Some(connection);
    }

    fn call(&mut self, base: &str, file: &CallFile) -> Option<Planned> {
        let Some(endpoint) = self.connector.endpoint(&file.endpoint) else {
            let known = self
                .connector
                .descriptor
                .endpoints
                .iter()
                .map(|endpoint| endpoint.name.as_str());
            let hint = hint(&file.endpoint, known);
            self.problem(
                &format!("{base}/endpoint"),
                format!("the connector has no endpoint `{}`{hint}", file.endpoint),
            );
            return None;
        };
        let options = Value::Object(file.options.clone().into_iter().collect());
        let templates = template::pointers(&options);
        // What is wrong with the schema itself is a check's to say.
        let schema = Schema::compile(&endpoint.options_schema).ok();
        if let Some(schema) = &schema {
            let open = |pointer: &str| templates.iter().any(|template| template == pointer);
            self.findings(&format!("{base}/options"), schema.check(&options, open));
        }
        let mut incoming = Vec::new();
        for (index, file) in file.incoming.iter().enumerate() {
            match self.payload(file) {
                Ok(payload) => incoming.push((format!("{base}/incoming/{index}"), payload)),
                Err((field, message)) => self.problem(&format!("{base}/incoming/{index}{field}"), message),
            }
        }
        if file.incoming.is_empty() {
            let trigger = Payload::trigger(&self.settings.run_id).metadata;
            incoming.push((format!("{base}/options"), (trigger, None)));
        }
        let mut planned = Planned {
            name: file.name.clone().unwrap_or_else(|| file.endpoint.clone()),
            endpoint: file.endpoint.clone(),
            options,
            templates,
            incoming: Vec::new(),
            payloads: file.payloads.unwrap_or(0),
            repeatable: file.repeatable.unwrap_or(true),
        };
        for (place, (metadata, content)) in incoming {
            match self.options(&planned, schema.as_ref(), &metadata) {
                Ok(options) => planned.incoming.push(Given {
                    metadata,
                    content,
                    options,
                }),
                Err(message) => self.problem(&place, message),
            }
        }
        Some(planned)
    }

    /// The options of a call for one payload.
    fn options(&self, call: &Planned, schema: Option<&Schema>, metadata: &Metadata) -> Result<Value, String> {
        let payload = Payload {
            metadata: metadata.clone(),
            body: None,
        };
        let scope = Scope::of_run(
            "conformance",
            &self.settings.run_id,
            Timestamp::now(),
            &BTreeMap::new(),
        );
        let rendered = scope.with(&payload).render_all(&call.options, &call.templates);
        let mut options =
            rendered.map_err(|(pointer, error)| format!("options{}: {error}", field_name(&pointer)))?;
        if let Some(schema) = schema {
            schema.coerce(&mut options, &call.templates);
        }
        Ok(options)
    }

    fn payload(&self, file: &IncomingFile) -> Result<(Metadata, Option<Vec<u8>>), Wrong> {
        let content = match (&file.content, &file.file) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(path)) => {
                let path = self.file.folder.join(path);
                let read = fs::read(&path);
                read.map_err(|error| {
                    (
                        "/file",
                        format!("the file {} cannot be read: {error}", path.display()),
                    )
                })?
            }
            _ => return Err(("", "give `content` or `file`, one of them".to_owned())),
        };
        let metadata = Metadata {
            id: format!("conformance/{}", file.name),
            version: None,
            name: Some(file.name.clone()),
            content_type: None,
            size: Some(content.len() as u64),
            modified_ms: None,
            attributes: file.attributes.clone().into_iter().collect(),
        };
        Ok((metadata, Some(content)))
    }

    fn silent(&mut self) {
        let Some(silent) = &self.file.file.silent else {
            return;
        };
        for (field, pointer) in [("host", &silent.host), ("port", &silent.port)] {
            // Settings that have a default may not be there.
            let parent = pointer.rfind('/').map(|end| &pointer[..end]);
            let connection = self.settings.connection.as_ref();
            let known = parent
                .and_then(|parent| connection?.pointer(parent))
                .is_some_and(Value::is_object);
            if !known {
                let message = "must be a JSON Pointer into `connection`, such as `/host`".to_owned();
                self.problem(&child("/silent", field), message);
            }
        }
        self.settings.silent = Some(Silent {
            host: silent.host.clone(),
            port: silent.port.clone(),
        });
    }

    /// Reports tell calls apart by their names.
    fn names(&mut self) {
        let mut names = HashSet::new();
        let calls: Vec<String> = self.settings.calls.iter().map(|call| call.name.clone()).collect();
        for name in calls {
            if !names.insert(name.clone()) {
                self.problem(
                    "/calls",
                    format!("two calls have the name `{name}`: give each a `name` of its own"),
                );
            }
        }
    }
}
