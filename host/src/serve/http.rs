//! The HTTP endpoints: starting runs, health and metrics.

mod start;

use super::health::{Health, Overall};
use super::metrics::Metrics;
use super::{ServeOptions, Served};
use crate::flow::Flow;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long the scheduler may take to answer; it never works for long, so that it hangs when it does not.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// As long as it takes another process to take over.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// What is asked of the scheduler.
pub(super) enum Ask {
    /// The flow of this name as it is served.
    Flow {
        name: String,
        reply: oneshot::Sender<Option<Arc<Served>>>,
    },
    /// A run of it, of another definition where there is one.
    Start {
        name: String,
        flow: Option<Arc<Flow>>,
        reply: oneshot::Sender<Answer>,
    },
    /// How all flows are.
    Health { reply: oneshot::Sender<Health> },
}

/// What becomes of a run that was asked for.
pub(super) enum Answer {
    /// It begins, and says when it has; if it cannot, that it is gone.
    Begins {
        run: String,
        begun: oneshot::Receiver<bool>,
    },
    /// It begins when another has ended.
    Queued { run: String },
    /// Another run is going.
    Busy,
    /// Too many are.
    Full,
    /// Another process runs the flow, or nobody knows which.
    Standby { trouble: bool },
    /// The end has begun.
    Stopping,
    /// There is no such flow.
    Unknown,
}

/// What the endpoints work with.
#[derive(Clone)]
pub(super) struct Desk {
    options: Arc<ServeOptions>,
    asks: mpsc::Sender<Ask>,
    metrics: Arc<Metrics>,
}

impl Desk {
    pub(super) fn new(options: Arc<ServeOptions>, asks: mpsc::Sender<Ask>, metrics: Arc<Metrics>) -> Self {
        Self {
            options,
            asks,
            metrics,
        }
    }

    /// Asks the scheduler; none when it does not answer.
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.asks.send(ask(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWERS_WITHIN, asked).await.ok()?
    }
}

/// All endpoints.
pub(super) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/flows/{name}/runs", post(start::start))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, NOT_HERE) })
        .method_not_allowed_fallback(|| async { refusal(StatusCode::METHOD_NOT_ALLOWED, NOT_HERE) })
        .with_state(desk)
}

const NOT_HERE: &str = "there are `GET /healthz`, `GET /readyz`, `GET /metrics` and `POST /flows/NAME/runs`";

/// How the flows are: 503 when somebody should look.
async fn healthz(State(desk): State<Desk>) -> Response {
    match desk.ask(|reply| Ask::Health { reply }).await {
        Some(health) if health.status == Overall::Ok => answer(StatusCode::OK, &health),
        Some(health) => answer(StatusCode::SERVICE_UNAVAILABLE, &health),
        None => hangs(),
    }
}

/// Whether this process does what it is for: 503 when it hangs or ends. It is ready with a flow file that has become
/// wrong, too: what it was before is served.
async fn readyz(State(desk): State<Desk>) -> Response {
    match desk.ask(|reply| Ask::Health { reply }).await {
        Some(health) if health.status != Overall::Stopping => {
            answer(StatusCode::OK, &json!({ "status": "ready" }))
        }
        Some(_) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "stopping" })),
        None => hangs(),
    }
}

async fn metrics(State(desk): State<Desk>) -> Response {
    const TYPE: HeaderValue =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, TYPE)], desk.metrics.text()).into_response()
}

fn hangs() -> Response {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "the scheduler does not answer")
}

fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    const TYPE: HeaderValue = HeaderValue::from_static("application/json");
    match serde_json::to_string(body) {
        Ok(text) => (status, [(header::CONTENT_TYPE, TYPE)], text + "\n").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Why not, in words.
fn refusal(status: StatusCode, message: &str) -> Response {
    answer(status, &json!({ "error": message }))
}

/// The same, for what may go well in a moment.
fn later(status: StatusCode, message: &str) -> Response {
    let mut response = refusal(status, message);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}
