//! The instances of a flow: their connectors, settings and secrets, and what they plan.

use super::{Instances, Loader};
use crate::component::Connector;
use crate::component::artefact::Artefact;
use crate::contract::Call;
use crate::event::Events;
use crate::failure::Failure;
use crate::flow::document::child;
use crate::flow::file::{ConnectorFile, FlowFile, InstanceFile};
use crate::flow::schema::Schema;
use crate::flow::secret;
use crate::flow::step::Action;
use crate::flow::template;
use crate::flow::{Configured, Step};
use crate::instance::{Instance, RunContext};
use crate::policy::grantable;
use crate::tls::{Identities, Identity, fingerprint_text, parse_fingerprint};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// What was read and loaded, by name or path: instances often share a connector.
#[derive(Default)]
struct Loaded<'a> {
    artefacts: BTreeMap<&'a str, Artefact<'static>>,
    connectors: BTreeMap<&'a str, Arc<Connector>>,
}

impl Loader {
    pub(super) async fn instances(&mut self, flow: &FlowFile) -> Instances {
        let mut instances = BTreeMap::new();
        let mut loaded = Loaded::default();
        for (name, file) in &flow.instances {
            let base = child("/instances", name);
            let identities = self.identities(&child(&base, "client_certificates"), file);
            let Some(connector) = self.connector(&base, &file.connector, &mut loaded).await else {
                instances.insert(name.clone(), None);
                continue;
            };
            let connection = self.settings(&format!("{base}/settings"), file, &connector);
            let configured = connection
                .zip(identities)
                .map(|(connection, identities)| Configured {
                    connector,
                    connection,
                    identities: Arc::new(identities),
                });
            instances.insert(name.clone(), configured);
        }
        instances
    }

    /// Reads the client certificates with their keys; none when there are problems.
    fn identities(&mut self, base: &str, file: &InstanceFile) -> Option<Identities> {
        let before = self.problems.len();
        let mut identities = Identities::new();
        for (name, files) in &file.client_certificates {
            let (certificate, key) = (self.folder.join(&files.certificate), self.folder.join(&files.key));
            match Identity::read(&certificate, &key) {
                Ok(identity) => drop(identities.insert(name.clone(), identity)),
                Err(error) => {
                    let field = if error.is_of_key() { "key" } else { "certificate" };
                    self.problem(&child(&child(base, name), field), error.to_string());
                }
            }
        }
        (self.problems.len() == before).then_some(identities)
    }

    /// Loads the connector of an instance; none when there are problems. What is not the pinned one is not even
    /// compiled.
    async fn connector<'a>(
        &mut self,
        base: &str,
        file: &'a ConnectorFile,
        loaded: &mut Loaded<'a>,
    ) -> Option<Arc<Connector>> {
        let named = file.path();
        let place = format!(
            "{base}/connector{}",
            if file.sha256().is_some() { "/path" } else { "" }
        );
        let artefact = match loaded.artefacts.entry(named) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => match Artefact::find(named, &self.folder) {
                Ok(artefact) => entry.insert(artefact),
                Err(error) => {
                    self.problem(&place, error.to_string());
                    return None;
                }
            },
        };
        if let Some(pin) = file.sha256()
            && let Err(message) = compare(named, artefact, pin)
        {
            self.problem(&format!("{base}/connector/sha256"), message);
            return None;
        }
        if let Some(connector) = loaded.connectors.get(named) {
            return Some(Arc::clone(connector));
        }
        match self.runtime.load_artefact(artefact).await {
            Ok(connector) => {
                loaded.connectors.insert(named, Arc::clone(&connector));
                Some(connector)
            }
            Err(error) => {
                self.problem(&place, error.to_string());
                None
            }
        }
    }

    /// Fills in the secrets and checks the settings; none when there are problems.
    fn settings(&mut self, base: &str, file: &InstanceFile, connector: &Connector) -> Option<SecretString> {
        let before = self.problems.len();
        let mut settings = Value::Object(
            file.settings
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect::<Map<_, _>>(),
        );
        let written = settings.clone();
        let mut filled = Vec::new();
        for (pointer, text) in template::texts(&written) {
            match secret::filled(text, &self.folder) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    if let Some(place) = settings.pointer_mut(&pointer) {
                        *place = Value::from(value);
                    }
                    filled.push(pointer);
                }
                Err(error) => {
                    self.problem(&format!("{base}{pointer}"), error.to_string());
                    // It was meant to come from outside, and is no secret that the file itself holds.
                    filled.push(pointer);
                }
            }
        }
        match Schema::compile(&connector.descriptor.connection_schema) {
            Ok(schema) => {
                schema.coerce(&mut settings, &filled);
                self.secrets(base, &schema, &settings, &filled);
                self.findings(base, schema.check(&settings, |_| false));
            }
            Err(error) => self.problem(base, format!("in the connector's description, {error}")),
        }
        (self.problems.len() == before).then(|| settings.to_string().into())
    }

    /// Remembers the values that must not show up anywhere, and refuses those that the file itself holds.
    fn secrets(&mut self, base: &str, schema: &Schema, settings: &Value, filled: &[String]) {
        for pointer in schema.secrets(settings) {
            let Some(secret) = settings.pointer(&pointer).and_then(Value::as_str) else {
                continue;
            };
            self.redactor.add(secret.to_owned().into());
            if !filled.contains(&pointer) {
                let message =
                    "a secret must not stand in the flow file; write `${env:NAME}` or `${file:PATH}` instead";
                self.problem(&format!("{base}{pointer}"), message);
            }
        }
    }

    /// Asks the connectors what each call would need, which is their own check of settings and options.
    pub(super) async fn plans(&mut self, steps: &mut [Step], instances: &Instances) {
        if !self.problems.is_empty() {
            return; // Positions of steps are certain only when all of them are sound.
        }
        let mut live = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            let Action::Endpoint(endpoint) = &step.action else {
                continue;
            };
            let name = endpoint.instance.as_str();
            let Some(Some(configured)) = instances.get(name) else {
                continue;
            };
            let call = Call {
                connection: configured.connection.expose_secret().to_owned(),
                options: endpoint.options.to_string(),
            };
            if let Err(failure) = plan(&mut live, name, configured, &endpoint.endpoint, &call).await {
                let pointer = plan_pointer(&failure, name, index);
                self.problem(&pointer, failure.to_string());
            }
        }
    }
}

/// Whether these are the pinned bytes; if not, what is wrong.
fn compare(named: &str, artefact: &Artefact, pin: &str) -> Result<(), String> {
    let Some(pinned) = parse_fingerprint(pin) else {
        return Err(
            "must be a SHA-256: 64 hexadecimal digits, also with colons between them or `sha256:` before them; \
             `flowhost describe` shows a connector's"
                .to_owned(),
        );
    };
    if *artefact.digest() == pinned {
        return Ok(());
    }
    Err(format!(
        "the connector `{named}` is not the pinned one: its digest is {}, and {} is pinned. If it was replaced on \
         purpose, look at what it is with `flowhost describe` and pin the new digest; if not, do not run it, and get \
         the pinned one again",
        fingerprint_text(artefact.digest()),
        fingerprint_text(&pinned)
    ))
}

/// Asks the instance's connector, which is started once for all steps that use it.
async fn plan<'a>(
    live: &mut BTreeMap<&'a str, Instance>,
    name: &'a str,
    configured: &Configured,
    endpoint: &str,
    call: &Call,
) -> Result<(), Failure> {
    let mut instance = match live.remove(name).filter(Instance::is_alive) {
        Some(instance) => instance,
        // Without client certificates: `plan` calls no import.
        None => {
            Instance::start(
                &configured.connector,
                RunContext::new("plan", name, Events::none()),
            )
            .await?
        }
    };
    let planned = instance.plan(Some(endpoint), call).await;
    live.insert(name, instance);
    Ok(grantable(&planned?)?)
}

/// Where in the flow file the setting is that an error of `plan` names.
fn plan_pointer(failure: &Failure, instance: &str, step: usize) -> String {
    let field = match failure {
        Failure::Connector(error) => error.field(),
        _ => None,
    };
    let field = field.as_deref().unwrap_or_default();
    if let Some(rest) = field.strip_prefix("/connection") {
        return format!("{}/settings{rest}", child("/instances", instance));
    }
    match field.strip_prefix("/options") {
        Some(rest) => format!("/steps/{step}/options{rest}"),
        None => format!("/steps/{step}"),
    }
}
