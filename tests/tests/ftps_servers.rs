//! The test support itself, with TLS: every server insists on it, in each mode and version, for sessions and for data,
//! and on resumed sessions where it can. Whoever talks here is a client of the tests, not the connector.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use flow_tests::pki::{self, Version};
use flow_tests::servers::tls::{Mode, Tls};
use flow_tests::servers::{FtpServer, Kind, Limits};
use flow_tests::wire::Wire;
use rustls::ClientConfig;

/// Longer than any server takes; a test that waits for an answer fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// A control connection.
struct Client {
    lines: BufReader<Wire>,
    config: Arc<ClientConfig>,
    private: bool,
}

/// What came of a transfer.
#[derive(Debug)]
struct Transfer {
    content: io::Result<Vec<u8>>,
    resumed: Option<bool>,
    reply: String,
}

impl Client {
    /// A session in TLS, not signed in.
    fn open(server: &FtpServer) -> Self {
        let tls = server.limits.tls.expect("started with TLS");
        let mut client = Self::connect(server.port, tls.mode == Mode::Implicit);
        assert_eq!(client.reply().get(..3), Some("220"));
        if tls.mode == Mode::Explicit {
            assert_eq!(client.command("AUTH TLS").get(..3), Some("234"));
            let config = Arc::clone(&client.config);
            client.lines.get_mut().become_client(&config, "localhost");
        }
        client.lines.get_mut().handshake().expect("a handshake");
        let version = client.lines.get_ref().version();
        assert!(version.is_some() && (tls.version.is_none() || tls.version == version));
        client
    }

    fn connect(port: u16, implicit: bool) -> Self {
        let config = Arc::new(pki::client_config(None));
        let mut wire = Wire::new(socket(port));
        if implicit {
            wire.become_client(&config, "localhost");
        }
        Self {
            lines: BufReader::new(wire),
            config,
            private: false,
        }
    }

    fn sign_in(&mut self, server: &FtpServer) {
        assert_eq!(
            self.command(&format!("USER {}", server.user)).get(..3),
            Some("331")
        );
        assert_eq!(
            self.command(&format!("PASS {}", server.password)).get(..3),
            Some("230")
        );
        assert_eq!(self.command("TYPE I").get(..3), Some("200"));
    }

    fn protect(&mut self) {
        assert_eq!(self.command("PBSZ 0").get(..3), Some("200"));
        assert_eq!(self.command("PROT P").get(..3), Some("200"));
        self.private = true;
    }

    /// The last line of a reply; nothing when the server has hung up.
    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            match self.lines.read_line(&mut line) {
                Ok(0) | Err(_) => return String::new(),
                Ok(_) if line.as_bytes().get(3) == Some(&b' ') => return line.trim_end().to_owned(),
                Ok(_) => {}
            }
        }
    }

    fn say(&mut self, line: &str) {
        let wire = self.lines.get_mut();
        wire.write_all(format!("{line}\r\n").as_bytes())
            .expect("the server listens");
    }

    fn command(&mut self, line: &str) -> String {
        self.say(line);
        self.reply()
    }

    /// Moves a file or a listing: what the server sends, after having sent it `content`.
    fn transfer(&mut self, line: &str, content: Option<&[u8]>, config: &Arc<ClientConfig>) -> Transfer {
        let answer = self.command("EPSV");
        let port = answer.split('|').nth(3).and_then(|port| port.parse().ok());
        let Some(port) = port else {
            return Transfer {
                content: Err(io::Error::other("no data connection")),
                resumed: None,
                reply: answer,
            };
        };
        let data = socket(port);
        if !self.private {
            // A server that wants it encrypted says so on the control connection, and leaves this one open.
            data.set_read_timeout(Some(Duration::from_secs(1)))
                .expect("a socket");
        }
        let mut data = Wire::new(data);
        if self.private {
            data.become_client(config, "localhost");
        }
        self.say(line);
        let content = move_data(&mut data, content);
        let resumed = data.resumed();
        drop(data);
        let mut reply = self.reply();
        if reply.starts_with('1') {
            reply = self.reply();
        }
        Transfer {
            content,
            resumed,
            reply,
        }
    }

    fn get(&mut self, path: &str) -> Transfer {
        let config = Arc::clone(&self.config);
        self.transfer(&format!("RETR {path}"), None, &config)
    }

    fn put(&mut self, path: &str, content: &[u8]) -> Transfer {
        let config = Arc::clone(&self.config);
        self.transfer(&format!("STOR {path}"), Some(content), &config)
    }
}

fn move_data(data: &mut Wire, content: Option<&[u8]>) -> io::Result<Vec<u8>> {
    data.handshake()?;
    if let Some(content) = content {
        data.write_all(content)?;
        data.finish()?;
    }
    let mut received = Vec::new();
    data.read_to_end(&mut received)?;
    // What the server waits for after a download.
    let _ = data.finish();
    Ok(received)
}

fn socket(port: u16) -> TcpStream {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.set_nodelay(true).expect("a socket");
    socket
}

fn start(kind: Kind, tls: Tls) -> Option<FtpServer> {
    let limits = Limits {
        tls: Some(tls),
        ..Limits::default()
    };
    FtpServer::start_with(kind, limits).expect("it starts")
}

fn moves_files(kind: Kind, tls: Tls) {
    let Some(server) = start(kind, tls) else { return };
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    server.write("in/a.bin", &content);
    server.write("in/empty", "");
    let root = server.remote_root.trim_end_matches('/');
    let is_good = |transfer: &Transfer| {
        let resumed = transfer.resumed == Some(true);
        transfer.reply.starts_with("226") && (resumed || !kind.resumes(&tls))
    };
    // ProFTPD gives two tickets for a session, and rustls uses each once: two uploads are what a session has here.
    let session = || {
        let mut client = Client::open(&server);
        client.sign_in(&server);
        client.protect();
        let first = client.get(&format!("{root}/in/empty"));
        assert_eq!(first.resumed, Some(kind.resumes(&tls)), "{first:?}");
        client
    };
    for _ in 0..2 {
        let mut client = session();
        // More often than a server gives tickets at once.
        for _ in 0..5 {
            let got = client.get(&format!("{root}/in/a.bin"));
            assert!(is_good(&got), "{got:?}");
            assert!(got.content.is_ok_and(|got| got == content));
        }
        let got = client.get(&format!("{root}/in/empty"));
        assert!(is_good(&got), "{got:?}");
        assert!(got.content.is_ok_and(|got| got.is_empty()));
        let put = client.put(&format!("{root}/in/b.bin"), &content);
        assert!(is_good(&put), "{put:?}");
        assert!(server.read("in/b.bin").is_some_and(|put| put == content));
        let put = client.put(&format!("{root}/in/c"), b"");
        assert!(is_good(&put), "{put:?}");
        assert_eq!(server.read("in/c").as_deref(), Some(&b""[..]));
    }
    let mut client = session();
    client.command(&format!("CWD {root}/in"));
    let config = Arc::clone(&client.config);
    let listing = client.transfer("LIST", None, &config);
    let text = String::from_utf8(listing.content.expect("a listing")).expect("plain names");
    assert!(text.contains("a.bin") && text.contains("empty"), "{text}");

    // A client that forgets the control connection's session.
    let stranger = Arc::new(pki::client_config(None));
    let got = client.transfer("RETR a.bin", None, &stranger);
    if kind.requires_resumption() {
        let refused = ["522", "425", "421", "450", ""].map(Some);
        assert!(
            refused.contains(&got.reply.get(..3)) || got.reply.is_empty(),
            "{got:?}"
        );
        assert!(!got.content.is_ok_and(|got| got == content));
    } else {
        assert_eq!((got.resumed, got.reply.get(..3)), (Some(false), Some("226")));
    }
}

fn insists_on_tls(kind: Kind) {
    let Some(server) = start(kind, Tls::new(Mode::Explicit)) else {
        return;
    };
    server.write("a.txt", "hello");
    let mut client = Client::connect(server.port, false);
    assert_eq!(client.reply().get(..3), Some("220"));
    let user = client.command(&format!("USER {}", server.user));
    let pass = match user.get(..3) {
        Some("331") => client.command(&format!("PASS {}", server.password)),
        _ => user,
    };
    let code = pass.get(..3).unwrap_or_default();
    assert!(
        ["421", "503", "522", "530", "534", "550"].contains(&code),
        "{pass}"
    );

    let mut client = Client::open(&server);
    client.sign_in(&server);
    let root = server.remote_root.trim_end_matches('/');
    let got = client.get(&format!("{root}/a.txt"));
    if kind == Kind::Embedded {
        // Only `PASV` is looked at.
        assert_eq!(got.content.expect("in clear"), b"hello");
        assert_eq!(client.command("PASV").get(..3), Some("534"));
    } else {
        assert!(got.reply.starts_with('5'), "{got:?}");
        assert!(!got.content.is_ok_and(|got| got == b"hello"));
    }
}

fn allows_data_in_clear(kind: Kind) {
    let tls = Tls {
        clear_data: true,
        ..Tls::new(Mode::Explicit)
    };
    let Some(server) = start(kind, tls) else { return };
    server.write("a.txt", "hello");
    let mut client = Client::open(&server);
    client.sign_in(&server);
    let root = server.remote_root.trim_end_matches('/');
    let got = client.get(&format!("{root}/a.txt"));
    assert_eq!((got.resumed, got.reply.get(..3)), (None, Some("226")), "{got:?}");
    assert_eq!(got.content.expect("in clear"), b"hello");
}

/// Makes the tests of a kind.
macro_rules! of {
    ($($module:ident $kind:ident,)*) => { $(mod $module {
        use super::*;

        #[test]
        fn explicit_with_tls_1_2() {
            moves_files(Kind::$kind, Tls::new(Mode::Explicit).only(Version::V12));
        }

        #[test]
        fn explicit_with_tls_1_3() {
            moves_files(Kind::$kind, Tls::new(Mode::Explicit).only(Version::V13));
        }

        #[test]
        fn implicit_with_tls_1_2() {
            moves_files(Kind::$kind, Tls::new(Mode::Implicit).only(Version::V12));
        }

        #[test]
        fn implicit_with_tls_1_3() {
            moves_files(Kind::$kind, Tls::new(Mode::Implicit).only(Version::V13));
        }

        #[test]
        fn insists_on_it() {
            insists_on_tls(Kind::$kind);
        }

        #[test]
        fn allows_data_in_clear_when_it_is_told() {
            allows_data_in_clear(Kind::$kind);
        }
    })* };
}

of! {
    embedded Embedded,
    vsftpd Vsftpd,
    pure_ftpd PureFtpd,
    proftpd Proftpd,
    pyftpdlib Pyftpdlib,
}
