//! The test support itself: every server starts, lets the right account in and nobody else, and is gone
//! when it is dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use flow_tests::script::Script;
use flow_tests::servers::{FtpServer, Kind};

/// A control connection, one command and its last reply line at a time.
struct Control(BufReader<TcpStream>);

impl Control {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server listens");
        let mut control = Self(BufReader::new(stream));
        assert!(control.reply().starts_with("220"));
        control
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.0.read_line(&mut line).expect("a reply") > 0,
                "the server has hung up"
            );
            if line.as_bytes()[..3].iter().all(u8::is_ascii_digit) && line.as_bytes()[3] == b' ' {
                return line.trim_end().to_owned();
            }
        }
    }

    fn command(&mut self, line: &str) -> String {
        self.0
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .expect("the server listens");
        self.reply()
    }
}

fn sign_in(server: &FtpServer, password: &str) -> (Control, String) {
    let mut control = Control::open(server.port);
    assert!(
        control
            .command(&format!("USER {}", server.user))
            .starts_with("331")
    );
    let reply = control.command(&format!("PASS {password}"));
    (control, reply)
}

fn lives_and_dies(kind: Kind) {
    let Some(server) = FtpServer::start(kind).expect("it starts") else {
        return;
    };
    server.write("in/a file.txt", "hello");
    let (mut control, reply) = sign_in(&server, server.password);
    assert!(reply.starts_with("230"), "{reply}");
    let root = server.remote_root.trim_end_matches('/');
    assert_eq!(control.command("TYPE I").get(..3), Some("200"));
    assert_eq!(control.command(&format!("SIZE {root}/in/a file.txt")), "213 5");
    assert!(control.command(&format!("CWD {root}/in")).starts_with("250"));
    assert!(control.command("RNFR a file.txt").starts_with("350"));
    assert!(control.command("RNTO b.txt").starts_with("250"));
    assert_eq!(server.read("in/b.txt").as_deref(), Some(&b"hello"[..]));
    let mark = if server.kind == Kind::PureFtpd {
        None
    } else {
        Some(1)
    };
    assert_eq!(server.sign_ins(), mark);
    if kind.has_locked_folder() {
        let reply = control.command(&format!("DELE {root}/locked/present.txt"));
        assert!(reply.starts_with("550"), "{reply}");
    }
    let reply = sign_in(&server, "wrong").1;
    assert!(reply.starts_with("530"), "{reply}");
    assert_eq!(server.sign_ins(), mark);

    let (port, root) = (server.port, server.root.clone());
    drop(control);
    drop(server);
    // The ports of other tests' servers come from the same system: somebody may have this one by now, but
    // not with our account's file.
    assert!(
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(),
        "it still listens"
    );
    assert!(!root.exists(), "its folder is still there");
}

#[test]
fn the_embedded_server_lives_and_dies() {
    lives_and_dies(Kind::Embedded);
}

#[test]
fn vsftpd_lives_and_dies() {
    lives_and_dies(Kind::Vsftpd);
}

#[test]
fn pure_ftpd_lives_and_dies() {
    lives_and_dies(Kind::PureFtpd);
}

#[test]
fn proftpd_lives_and_dies() {
    lives_and_dies(Kind::Proftpd);
}

#[test]
fn pyftpdlib_lives_and_dies() {
    lives_and_dies(Kind::Pyftpdlib);
}

#[test]
fn the_scripted_server_speaks_ftp_and_tells_what_it_saw() {
    let server = Script::new()
        .file("in/a.txt", "hello")
        .say("SIZE", "550 not today")
        .start();
    let mut control = Control::open(server.port());
    assert!(control.command("USER shop").starts_with("331"));
    assert!(control.command("PASS x").starts_with("230"));
    assert_eq!(control.command("SIZE in/a.txt"), "550 not today");
    let reply = control.command("EPSV");
    let port = reply
        .trim_end_matches("|)")
        .rsplit('|')
        .next()
        .expect("a port")
        .parse::<u16>()
        .expect("a number");
    control.0.get_mut().write_all(b"LIST in\r\n").expect("sent");
    let mut data = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a data connection");
    assert!(control.reply().starts_with("150"));
    let mut listing = String::new();
    std::io::Read::read_to_string(&mut data, &mut listing).expect("a listing");
    drop(data);
    assert!(control.reply().starts_with("226"));
    assert_eq!(
        listing,
        "-rw-r--r--    1 shop     shop            5 Jul 04 2026 a.txt\r\n"
    );
    assert!(control.command("QUIT").starts_with("221"));
    assert_eq!(server.commands().len(), 6);
    assert_eq!(server.count("SIZE"), 1);
    assert!(server.first("USER") < server.first("QUIT"));
}
