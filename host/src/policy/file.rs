//! The policy file: YAML, checked like a flow file, with a line for everything that is wrong in it.

use super::egress::EgressPolicy;
use super::limits::{LimitError, Limits};
use super::target::{Ports, Target};
use super::{Exception, Policy};
use crate::flow::document::{Document, child};
use crate::flow::problem::{Problem, Problems};
use crate::flow::schema::{Schema, SchemaError};
use crate::tls::{TlsPolicy, TlsVersion, parse_fingerprint};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

/// A whole policy file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct PolicyFile {
    /// Rules for connections.
    egress: EgressFile,
    /// Limits for each live connector, in place of the usual ones.
    #[schemars(with = "Limits")]
    limits: Map<String, Value>,
    /// Rules for TLS.
    tls: TlsFile,
    /// What is different for the instances of these names.
    instances: BTreeMap<String, InstanceFile>,
}

/// Rules for connections. What is not said stays as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct EgressFile {
    /// Whether public addresses are allowed that no rule names; `true` when not given.
    public: Option<bool>,
    /// What is allowed besides: `HOST[:PORTS]`, with a name, `*.name`, an address or a range of them as the host.
    #[schemars(extend("examples" = [["ftp.example.com:21", "10.1.0.0/16"]]))]
    allow: Option<Vec<String>>,
    /// What is refused, whatever else allows it.
    #[schemars(extend("examples" = [["10.1.2.3"]]))]
    deny: Option<Vec<String>>,
    /// The ports to which data connections may go; `1024-65535` when not given.
    #[schemars(extend("examples" = ["50000-51000"]))]
    data_ports: Option<String>,
    /// The ports on which a connector may wait for data connections (FTP's active mode); none when not given.
    #[schemars(extend("examples" = ["40000-40100"]))]
    listen: Option<String>,
}

/// Rules for TLS.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct TlsFile {
    /// The oldest version that is accepted; `1.2` when not given.
    minimum: Option<Version>,
    /// Whether flows may connect to servers whose certificate nobody checks. For tests.
    allow_insecure: bool,
    /// SHA-256 of certificates, or of their public keys, that nobody trusts any more.
    distrust: Vec<String>,
    /// The path of a PEM file: the authorities that are trusted in place of the system's.
    roots: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
enum Version {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// What is different for one instance.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct InstanceFile {
    /// Rules for its connections; `deny` adds to the common ones, the others take their place.
    egress: EgressFile,
    /// Its limits.
    #[schemars(with = "Limits")]
    limits: Map<String, Value>,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// All problems that were found.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| Problem {
            file: file.clone(),
            place: None,
            field: String::new(),
            message: format!("the policy cannot be read: {error}"),
        })?;
        Self::parse(&file, &text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads the text of a policy file; the paths in it are relative to `folder`.
    ///
    /// # Errors
    /// All problems that were found.
    pub fn parse(file: &str, text: &str, folder: &Path) -> Result<Self, Problems> {
        let document = Document::parse(file, text)?;
        let mut reader = Reader {
            document,
            problems: Vec::new(),
        };
        let policy = reader.policy(folder);
        match (Problems::from_list(reader.problems), policy) {
            (None, Some(policy)) => Ok(policy),
            (Some(problems), _) => Err(problems),
            (None, None) => Err(Problems::from(
                reader.document.problem("", "the policy cannot be read"),
            )),
        }
    }
}

struct Reader {
    document: Document,
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, pointer: &str, message: impl Into<String>) {
        let problem = self.document.problem(pointer, message);
        self.problems.push(problem);
    }

    fn policy(&mut self, folder: &Path) -> Option<Policy> {
        let findings = match schema() {
            Ok(schema) => schema.check(&self.document.value, |_| false),
            Err(error) => {
                self.problem("", error.to_string());
                return None;
            }
        };
        for finding in findings {
            self.problem(&finding.pointer, finding.message);
        }
        if !self.problems.is_empty() {
            return None;
        }
        let file: PolicyFile = match serde_json::from_value(self.document.value.clone()) {
            Ok(file) => file,
            Err(error) => {
                self.problem("", error.to_string());
                return None;
            }
        };
        let egress = self.egress("/egress", &file.egress, &EgressPolicy::default());
        let limits = self.limits("/limits", &file.limits, &Limits::default());
        let tls = self.tls(&file.tls, folder);
        let mut instances = BTreeMap::new();
        for (name, own) in file.instances {
            let base = child("/instances", &name);
            let exception = Exception {
                egress: Some(self.egress(&child(&base, "egress"), &own.egress, &egress)),
                limits: own.limits,
            };
            self.limits(&child(&base, "limits"), &exception.limits, &limits);
            instances.insert(name, exception);
        }
        Some(Policy {
            egress,
            limits,
            tls,
            instances,
        })
    }

    fn egress(&mut self, base: &str, file: &EgressFile, common: &EgressPolicy) -> EgressPolicy {
        let allow = file
            .allow
            .as_ref()
            .map(|texts| self.targets(&child(base, "allow"), texts));
        let denied = self.targets(&child(base, "deny"), file.deny.as_deref().unwrap_or_default());
        let data_ports = file
            .data_ports
            .as_ref()
            .and_then(|text| self.value(&child(base, "data_ports"), text));
        let listen: Option<Ports> = file
            .listen
            .as_ref()
            .and_then(|text| self.value(&child(base, "listen"), text));
        EgressPolicy {
            public: file.public.unwrap_or(common.public),
            allow: allow.unwrap_or_else(|| common.allow.clone()),
            deny: [common.deny.clone(), denied].concat(),
            data_ports: data_ports.or_else(|| common.data_ports.clone()),
            listen: listen.or_else(|| common.listen.clone()),
        }
    }

    fn targets(&mut self, base: &str, texts: &[String]) -> Vec<Target> {
        let texts = texts.iter().enumerate();
        texts
            .filter_map(|(index, text)| self.value(&child(base, &index.to_string()), text))
            .collect()
    }

    fn value<T: FromStr<Err = String>>(&mut self, pointer: &str, text: &str) -> Option<T> {
        text.parse()
            .map_err(|error: String| self.problem(pointer, error))
            .ok()
    }

    fn limits(&mut self, base: &str, changes: &Map<String, Value>, common: &Limits) -> Limits {
        common.with(changes).unwrap_or_else(|error| {
            let (LimitError::Unknown { name, .. } | LimitError::Value { name, .. }) = &error;
            self.problem(&child(base, name), error.to_string());
            common.clone()
        })
    }

    fn tls(&mut self, file: &TlsFile, folder: &Path) -> TlsPolicy {
        let mut policy = TlsPolicy {
            minimum: match file.minimum {
                Some(Version::V1_3) => TlsVersion::V1_3,
                Some(Version::V1_2) | None => TlsVersion::V1_2,
            },
            insecure: file.allow_insecure,
            ..TlsPolicy::default()
        };
        for (index, text) in file.distrust.iter().enumerate() {
            match parse_fingerprint(text) {
                Some(fingerprint) => policy.distrusted.push(fingerprint),
                None => self.problem(
                    &format!("/tls/distrust/{index}"),
                    "is no SHA-256: write 64 hexadecimal digits",
                ),
            }
        }
        let Some(roots) = &file.roots else { return policy };
        let pem = fs::read_to_string(folder.join(roots)).map_err(|error| error.to_string());
        match pem.and_then(|pem| policy.clone().with_roots(pem).map_err(|error| error.message)) {
            Ok(policy) => policy,
            Err(message) => {
                self.problem("/tls/roots", message);
                policy
            }
        }
    }
}

/// The schema of policy files.
///
/// # Errors
/// Never in practice: the schema is generated.
pub fn schema() -> Result<Schema, SchemaError> {
    Schema::from_value(schema_json())
}

/// The same as JSON.
#[must_use]
pub fn schema_json() -> Value {
    schemars::schema_for!(PolicyFile).to_value()
}
