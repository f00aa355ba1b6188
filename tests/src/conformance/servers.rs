//! What the connectors of a case talk to.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustls::ServerConfig;

use super::case::{Case, Content, Ftp, Real, Server, TlsEcho};
use super::values::Values;
use crate::pki::{self, Version};
use crate::script::{Script, ScriptServer};
use crate::servers::tls::{Mode, Tls};
use crate::servers::{FtpServer, Kind, Limits};
use crate::tree;
use crate::wire::Wire;

/// How long a connection of an echo may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a server may take to accept a connection that its client has already.
const ACCEPT_WITHIN: Duration = Duration::from_secs(2);

/// The running servers of a case.
pub struct Servers(BTreeMap<String, Running>);

enum Running {
    Ftp(ScriptServer),
    Real(Box<FtpServer>),
    Plain(Arc<AtomicUsize>),
}

impl Servers {
    /// Starts them, and says where they are: `${NAME.port}`, and for FTP `${NAME.user}`, `${NAME.password}`, `${NAME.root}`.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start(case: &Case, values: &mut Values) -> Result<Self> {
        values.set("authority.pem", pki::authority().pem());
        values.set("good.sha256", pki::good().sha256());
        values.set("good.public_key_sha256", pki::good().public_key_sha256());
        let client = pki::client();
        values.set("client.certificate", client.certificate);
        values.set("client.key", client.key);
        let mut running = BTreeMap::new();
        for (name, server) in &case.servers {
            let (server, port) = start(server).with_context(|| format!("the server {name}"))?;
            values.set(format!("{name}.port"), port);
            let account = match &server {
                Running::Ftp(_) => Some(("shop", "s3cret-shop", "/".to_owned())),
                Running::Real(server) => Some((server.user, server.password, server.remote_root.clone())),
                Running::Plain(_) => None,
            };
            if let Some((user, password, root)) = account {
                values.set(format!("{name}.user"), user);
                values.set(format!("{name}.password"), password);
                values.set(format!("{name}.root"), root);
            }
            running.insert(name.clone(), server);
        }
        Ok(Self(running))
    }

    /// Whether the server `ftp` has had a command of this word.
    pub fn had(&self, command: &str) -> bool {
        match self.0.get("ftp") {
            Some(Running::Ftp(server)) => server.count(command) > 0,
            _ => false,
        }
    }

    /// How many connections a server has had. Who connects may be told so before the server has accepted, so those that
    /// are expected have a moment to come.
    pub fn connections(&self, name: &str, expected: usize) -> Option<usize> {
        let count = || match self.0.get(name)? {
            Running::Ftp(server) => Some(server.connections()),
            Running::Plain(count) => Some(count.load(Ordering::SeqCst)),
            Running::Real(_) => None,
        };
        let end = Instant::now() + ACCEPT_WITHIN;
        while count()? < expected && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        count()
    }

    /// What the server `ftp` has now, by path: for a scripted one, what was sent to it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        match self.0.get("ftp") {
            Some(Running::Ftp(server)) => Ok(server.uploads()),
            Some(Running::Real(server)) => Ok(tree::files(&server.root)),
            _ => bail!("the case has no server `ftp`"),
        }
    }

    /// What was deleted on the scripted server `ftp`.
    pub fn removed(&self) -> Vec<String> {
        match self.0.get("ftp") {
            Some(Running::Ftp(server)) => server.removed(),
            _ => Vec::new(),
        }
    }
}

fn start(server: &Server) -> Result<(Running, u16)> {
    match server {
        Server::Ftp(ftp) => {
            let server = scripted(ftp)?.start();
            let port = server.port();
            Ok((Running::Ftp(server), port))
        }
        Server::Real(real) => {
            let server = real_server(real)?;
            let port = server.port;
            Ok((Running::Real(Box::new(server)), port))
        }
        Server::Echo {} => listen(|socket| echo(&mut Wire::new(socket))),
        Server::TlsEcho(tls) => {
            let config = echo_config(tls)?;
            listen(move |socket| {
                let mut wire = Wire::new(socket);
                wire.become_server(&config);
                wire.handshake()?;
                echo(&mut wire)?;
                wire.finish()
            })
        }
        Server::Silent {} => listen(|mut socket| {
            let mut bytes = [0; 4096];
            while socket.read(&mut bytes)? > 0 {}
            Ok(())
        }),
        Server::Closed {} => {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            Ok((Running::Plain(Arc::default()), port))
        }
    }
}

/// Serves each connection on a thread of its own, which ends with the connection.
fn listen(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Result<(Running, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let count: Arc<AtomicUsize> = Arc::default();
    let (serve, counter) = (Arc::new(serve), Arc::clone(&count));
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            counter.fetch_add(1, Ordering::SeqCst);
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || {
                let _ = socket.set_read_timeout(Some(PATIENCE));
                // What a connector does to it is its own affair.
                let _ = serve(socket);
            });
        }
    });
    Ok((Running::Plain(count), port))
}

fn echo(wire: &mut Wire) -> io::Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let count = wire.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        wire.write_all(&bytes[..count])?;
        wire.flush()?;
    }
}

fn echo_config(tls: &TlsEcho) -> Result<Arc<ServerConfig>> {
    let version = tls.version.as_deref().map(version).transpose()?;
    let identity = match tls.certificate.as_deref() {
        None | Some("good") => return Ok(good(tls, version)),
        Some("expired") => pki::expired(),
        Some("not_yet_valid") => pki::not_yet_valid(),
        Some("for_another_name") => pki::for_another_name(),
        Some("of_an_unknown_authority") => pki::of_an_unknown_authority(),
        Some("self_signed") => pki::self_signed(),
        Some(other) => bail!("there is no certificate {other:?}"),
    };
    Ok(identity.server(version))
}

fn good(tls: &TlsEcho, version: Option<Version>) -> Arc<ServerConfig> {
    if tls.demanding {
        pki::good().demanding_server(version)
    } else if tls.liar {
        pki::good().server_with_the_key_of(&pki::another_good())
    } else {
        pki::good().server(version)
    }
}

fn version(text: &str) -> Result<Version> {
    match text {
        "1.2" => Ok(Version::V12),
        "1.3" => Ok(Version::V13),
        _ => bail!("there is no TLS {text}"),
    }
}

fn scripted(ftp: &Ftp) -> Result<Script> {
    let mut script = Script::new();
    for (path, content) in &ftp.files {
        script = script.file(path, bytes(content)?);
    }
    match ftp.tls.as_deref() {
        None => {}
        Some("explicit") => script = script.tls(pki::good().server(None)),
        Some("implicit") => script = script.implicit(pki::good().server(None)),
        Some(other) => bail!("there is no mode {other:?} of TLS"),
    }
    if let Some(command) = &ftp.silent_at {
        // As many as there are cases that name one.
        let command: &'static str = command.clone().leak();
        script = script.on(command, |_, _| {
            std::thread::sleep(PATIENCE);
            Ok(())
        });
    }
    Ok(script)
}

fn real_server(real: &Real) -> Result<FtpServer> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == real.kind);
    let kind = kind.with_context(|| format!("there is no server {:?}", real.kind))?;
    let tls = match real.tls.as_deref() {
        None => None,
        Some("explicit") => Some(Tls::new(Mode::Explicit)),
        Some("implicit") => Some(Tls::new(Mode::Implicit)),
        Some(other) => bail!("there is no mode {other:?} of TLS"),
    };
    let tls = match (tls, real.version.as_deref().map(version).transpose()?) {
        (Some(tls), Some(version)) => Some(tls.only(version)),
        (tls, _) => tls,
    };
    let server = FtpServer::start_with(
        kind,
        Limits {
            tls,
            ..Limits::default()
        },
    )?;
    let server =
        server.with_context(|| format!("{} is not on this machine: run `cargo xtask servers`", real.kind))?;
    for (path, content) in &real.files {
        server.write(path, bytes(content)?);
    }
    Ok(server)
}

/// The bytes themselves.
///
/// # Errors
/// When any length will do.
pub fn bytes(content: &Content) -> Result<Vec<u8>> {
    match content {
        Content::Text(text) => Ok(text.clone().into_bytes()),
        Content::Pattern(length) => Ok(flow_probe::bodies::pattern(0, usize::try_from(*length)?)),
        Content::PatternOfAnyLength {} => bail!("it needs a length here"),
    }
}
