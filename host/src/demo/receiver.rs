//! The embedded HTTP receiver: stands for the shop system that a flow sends its payloads to.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

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

/// An HTTP/1.1 server on loopback that takes every body and remembers what came; it ends when dropped.
///
/// A path that starts with `/status/CODE` is answered with that code, everything else with 200.
#[derive(Debug)]
pub struct HttpReceiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    accepting: JoinHandle<()>,
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
        let received = Arc::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&received)));
        Ok(Self {
            address,
            received,
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
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for HttpReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, received: Arc<Mutex<Vec<Received>>>) {
    while let Ok((connection, _)) = listener.accept().await {
        let received = Arc::clone(&received);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&received)));
            // A client that goes away in the middle is no failure of the receiver; nothing was recorded.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    received: Arc<Mutex<Vec<Received>>>,
) -> Result<Response<String>, Infallible> {
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
    let mut all = received.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MAX_RECORDED {
        return Ok(reply(
            StatusCode::INSUFFICIENT_STORAGE,
            "too many requests to remember",
        ));
    }
    all.push(one);
    Ok(reply(status, "received"))
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
