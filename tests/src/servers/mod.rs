//! Real FTP servers, each in a folder and on ports of its own.

mod catalogue;
mod embedded;
mod front;
mod kind;
mod ports;
mod process;
mod proftpd;
mod pure_ftpd;
mod pyftpdlib;
pub mod tls;
mod vsftpd;

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use self::front::Front;
use self::process::ServerProcess;
use self::tls::{Mode, Tls};

pub use self::catalogue::version;
pub use self::kind::Kind;
pub use self::ports::free_range;

/// The password of every account. The servers that want a hash get [`PASSWORD_HASH`].
pub(crate) const PASSWORD: &str = flowhost::demo::server::PASSWORD;

/// [`PASSWORD`] for crypt(3), SHA-512. A constant, so that no tool is needed that makes one.
const PASSWORD_HASH: &str = "$6$QCEovxyCLGVTEF1K$7KIe3Qg6jzYw8OBufYvfdQYQxbsxhq6RGH9MTbvrhT/tjFpiXclT2jjV8BMC8l2XcKiSjjr3JDVj4Um21c3Cg0";

/// The folder in which the account may not write, where [`Kind::has_locked_folder`].
pub const LOCKED: &str = "locked";

/// A running server. Dropping it ends it.
pub struct FtpServer {
    /// What it is.
    pub kind: Kind,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The account.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
    /// The folder it serves, as this process sees it.
    pub root: PathBuf,
    /// The same folder as a client names it: `/` behind a chroot, the whole path without one.
    pub remote_root: String,
    /// How it was started.
    pub limits: Limits,
    // The order matters: the front ends before the server, and the server before its folder goes.
    _front: Option<Front>,
    running: Running,
    _folder: TempDir,
}

enum Running {
    Embedded(embedded::Handle),
    Process {
        process: ServerProcess,
        sign_in_log: Option<SignInLog>,
    },
}

/// Where a server writes down who signed in.
struct SignInLog {
    file: PathBuf,
    /// A line with this text is a sign-in that succeeded.
    mark: &'static str,
}

/// What a kind of server needs to be started: files in `folder`, and the command.
struct SetUp {
    command: Command,
    user: &'static str,
    remote_root: String,
    sign_in_log: Option<SignInLog>,
}

impl SetUp {
    /// A server that shows the folder as `/` to an account of the name `shop` and has no log of sign-ins.
    fn new(command: Command) -> Self {
        Self {
            command,
            user: "shop",
            remote_root: "/".to_owned(),
            sign_in_log: None,
        }
    }

    /// The same with a log: a line with `mark` is a sign-in.
    fn logging(self, file: PathBuf, mark: &'static str) -> Self {
        Self {
            sign_in_log: Some(SignInLog { file, mark }),
            ..self
        }
    }

    /// The same without a chroot: the folder appears under its whole path.
    fn without_chroot(self, site: &Site<'_>) -> Self {
        Self {
            remote_root: site.root.display().to_string(),
            ..self
        }
    }
}

/// The places and ports that a set-up works with.
struct Site<'a> {
    /// For configuration, logs and process ids.
    folder: &'a Path,
    /// The folder to serve.
    root: &'a Path,
    port: u16,
    /// First and last port for passive data connections.
    passive: (u16, u16),
    /// Whether listings are in the server's own time, where it can be told.
    local_time: bool,
    /// How it speaks TLS, if it does.
    tls: Option<Tls>,
}

impl Site<'_> {
    /// A place for one of the server's own files.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes one of the server's own files, which only this account may read: some servers insist on that.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> std::io::Result<PathBuf> {
        let file = self.file(name);
        std::fs::write(&file, content)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
}

/// How the server is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// The largest file that the server can write, in units of 512 bytes: a full disk without a disk.
    pub file_blocks: Option<u32>,
    /// The time zone of the server and of its listings. The embedded server has none of its own.
    pub time_zone: Option<&'static str>,
    /// How it speaks TLS; in clear without.
    pub tls: Option<Tls>,
}

impl Limits {
    /// What the server itself is told when a [front] does the implicit FTPS that the kind has not got.
    fn behind_a_front(self, kind: Kind) -> Self {
        let tls = self.tls.map(|tls| match tls.mode {
            Mode::Implicit if !kind.has_implicit() => Tls {
                mode: Mode::Explicit,
                ..tls
            },
            _ => tls,
        });
        Self { tls, ..self }
    }
}

impl FtpServer {
    /// Starts a server with an empty root, but for the folder [`LOCKED`] where the kind has it.
    ///
    /// `None` when this machine has not got it; that is told on stderr.
    ///
    /// # Panics
    /// When the server is missing and the variable `CI` is set: there, nothing may be skipped.
    ///
    /// # Errors
    /// When it is there and does not start.
    pub fn start(kind: Kind) -> Result<Option<Self>> {
        Self::start_with(kind, Limits::default())
    }

    /// The same, with limits.
    ///
    /// # Panics
    /// As [`FtpServer::start`].
    ///
    /// # Errors
    /// As [`FtpServer::start`].
    pub fn start_with(kind: Kind, limits: Limits) -> Result<Option<Self>> {
        let folder = tempfile::Builder::new().prefix("ftp-server-").tempdir()?;
        // Servers that change to another account must get through; ProFTPD wants that others cannot write.
        deny_writing(folder.path())?;
        let root = folder.path().join("root");
        std::fs::create_dir(&root)?;
        open_to_all(&root)?;

        let own = limits.behind_a_front(kind);
        let started = if kind == Kind::Embedded {
            embedded::start(folder.path(), &root, own)?
        } else {
            let entry = match catalogue::find(kind) {
                Ok(entry) => entry,
                Err(reason) if std::env::var_os("CI").is_some() => panic!("{kind} is missing: {reason}"),
                Err(reason) => {
                    // Not `eprintln!`, which the test harness keeps to itself when the test passes.
                    writeln!(std::io::stderr(), "SKIPPED on {kind}: {reason}")?;
                    return Ok(None);
                }
            };
            let locked = root.join(LOCKED);
            std::fs::create_dir(&locked)?;
            std::fs::write(locked.join("present.txt"), "to be left alone\n")?;
            start_process(kind, &entry, folder.path(), &root, own)?
        };
        let front = match limits.tls {
            Some(tls) if own.tls.is_some_and(|own| own.mode != tls.mode) => {
                Some(Front::start(started.port, &tls)?)
            }
            _ => None,
        };
        Ok(Some(Self {
            kind,
            port: front.as_ref().map_or(started.port, Front::port),
            user: started.user,
            password: PASSWORD,
            root,
            remote_root: started.remote_root,
            limits,
            _front: front,
            running: started.running,
            _folder: folder,
        }))
    }

    /// Writes a file below the root, with the folders it needs, so that the account may read, replace and
    /// remove it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let target = self.root.join(path);
        let folder = target.parent().expect("a path below the root has a parent");
        self.make_folder(path.rsplit_once('/').map_or("", |(folder, _)| folder));
        std::fs::write(&target, content).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        debug_assert!(folder.is_dir());
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o666)).expect("own file");
    }

    /// The same for a file that was last changed some time ago.
    ///
    /// # Panics
    /// As [`FtpServer::write`].
    pub fn write_aged(&self, path: &str, content: impl AsRef<[u8]>, age: Duration) {
        self.write(path, content);
        crate::tree::set_modified(&self.root.join(path), SystemTime::now() - age);
    }

    /// The same for a file whose name is not text, in a folder below the root.
    ///
    /// # Panics
    /// As [`FtpServer::write`].
    pub fn write_raw(&self, folder: &str, name: &[u8], content: impl AsRef<[u8]>) {
        self.make_folder(folder);
        let target = self.root.join(folder).join(OsStr::from_bytes(name));
        std::fs::write(&target, content).expect("own folder");
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o666)).expect("own file");
    }

    /// Makes a folder below the root, with those it needs, in which the account may write.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn make_folder(&self, path: &str) {
        let mut folder = self.root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            folder.push(part);
            if !folder.is_dir() {
                std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
                open_to_all(&folder).expect("own folder");
            }
        }
    }

    /// The content of a file below the root, if it is there.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.root.join(path)).ok()
    }

    /// The connection settings for this server's account and root, as a flow file has them.
    #[must_use]
    pub fn settings(&self) -> serde_json::Value {
        let settings = serde_json::json!({
            "host": "127.0.0.1",
            "port": self.port,
            "auth": { "username": self.user, "password": self.password },
            "root": self.remote_root,
        });
        match &self.limits.tls {
            Some(tls) => tls.settings(settings),
            None => settings,
        }
    }

    /// How often somebody signed in with success, where the server can tell.
    #[must_use]
    pub fn sign_ins(&self) -> Option<usize> {
        match &self.running {
            Running::Embedded(handle) => usize::try_from(handle.sign_ins()).ok(),
            Running::Process { sign_in_log, .. } => {
                let log = sign_in_log.as_ref()?;
                let text = std::fs::read_to_string(&log.file).unwrap_or_default();
                Some(text.lines().filter(|line| line.contains(log.mark)).count())
            }
        }
    }

    /// The process id of the server, if it is a process.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        match &self.running {
            Running::Embedded(_) => None,
            Running::Process { process, .. } => Some(process.id()),
        }
    }
}

/// A server that runs.
struct Started {
    port: u16,
    user: &'static str,
    remote_root: String,
    running: Running,
}

/// Starts a server that is a program.
fn start_process(
    kind: Kind,
    entry: &catalogue::Entry,
    folder: &Path,
    root: &Path,
    limits: Limits,
) -> Result<Started> {
    // The port was free a moment ago; somebody else may take it before the server does.
    let mut last = None;
    for _ in 0..3 {
        let site = Site {
            folder,
            root,
            port: ports::free_port()?,
            passive: ports::free_range()?,
            local_time: limits.time_zone.is_some(),
            tls: limits.tls,
        };
        let set_up = match kind {
            Kind::Vsftpd => vsftpd::set_up(entry, &site)?,
            Kind::PureFtpd => pure_ftpd::set_up(entry, &site)?,
            Kind::Proftpd => proftpd::set_up(entry, &site)?,
            Kind::Pyftpdlib => pyftpdlib::set_up(entry, &site)?,
            Kind::Embedded => unreachable!("it is no program"),
        };
        let mut command = set_up.command;
        command.envs(limits.time_zone.map(|zone| ("TZ", zone)));
        match ServerProcess::start(command, site.port, folder, limits) {
            Ok(process) => {
                return Ok(Started {
                    port: site.port,
                    user: set_up.user,
                    remote_root: set_up.remote_root,
                    running: Running::Process {
                        process,
                        sign_in_log: set_up.sign_in_log,
                    },
                });
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("tried at least once")).with_context(|| format!("{kind} does not start"))
}

/// Lets every account read, enter and change a folder.
fn open_to_all(folder: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777))
}

/// Whether this process may change to another account.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Lets the owner alone change a folder, and everybody else look.
fn deny_writing(folder: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

/// The name that a number has in the system's list of accounts or of groups. Some servers want to be told
/// who they are by name.
fn account_name(list: &str, number: u32) -> Result<String> {
    let (text, number) = (std::fs::read_to_string(list)?, number.to_string());
    text.lines()
        .find(|line| line.split(':').nth(2) == Some(&number))
        .and_then(|line| line.split(':').next())
        .map(ToOwned::to_owned)
        .with_context(|| format!("{list} has no name for {number}, and this server wants one"))
}
