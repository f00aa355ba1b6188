//! A web server that takes what flows send.

use flowhost::demo::receiver::{HttpReceiver, Received};

/// The embedded HTTP receiver on a runtime of its own.
pub struct Shop {
    receiver: HttpReceiver,
    _runtime: tokio::runtime::Runtime,
}

impl Shop {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot listen on loopback.
    #[must_use]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let receiver = runtime
            .block_on(HttpReceiver::start())
            .expect("a free port on loopback");
        Self {
            receiver,
            _runtime: runtime,
        }
    }

    /// An address on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.receiver.url(path)
    }

    /// What has arrived.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.receiver.received()
    }
}
