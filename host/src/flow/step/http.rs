//! A step that sends each payload to a web server.

mod answer;
mod body;

use super::{Item, Session, Work, template_error};
use crate::contract::{Effect, Error, ErrorKind, Retry};
use crate::event::Event;
use crate::failure::Failure;
use crate::flow::secret::Part;
use crate::flow::template::{Scope, TemplateError, is_template};
use crate::meter::Meter;
use crate::payload::Payload;
use crate::state::body::Body;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;
use uuid::Uuid;

/// Limit for reaching the server; a server that is there answers much sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Lets a server recognize a request that it has seen before (a draft of the IETF's HTTP API group).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sends each payload to a web server.
#[derive(Debug)]
pub struct HttpStep {
    /// The request's method.
    pub method: Method,
    /// Where to.
    pub url: Field,
    /// Further headers.
    pub headers: Vec<(HeaderName, Field)>,
    /// Limit for one request with its body and answer.
    pub timeout: Option<Duration>,
}

/// A text with templates and secrets. A secret is put in last, so that nothing in it is a template, and
/// nothing that a payload brings can name a secret.
#[derive(Debug)]
pub struct Field {
    /// The text, in which an unguessable mark stands for each secret.
    source: String,
    secrets: Vec<(String, SecretString)>,
}

impl Field {
    /// Joins the parts of a text.
    #[must_use]
    pub fn new(parts: Vec<Part>) -> Self {
        let mut field = Self {
            source: String::new(),
            secrets: Vec::new(),
        };
        for part in parts {
            match part {
                Part::Plain(text) => field.source.push_str(&text),
                Part::Secret(secret) => {
                    let mark = format!("<secret {}>", Uuid::now_v7().simple());
                    field.source.push_str(&mark);
                    field.secrets.push((mark, secret));
                }
            }
        }
        field
    }

    /// The text as a template, with marks for secrets.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text, where it is the same for all payloads.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        (!is_template(&self.source) && self.secrets.is_empty()).then_some(&self.source)
    }

    fn render(&self, scope: &Scope) -> Result<SecretString, TemplateError> {
        let mut text = if is_template(&self.source) {
            scope.render(&self.source)?
        } else {
            self.source.clone()
        };
        for (mark, secret) in &self.secrets {
            text = text.replace(mark, secret.expose_secret());
        }
        Ok(text.into())
    }
}

impl HttpStep {
    /// All templates: JSON Pointer below the step, and source.
    pub(super) fn templates(&self) -> Vec<(String, String)> {
        let header =
            |(name, value): &(HeaderName, Field)| (format!("/http/headers/{name}"), value.source.clone());
        let url = ("/http/url".to_owned(), self.url.source.clone());
        self.headers.iter().map(header).chain([url]).collect()
    }

    pub(super) async fn attempt(&self, work: &Work<'_>, session: &mut Session) -> Result<(), Failure> {
        let client = client(session).map_err(|error| Failure::Host(error.into()))?;
        while let Some(item) = work.next()? {
            let key = key(work, &item);
            match work.within(self.send(work, &client, &item.payload, &key)).await {
                Ok(Ok((place, status))) => {
                    let mut metadata = item.payload.metadata.clone();
                    let attributes = &mut metadata.attributes;
                    attributes.retain(|(name, _)| name != "http_status");
                    attributes.push(("http_status".to_owned(), status.to_string()));
                    let facts = json!({"request": place, "status": status, "idempotency_key": key});
                    let bytes = item.payload.body.as_ref().map_or(0, Body::len);
                    work.book.pass(&item, metadata, &facts, bytes);
                }
                Ok(Err(error)) => work.book.fail(&item, error),
                Err(failure) => {
                    work.book.lose(&item);
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    /// Sends one payload, and gives what was asked and the status of a good answer.
    async fn send(
        &self,
        work: &Work<'_>,
        client: &Client,
        payload: &Payload,
        key: &str,
    ) -> Result<(String, u16), Error> {
        let scope = work.scope.with(payload);
        let render = |field: &str, text: &Field| {
            text.render(&scope)
                .map_err(|error| template_error(work.step, field, &error))
        };
        let invalid = |field: &str, what: &str| {
            let message = format!("step `{}`, {field}: {what}", work.step);
            Error::new(ErrorKind::InvalidSettings, message)
        };
        let url = render("http.url", &self.url)?;
        let url: Url = url.expose_secret().parse().map_err(|error| {
            invalid(
                "http.url",
                &format!("what comes out is not a web address ({error})"),
            )
        })?;
        let place = place(&self.method, &url);
        let mut request = client
            .request(self.method.clone(), url)
            .header(IDEMPOTENCY_KEY, key);
        if let Some(limit) = self.timeout {
            request = request.timeout(limit);
        }
        let mut has_type = false;
        for (name, value) in &self.headers {
            let field = format!("http.headers.{name}");
            let value = render(&field, value)?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| {
                invalid(
                    &field,
                    "what comes out holds characters that a header must not have",
                )
            })?;
            value.set_sensitive(true);
            has_type |= name == CONTENT_TYPE;
            request = request.header(name, value);
        }
        if let Some(body) = &payload.body {
            if !has_type {
                let media_type = payload
                    .metadata
                    .content_type
                    .as_deref()
                    .unwrap_or("application/octet-stream");
                request = request.header(CONTENT_TYPE, media_type);
            }
            let length = body.len();
            let body = body::stream(
                body,
                Meter::new(work.events, work.step, payload.label(), Some(body.len())),
            )
            .map_err(|error| {
                Error::new(
                    ErrorKind::Internal,
                    format!("the spooled body cannot be read: {error}"),
                )
            })?;
            request = request.header(CONTENT_LENGTH, length).body(body);
        }
        let response = request.send().await.map_err(|error| unsent(&place, &error))?;
        let status = answer::judge(&place, response).await?;
        work.events.send(&Event::Log {
            step: work.step.to_owned(),
            level: "debug",
            message: format!("{place}: {status}"),
        });
        Ok((place, status))
    }
}

fn client(session: &mut Session) -> reqwest::Result<Client> {
    if let Some(client) = &session.client {
        return Ok(client.clone());
    }
    // An error says that one is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(concat!("flowhost/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A body cannot follow a redirect, and the flow's author should know where documents go.
        .redirect(redirect::Policy::none())
        .build()?;
    session.client = Some(client.clone());
    Ok(client)
}

/// What a report calls a request: without the query and the account of its address, which may be secret.
fn place(method: &Method, url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!(
        "{method} {}://{}{port}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        url.path()
    )
}

/// The same for each try of the same payload in the same step, also when another run takes it over, and no other.
fn key(work: &Work<'_>, item: &Item) -> String {
    let mut hash = Sha256::new();
    let metadata = &item.payload.metadata;
    let version = metadata.version.as_deref().unwrap_or_default();
    for part in [&item.origin, work.step, &metadata.id, version] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// There was no answer.
fn unsent(place: &str, error: &reqwest::Error) -> Error {
    let (kind, retry, effect) = if error.is_builder() {
        (ErrorKind::InvalidSettings, Retry::Never, Effect::None)
    } else if error.is_connect() {
        (ErrorKind::Unreachable, Retry::Backoff, Effect::None)
    } else if error.is_timeout() {
        (ErrorKind::Timeout, Retry::Backoff, Effect::Unknown)
    } else {
        (ErrorKind::Unreachable, Retry::Backoff, Effect::Unknown)
    };
    // reqwest's own text repeats the address with its query; the causes do not.
    let mut reason = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(reason, ": {error}");
        cause = error.source();
    }
    let what = if error.is_timeout() {
        "no answer in time"
    } else {
        "no answer"
    };
    Error {
        retry,
        effect,
        ..Error::new(kind, format!("{place}: {what}{reason}"))
    }
}
