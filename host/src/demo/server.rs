//! The embedded FTP server: libunftp on a loopback port of its own, for the demo and the tests.
//!
//! What it lacks, compared with the servers people run: `SITE CHMOD`, `EPRT`, and any permission below
//! that of the process. It has `EPSV`, `PASV`, `PORT`, `MLSD`, `MLST`, `APPE`, `REST STREAM`, `SIZE`, `MDTM`.
//!
//! With [`EmbeddedServer::start_with_tls`] it speaks explicit FTPS (RFC 4217). It has no implicit FTPS, cannot insist on
//! resumed sessions for data connections, and where data must be protected refuses only `PASV` without it: after
//! `EPSV` data may go in clear all the same.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use libunftp::ServerBuilder;
use libunftp::options::{ActivePassiveMode, FtpsRequired, TlsFlags};
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

/// How an embedded server speaks TLS.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Its certificate and those between it and the root, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// The versions that it offers: those of `TLSv1.2` and `TLSv1.3` that are true, in this order.
    pub versions: (bool, bool),
    /// Whether it refuses data connections in clear. Signing in without TLS it always refuses.
    pub private_data: bool,
}

impl ServerTls {
    /// The settings of one connection's server, with TLS.
    fn put_on<S, U>(&self, server: ServerBuilder<S, U>) -> ServerBuilder<S, U>
    where
        S: unftp_core::storage::StorageBackend<U> + 'static,
        S::Metadata: unftp_core::storage::Metadata,
        U: unftp_core::auth::UserDetail + 'static,
    {
        let mut flags = TlsFlags::RESUMPTION_SESS_ID | TlsFlags::RESUMPTION_TICKETS;
        flags.set(TlsFlags::V1_2, self.versions.0);
        flags.set(TlsFlags::V1_3, self.versions.1);
        server
            .ftps(&self.certificate, &self.key)
            .ftps_tls_flags(flags)
            .ftps_required(FtpsRequired::All, FtpsRequired::from(self.private_data))
    }
}

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
        Self::serve(root.into(), None).await
    }

    /// The same as an explicit FTPS server. Who does not ask for TLS cannot sign in.
    ///
    /// # Errors
    /// As [`EmbeddedServer::start`]. A certificate that cannot be used closes each connection as it comes.
    pub async fn start_with_tls(root: impl Into<PathBuf>, tls: ServerTls) -> io::Result<Self> {
        Self::serve(root.into(), Some(tls)).await
    }

    async fn serve(root: PathBuf, tls: Option<ServerTls>) -> io::Result<Self> {
        // Opened here too, so that a wrong folder is an error now and not a panic at the first connection.
        Filesystem::new(&root)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accounts = Arc::new(OneAccount::default());
        let accepting = tokio::spawn(accept(listener, root.clone(), Arc::clone(&accounts), tls));
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
async fn accept(listener: TcpListener, root: PathBuf, accounts: Arc<OneAccount>, tls: Option<ServerTls>) {
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
        .active_passive_mode(ActivePassiveMode::ActiveAndPassive);
        let server = match &tls {
            Some(tls) => tls.put_on(server),
            None => server,
        };
        match server.build() {
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
