//! The demo's server, on a runtime of its own.

use std::io;
use std::path::Path;

use flowhost::demo::server::{EmbeddedServer, ServerTls, USER};
use tokio::runtime::Runtime;

use super::{Limits, Running, Site, Started};
use crate::pki::Version;

/// The server and the threads that it runs on.
pub struct Handle {
    server: EmbeddedServer,
    _runtime: Runtime,
}

impl Handle {
    pub fn sign_ins(&self) -> u64 {
        self.server.sign_ins()
    }
}

pub fn start(folder: &Path, root: &Path, limits: Limits) -> io::Result<Started> {
    assert!(
        limits.file_blocks.is_none(),
        "a limit of the embedded server would be one of this process"
    );
    let site = Site {
        folder,
        root,
        port: 0,
        passive: (0, 0),
        local_time: false,
        tls: limits.tls,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let server = match &site.tls {
        Some(tls) => {
            let files = site.identity(tls)?;
            let tls = ServerTls {
                certificate: files.certificate,
                key: files.key,
                versions: (
                    tls.version != Some(Version::V13),
                    tls.version != Some(Version::V12),
                ),
                private_data: !tls.clear_data,
            };
            runtime.block_on(EmbeddedServer::start_with_tls(root, tls))?
        }
        None => runtime.block_on(EmbeddedServer::start(root))?,
    };
    Ok(Started {
        port: server.port(),
        user: USER,
        remote_root: "/".to_owned(),
        running: Running::Embedded(Handle {
            server,
            _runtime: runtime,
        }),
    })
}
