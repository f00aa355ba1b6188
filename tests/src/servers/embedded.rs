//! The demo's server, on a runtime of its own.

use std::io;
use std::path::Path;

use flowhost::demo::server::EmbeddedServer;
use tokio::runtime::Runtime;

/// The server and the threads that it runs on.
pub struct Handle {
    server: EmbeddedServer,
    _runtime: Runtime,
}

impl Handle {
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    pub fn sign_ins(&self) -> u64 {
        self.server.sign_ins()
    }
}

pub fn start(root: &Path) -> io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let server = runtime.block_on(EmbeddedServer::start(root))?;
    Ok(Handle {
        server,
        _runtime: runtime,
    })
}
