//! `POST /flows/NAME/runs`.

use super::{Answer, Ask, Desk, answer, hangs, later, refusal};
use crate::flow::Flow;
use crate::flow::trigger::{HttpTrigger, Trigger};
use crate::serve::{Served, load};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a body: some variables. Documents come by the flow's own steps.
const MOST_BODY: usize = 64 * 1024;

/// How long a run may take to begin before the answer is given without it. What begins is on disk first.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);

/// What a caller may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

pub(super) async fn start(State(desk): State<Desk>, Path(name): Path<String>, request: Request) -> Response {
    match try_start(&desk, name, request).await {
        Ok(response) | Err(response) => response,
    }
}

/// In this order: what a stranger sends is not even read.
async fn try_start(desk: &Desk, name: String, request: Request) -> Result<Response, Response> {
    let asked = name.clone();
    let served = desk.ask(|reply| Ask::Flow { name: asked, reply }).await;
    let served = served.ok_or_else(hangs)?.ok_or_else(|| unknown(&name))?;
    if let Some(refusal) = stranger(&served, request.headers()) {
        return Err(refusal);
    }
    let body = read(request).await?;
    let flow = with_variables(desk, &served, body.variables).await?;
    let asked = name.clone();
    let started = desk.ask(|reply| Ask::Start {
        name: asked,
        flow,
        reply,
    });
    match started.await.ok_or_else(hangs)? {
        Answer::Begins { run, begun } => match tokio::time::timeout(BEGINS_WITHIN, begun).await {
            Ok(Err(_)) => Err(refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("the run {run} could not begin; the log says why"),
            )),
            Ok(Ok(true)) => Ok(accepted(&name, &run, "started")),
            Ok(Ok(false)) => Err(busy()),
            Err(_) => Ok(accepted(&name, &run, "starting")),
        },
        Answer::Queued { run } => Ok(accepted(&name, &run, "queued")),
        Answer::Busy => Err(busy()),
        Answer::Full => Err(later(
            StatusCode::TOO_MANY_REQUESTS,
            "too many runs of the flow are going or waiting",
        )),
        Answer::Standby { trouble: false } => Err(later(
            StatusCode::SERVICE_UNAVAILABLE,
            "another process runs this flow, and this one stands by: ask that one, or ask again when it has ended",
        )),
        Answer::Standby { trouble: true } => Err(later(
            StatusCode::SERVICE_UNAVAILABLE,
            "which process runs this flow cannot be found out; `GET /healthz` says why",
        )),
        Answer::Stopping => Err(later(StatusCode::SERVICE_UNAVAILABLE, "this process is ending")),
        Answer::Unknown => Err(unknown(&name)),
    }
}

fn busy() -> Response {
    refusal(
        StatusCode::CONFLICT,
        "a run of the flow is going; with `overlap: queue` or `overlap: allow` in the flow this one would not have been \
         refused",
    )
}

fn accepted(flow: &str, run: &str, status: &str) -> Response {
    answer(
        StatusCode::ACCEPTED,
        &json!({ "flow": flow, "run": run, "status": status }),
    )
}

fn unknown(name: &str) -> Response {
    refusal(StatusCode::NOT_FOUND, &format!("there is no flow `{name}` here"))
}

/// The refusal of who does not know a token of the flow. All of them are compared, so that a right one is not found by
/// the time it takes.
fn stranger(served: &Served, headers: &HeaderMap) -> Option<Response> {
    let triggers: Vec<&HttpTrigger> = served
        .flow
        .triggers
        .iter()
        .filter_map(|trigger| match trigger {
            Trigger::Http(http) => Some(http),
            Trigger::Schedule(_) => None,
        })
        .collect();
    if triggers.is_empty() {
        let message = "the flow is not started over HTTP: it has no `http` among its `triggers`";
        return Some(refusal(StatusCode::NOT_FOUND, message));
    }
    let token = bearer(headers).unwrap_or_default();
    let known = triggers
        .iter()
        .fold(false, |known, trigger| known | trigger.accepts(token));
    if known {
        return None;
    }
    let message = "this needs the token of one of the flow's triggers, as `Authorization: Bearer …`";
    let mut response = refusal(StatusCode::UNAUTHORIZED, message);
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    Some(response)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

async fn read(mut request: Request) -> Result<Body, Response> {
    DefaultBodyLimit::max(MOST_BODY).apply(&mut request);
    let bytes = Bytes::from_request(request, &()).await.map_err(|rejection| {
        if is_too_large(&rejection) {
            let message = format!("the body has more than {MOST_BODY} bytes");
            refusal(StatusCode::PAYLOAD_TOO_LARGE, &message)
        } else {
            refusal(StatusCode::BAD_REQUEST, "the body broke off")
        }
    })?;
    if bytes.is_empty() {
        return Ok(Body::default());
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!(
            "the body is not what it has to be ({error}): send none, or JSON such as \
             {{\"variables\": {{\"name\": \"value\"}}}}"
        );
        refusal(StatusCode::BAD_REQUEST, &message)
    })
}

fn is_too_large(rejection: &BytesRejection) -> bool {
    rejection.status() == StatusCode::PAYLOAD_TOO_LARGE
}

/// The flow with other values for its variables; none when it stays as it is.
async fn with_variables(
    desk: &Desk,
    served: &Served,
    variables: BTreeMap<String, String>,
) -> Result<Option<Arc<Flow>>, Response> {
    if variables.is_empty() {
        return Ok(None);
    }
    let options = &desk.options;
    let flow = load::with_variables(&options.runtime, served, &options.variables, variables).await;
    flow.map(|flow| Some(Arc::new(flow)))
        .map_err(|problems| refusal(StatusCode::BAD_REQUEST, &problems.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_stands_behind_bearer() {
        let token = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer  abc").as_deref(), Some("abc"));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token("abc"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
