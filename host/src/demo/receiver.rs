//! The embedded HTTP receiver: stands for the shop system that a flow sends its payloads to.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Requests kept at most. More are answered with 507, so that a flow gone wild cannot fill the memory.
const MAX_RECORDED: usize = 10_000;

/// What arrived with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `POST`, `PUT` and so on.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Names in lower case with their values, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body.
    pub size: u64,
    /// SHA-256 of the body, hexadecimal in lower case.
    pub sha256: String,
}

impl Received {
    /// The value of the first header with this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// How a request is answered once its body has arrived and is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    Prompt,
    /// After this time.
    Late(Duration),
    /// Not at all: the connection is closed. Who sent the request cannot know that it arrived.
    Silent,
}

/// An HTTP/1.1 server on loopback that takes every body and remembers what came; it ends when dropped.
///
/// A path that starts with `/status/CODE` is answered with that code, everything else with 200.
#[derive(Debug)]
pub struct HttpReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What all connections share.
#[derive(Default)]
struct Shared {
    received: Mutex<Vec<Received>>,
    manner: Mutex<Option<Manners>>,
}

/// Says how a request is answered.
type Manners = Arc<dyn Fn(&Received) -> Manner + Send + Sync>;

impl Shared {
    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manner(&self, one: &Received) -> Manner {
        let manners = self.manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        manners.map_or(Manner::Prompt, |manners| manners(one))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} requests", self.received().len())
    }
}

impl HttpReceiver {
    /// Starts on a free port of 127.0.0.1; must be called within a tokio runtime.
    ///
    /// It accepts connections when this returns.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An address for a flow: `path` starts with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What has arrived so far, in the order in which the bodies were complete.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.received().clone()
    }

    /// The same, and forgets it: there is room for as many again.
    #[must_use]
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut *self.shared.received())
    }

    /// From here on asks how each request is to be answered, after it was remembered.
    pub fn answer_by(&self, manner: impl Fn(&Received) -> Manner + Send + Sync + 'static) {
        *self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(manner));
    }
}

impl Drop for HttpReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((connection, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
            // A client that goes away in the middle is no failure of the receiver; nothing was recorded.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

/// An error closes the connection without an answer.
async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<String>> {
    let (head, body) = request.into_parts();
    let status = wanted_status(head.uri.path());
    let Ok((size, sha256)) = digest(body).await else {
        return Ok(reply(StatusCode::BAD_REQUEST, "the body broke off"));
    };
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let one = Received {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers,
        size,
        sha256,
    };
    let manner = shared.manner(&one);
    if !remember(&shared, one) {
        return Ok(reply(
            StatusCode::INSUFFICIENT_STORAGE,
            "too many requests to remember",
        ));
    }
    match manner {
        Manner::Prompt => {}
        Manner::Late(time) => tokio::time::sleep(time).await,
        Manner::Silent => return Err(io::ErrorKind::ConnectionAborted.into()),
    }
    Ok(reply(status, "received"))
}

/// Whether there was room for one more.
fn remember(shared: &Shared, one: Received) -> bool {
    let mut all = shared.received();
    let room = all.len() < MAX_RECORDED;
    if room {
        all.push(one);
    }
    room
}

fn reply(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(format!("{text}\n"));
    *response.status_mut() = status;
    response
}

/// The status that a path such as `/status/503` asks for.
fn wanted_status(path: &str) -> StatusCode {
    path.strip_prefix("/status/")
        .and_then(|rest| rest.split('/').next())
        .and_then(|code| code.parse().ok())
        .unwrap_or(StatusCode::OK)
}

/// Reads the body in its own pieces, so that a large one takes no memory.
async fn digest(mut body: Incoming) -> Result<(u64, String), hyper::Error> {
    let (mut size, mut hash) = (0, Sha256::new());
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Some(data) = frame?.data_ref() {
            size += data.len() as u64;
            hash.update(data);
        }
    }
    Ok((size, super::files::hex(&hash.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_ask_for_statuses() {
        assert_eq!(
            wanted_status("/status/503/orders"),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(wanted_status("/orders"), StatusCode::OK);
        assert_eq!(wanted_status("/status/word"), StatusCode::OK);
    }
}
