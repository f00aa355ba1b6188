//! The embedded FTP server: libunftp on a loopback port of its own, for the demo and the tests.
//!
//! What it lacks, compared with the servers people run: `SITE CHMOD`, `EPRT`, and any permission below
//! that of the process. It has `EPSV`, `PASV`, `PORT`, `MLSD`, `MLST`, `APPE`, `REST STREAM`, `SIZE`, `MDTM`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use libunftp::ServerBuilder;
use libunftp::options::ActivePassiveMode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use unftp_core::auth::{AuthenticationError, Authenticator, Credentials, Principal};
use unftp_sbe_fs::Filesystem;

/// The one account of the embedded server.
pub const USER: &str = "shop";

/// Its password. It guards nothing: the server listens on loopback and serves a temporary folder.
pub const PASSWORD: &str = "s3cret-shop";

/// Seconds without a command after which a session ends. Long enough to step through a run in a debugger.
const IDLE_SECONDS: u64 = 600;

/// An FTP server on loopback that serves one folder to one account; it ends when it is dropped.
///
/// Sessions that are open at that moment end when their clients leave or the runtime ends.
#[derive(Debug)]
pub struct EmbeddedServer {
    address: SocketAddr,
    root: PathBuf,
    accounts: Arc<OneAccount>,
    accepting: JoinHandle<()>,
}

impl EmbeddedServer {
    /// Starts serving the folder `root` on a free port of 127.0.0.1; must be called within a tokio runtime.
    ///
    /// It accepts connections when this returns.
    ///
    /// # Errors
    /// When `root` cannot be opened or no port can be bound.
    pub async fn start(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        // Opened here too, so that a wrong folder is an error now and not a panic at the first connection.
        Filesystem::new(&root)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accounts = Arc::new(OneAccount::default());
        let accepting = tokio::spawn(accept(listener, root.clone(), Arc::clone(&accounts)));
        Ok(Self {
            address,
            root,
            accounts,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The local folder that clients see as `/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How often somebody signed in with the right password.
    #[must_use]
    pub fn sign_ins(&self) -> u64 {
        self.accounts.sign_ins.load(Ordering::Relaxed)
    }
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Takes connections until it is aborted.
///
/// libunftp's own `listen` binds the port itself and does not tell which, so port 0 would be of no use
/// with it; it takes single accepted connections as well, each with a `Server` that is only settings.
async fn accept(listener: TcpListener, root: PathBuf, accounts: Arc<OneAccount>) {
    while let Ok((connection, _)) = listener.accept().await {
        // Replies come in two pieces (150, then 226): held back until the client confirms the first, which it
        // does late, each file would take 40 ms.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection of the embedded FTP server stays slow");
        }
        let folder = root.clone();
        let server = ServerBuilder::with_authenticator(
            Box::new(move || Filesystem::new(&folder).expect("the folder is there as long as the server")),
            Arc::clone(&accounts) as Arc<dyn Authenticator>,
        )
        .greeting("flowhost demo server")
        .idle_session_timeout(IDLE_SECONDS)
        // A range of the single port 0 lets the system choose a free one.
        .passive_ports(0..=0)
        .active_passive_mode(ActivePassiveMode::ActiveAndPassive)
        .build();
        match server {
            Ok(server) => drop(tokio::spawn(server.service(connection))),
            Err(error) => tracing::error!(%error, "the embedded FTP server's settings are wrong"),
        }
    }
}

/// Lets the one account in and counts.
#[derive(Debug, Default)]
struct OneAccount {
    sign_ins: AtomicU64,
}

#[async_trait]
impl Authenticator for OneAccount {
    async fn authenticate(
        &self,
        username: &str,
        credentials: &Credentials,
    ) -> Result<Principal, AuthenticationError> {
        if username != USER {
            return Err(AuthenticationError::BadUser);
        }
        if credentials.password.as_deref() != Some(PASSWORD) {
            return Err(AuthenticationError::BadPassword);
        }
        self.sign_ins.fetch_add(1, Ordering::Relaxed);
        Ok(Principal {
            username: username.to_owned(),
        })
    }
}
