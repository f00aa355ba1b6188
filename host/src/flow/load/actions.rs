//! What each step does: one of `use`, `http` and `folder`.

use super::{Instances, Loader};
use crate::flow::file::{Delivery, FolderFile, HttpFile, IfExists, StepFile};
use crate::flow::problem;
use crate::flow::schema::Schema;
use crate::flow::secret::{self, Part};
use crate::flow::step::Action;
use crate::flow::step::endpoint::EndpointStep;
use crate::flow::step::http::{Field, HttpStep};
use crate::flow::step::read::ReadStep;
use crate::flow::step::write::WriteStep;
use crate::flow::template;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;
use std::sync::Arc;

/// Headers that the host sets itself.
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

impl Loader {
    /// What a step does; none when there are problems.
    pub(super) fn action(&mut self, base: &str, file: &StepFile, instances: &Instances) -> Option<Action> {
        let kinds = [
            ("use", file.r#use.is_some()),
            ("http", file.http.is_some()),
            ("folder", file.folder.is_some()),
        ];
        let named: Vec<&str> = kinds
            .iter()
            .filter(|(_, there)| *there)
            .map(|(name, _)| *name)
            .collect();
        if named.len() != 1 {
            let found = if named.is_empty() {
                "none of them".to_owned()
            } else {
                problem::list(named)
            };
            let message =
                format!("a step has exactly one of `use`, `http` and `folder`; this one has {found}");
            self.problem(base, message);
            return None;
        }
        if file.r#use.is_none() {
            for (name, there) in [
                ("endpoint", file.endpoint.is_some()),
                ("options", file.options.is_some()),
            ] {
                if there {
                    self.problem(
                        &format!("{base}/{name}"),
                        format!("`{name}` goes with `use` only"),
                    );
                }
            }
        }
        match (&file.http, &file.folder) {
            (Some(http), _) => self.http(&format!("{base}/http"), http).map(Action::Http),
            (_, Some(folder)) => self.folder(base, folder),
            _ => self.endpoint(base, file, instances).map(Action::Endpoint),
        }
    }

    fn endpoint(&mut self, base: &str, file: &StepFile, instances: &Instances) -> Option<EndpointStep> {
        let name = file.r#use.as_deref()?;
        let Some(instance) = instances.get(name) else {
            let hint = problem::hint(name, instances.keys().map(String::as_str));
            self.problem(
                &format!("{base}/use"),
                format!("there is no instance `{name}`{hint}"),
            );
            return None;
        };
        let configured = instance.as_ref()?;
        let endpoints = configured.connector.descriptor.endpoints.iter();
        let known: Vec<&str> = endpoints.map(|endpoint| endpoint.name.as_str()).collect();
        let Some(wanted) = file.endpoint.as_deref() else {
            let list = problem::list(known);
            self.problem(
                &format!("{base}/endpoint"),
                format!("is missing; `{name}` has {list}"),
            );
            return None;
        };
        let Some(endpoint) = configured.connector.endpoint(wanted) else {
            let hint = problem::hint(wanted, known.iter().copied());
            let id = &configured.connector.descriptor.id;
            self.problem(
                &format!("{base}/endpoint"),
                format!("the connector `{id}` has no endpoint `{wanted}`{hint}"),
            );
            return None;
        };
        let before = self.problems.len();
        let options = Value::Object(file.options.clone().unwrap_or_default().into_iter().collect());
        let base = format!("{base}/options");
        let templates = template::pointers(&options);
        for pointer in &templates {
            let source = options
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default();
            self.template(&format!("{base}{pointer}"), source);
        }
        let schema = match Schema::compile(&endpoint.options_schema) {
            Ok(schema) => schema,
            Err(error) => {
                self.problem(&base, format!("in the connector's description, {error}"));
                return None;
            }
        };
        let findings = schema.check(&options, |pointer| {
            templates.iter().any(|template| template == pointer)
        });
        self.findings(&base, findings);
        (self.problems.len() == before).then(|| EndpointStep {
            instance: name.to_owned(),
            endpoint: wanted.to_owned(),
            options,
            templates,
            schema: Arc::new(schema),
            streams: file.delivery == Some(Delivery::Streaming),
        })
    }

    fn http(&mut self, base: &str, file: &HttpFile) -> Option<HttpStep> {
        let before = self.problems.len();
        let method = file.method.as_deref().unwrap_or("POST");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap_or_else(|_| {
            self.problem(
                &format!("{base}/method"),
                "is not an HTTP method, for example `POST`",
            );
            Method::POST
        });
        let url = self.text(&format!("{base}/url"), &file.url);
        if let Some(address) = url.as_ref().and_then(Field::fixed)
            && let Err(message) = check_url(address)
        {
            self.problem(&format!("{base}/url"), message);
        }
        let mut headers = Vec::new();
        for (name, value) in &file.headers {
            let pointer = crate::flow::document::child(&format!("{base}/headers"), name);
            let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
                self.problem(&pointer, "is not the name of an HTTP header");
                continue;
            };
            if OWN_HEADERS.contains(&header.as_str()) {
                self.problem(&pointer, "is set by the host; leave it out");
            }
            let Some(value) = self.text(&pointer, value) else {
                continue;
            };
            if value
                .fixed()
                .is_some_and(|value| HeaderValue::from_str(value).is_err())
            {
                self.problem(&pointer, "holds characters that a header must not have");
            }
            headers.push((header, value));
        }
        let timeout = self.duration(&format!("{base}/timeout"), file.timeout.as_deref());
        let url = url?;
        (self.problems.len() == before).then_some(HttpStep {
            method,
            url,
            headers,
            timeout,
        })
    }

    /// A text with templates and secrets.
    fn text(&mut self, pointer: &str, source: &str) -> Option<Field> {
        let parts = match secret::fill(source, &self.folder) {
            Ok(parts) => parts,
            Err(error) => {
                self.problem(pointer, error.to_string());
                return None;
            }
        };
        for part in &parts {
            if let Part::Secret(secret) = part {
                self.redactor.add(secret.clone());
            }
        }
        let field = Field::new(parts);
        self.template(pointer, field.source());
        Some(field)
    }

    fn folder(&mut self, base: &str, file: &FolderFile) -> Option<Action> {
        let at = format!("{base}/folder");
        let before = self.problems.len();
        let action = match (&file.read, &file.write) {
            (Some(read), None) => {
                for (name, there) in [
                    ("name", file.name.is_some()),
                    ("if_exists", file.if_exists.is_some()),
                ] {
                    if there {
                        self.problem(
                            &format!("{at}/{name}"),
                            format!("`{name}` goes with `write` only"),
                        );
                    }
                }
                self.template(&format!("{at}/read"), read);
                if !template::is_template(read)
                    && let Err(message) = ReadStep::check(read)
                {
                    self.problem(&format!("{at}/read"), message);
                }
                Action::Read(ReadStep {
                    base: self.folder.clone(),
                    path: read.clone(),
                })
            }
            (None, Some(write)) => {
                self.template(&format!("{at}/write"), write);
                if let Some(name) = &file.name {
                    self.template(&format!("{at}/name"), name);
                    if !template::is_template(name)
                        && let Err(error) = WriteStep::check_name(name)
                    {
                        self.problem(&format!("{at}/name"), error);
                    }
                }
                if base == "/steps/0" {
                    self.problem(
                        &at,
                        "the first step has nothing to write: a step before it has to make payloads",
                    );
                }
                Action::Write(WriteStep {
                    base: self.folder.clone(),
                    folder: write.clone(),
                    name: file.name.clone(),
                    if_exists: file.if_exists.unwrap_or(IfExists::Replace),
                })
            }
            (read, _) => {
                let found = if read.is_some() { "both" } else { "neither" };
                self.problem(
                    &at,
                    format!("a folder step has exactly one of `read` and `write`; this one has {found}"),
                );
                return None;
            }
        };
        (self.problems.len() == before).then_some(action)
    }
}

fn check_url(address: &str) -> Result<(), String> {
    let url = Url::parse(address).map_err(|error| {
        format!("is not a web address ({error}), for example `https://shop.example/orders`")
    })?;
    match url.scheme() {
        "http" | "https" => Ok(()),
        scheme => Err(format!(
            "must begin with `http://` or `https://`, not `{scheme}:`"
        )),
    }
}
