//! A web server that takes what flows send.

use flowhost::demo::receiver::{HttpReceiver, Manner, Received};

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
    /// The same, and forgets it.
    #[must_use]
    pub fn take_received(&self) -> Vec<Received> {
        self.receiver.take_received()
    }

    /// From here on asks how each request is to be answered, after it was remembered.
    pub fn answer_by(&self, manner: impl Fn(&Received) -> Manner + Send + Sync + 'static) {
        self.receiver.answer_by(manner);
    }
}
