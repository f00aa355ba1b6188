//! Connections to the HTTP endpoints, and what each may cost.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at the same time. More wait to be accepted; each of those before them ends soon.
const MOST_CONNECTIONS: usize = 64;

/// For the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// For a whole connection. It is for one request: a monitor comes every few seconds, and a connection that stays open
/// for it would be one less for the others.
const ALL_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const MOST_HEAD: usize = 16 * 1024;

/// After an error that is not the connection's own, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections, for ever.
pub(super) async fn listen(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return; // Nobody closes it.
        };
        match listener.accept().await {
            Ok((connection, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    serve(connection, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(connection: TcpStream, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(MOST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
    match tokio::time::timeout(ALL_WITHIN, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a connection broke: {error}"),
        Err(_) => tracing::debug!("a connection took too long"),
    }
}
