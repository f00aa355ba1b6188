//! Sessions against a server that says what a test wants it to say.

mod server;

use std::io::Read;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

use crate::data::End;
use crate::error::{Error, Kind, Retry};
use crate::listing::Precision;
use crate::path::{RemotePath, jail};
use crate::session::Session;
use crate::transport::{Host, Level};

use server::Do::{Nowhere, PasvElsewhere, Say, Send};
use server::Server;

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

const HOST: Host = Host {
    traces: || true,
    log: |level, line| {
        if level == Level::Trace {
            LOG.lock().unwrap().push(line.to_owned());
        }
    },
    ..QUIET
};

const QUIET: Host = Host::CALM;

fn assert_once(commands: &[String], is_it: impl Fn(&str) -> bool) {
    let count = commands.iter().filter(|line| is_it(line)).count();
    assert_eq!(count, 1, "{commands:?}");
}

fn path(text: &str) -> RemotePath {
    jail(text, "").unwrap().path
}

fn read(session: &mut Session, name: &str) -> Result<Vec<u8>, Error> {
    let mut transfer = session.start_read(&path(name))?;
    let mut content = Vec::new();
    if let Err(error) = Read::read_to_end(&mut transfer, &mut content) {
        return Err(session.transfer_failed(transfer, &error));
    }
    session.finish(transfer).map(|_| content)
}

fn list(session: &mut Session) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    session.list(&RemotePath::default(), |entry| names.push(entry.name))?;
    Ok(names)
}

#[test]
fn epsv_that_leads_nowhere_is_followed_by_pasv_and_remembered() {
    let server = Server::start(
        "220 hi",
        vec![
            ("EPSV", Nowhere),
            ("PASV", PasvElsewhere),
            ("PASV", PasvElsewhere),
            ("RETR", Send("150 ok", &[b"one"], "226 done")),
            ("RETR", Send("150 ok", &[b"two"], "226 done")),
        ],
    );
    let mut session = Session::open(&server.settings(""), QUIET).unwrap();
    assert_eq!(read(&mut session, "a").unwrap(), b"one");
    assert_eq!(read(&mut session, "b").unwrap(), b"two");
    assert_eq!(session.mode.worked, Some("PASV"));
    assert!(session.mode.why_not_epsv.as_deref().unwrap().contains("refused"));
    session.quit();
    let commands = server.commands();
    assert_once(&commands, |line| line == "EPSV");
}

#[test]
fn data_goes_to_the_address_that_the_settings_name() {
    let script = || {
        vec![
            ("PASV", PasvElsewhere),
            ("RETR", Send("150 ok", &[b"one"], "226 done")),
        ]
    };
    let server = Server::start("220 hi", script());
    let settings = server.settings(r#","data_connection":"pasv","data_address":"127.0.0.1""#);
    let mut session = Session::open(&settings, QUIET).unwrap();
    assert_eq!(read(&mut session, "a").unwrap(), b"one");
    drop(session);
    drop(server);
    let server = Server::start("220 hi", script());
    let settings = server.settings(r#","data_address":"as-given""#);
    let mut session = Session::open(&settings, QUIET).unwrap();
    session.patience.clean_up_within(Duration::from_millis(300));
    let error = read(&mut session, "a").unwrap_err();
    assert!(error.message.contains("10.1.2.3"), "{error}");
    assert_eq!(error.effect, crate::error::Effect::None);
}

#[test]
fn a_transfer_that_is_over_before_it_was_announced_is_read_to_its_end() {
    let server = Server::start(
        "220 hi",
        vec![
            ("RETR", Send("226 done", &[b"on", b"e"], "")),
            ("RETR", Send("150 ok\r\n226 done", &[b"two"], "")),
            ("RETR", Send("150 ok", &[b"thr"], "426 broken")),
        ],
    );
    let mut session = Session::open(&server.settings(""), QUIET).unwrap();
    assert_eq!(read(&mut session, "a").unwrap(), b"one");
    assert_eq!(read(&mut session, "b").unwrap(), b"two");
    let error = read(&mut session, "c").unwrap_err();
    assert_eq!((error.code, error.session_lost), (Some(426), true));
}

#[test]
fn noops_beside_a_transfer_do_not_disturb_it() {
    // The answer to a NOOP comes when the server reads it: after the transfer.
    let server = Server::start(
        "220 hi",
        vec![
            ("RETR", Send("150 ok", &[b"a", b"b", b"c"], "226 done")),
            ("RETR", Send("150 ok", &[b"x"], "226 done")),
        ],
    );
    let mut session = Session::open(&server.settings(r#","keep_alive":1"#), QUIET).unwrap();
    assert_eq!(read(&mut session, "a").unwrap(), b"abc");
    assert!(session.is_alive());
    assert_eq!(read(&mut session, "b").unwrap(), b"x");
    session.quit();
    let commands = server.commands();
    assert_once(&commands, |line| line == "NOOP");
}

/// A folder may come as slowly as it likes, but not a line of it: nobody has a name of so many seconds.
#[test]
fn a_listing_may_drip_by_lines_and_not_by_bytes() {
    let line: &[u8] = b"-rw-r--r-- 1 a a 5 Jul 04 2026 a.txt\r\n";
    let lines: &'static [&'static [u8]] = Box::leak(vec![line; 6].into_boxed_slice());
    let bytes: &'static [&'static [u8]] = &[b"-", b"r", b"w", b"-", b"r", b"-", b"-", b"r"];
    for (pieces, whole) in [(lines, true), (bytes, false)] {
        let server = Server::start("220 hi", vec![("LIST", Send("150 ok", pieces, "226 done"))]);
        let mut session = Session::open(&server.settings(""), QUIET).unwrap();
        // The pieces come every 700 ms.
        session.patience.clean_up_within(Duration::from_millis(800));
        match list(&mut session) {
            Ok(names) => assert!(whole, "{names:?}"),
            Err(error) => {
                assert!(!whole && error.kind == Kind::Timeout, "{error}");
                assert!(error.message.contains("bytes in 3 s"), "{error}");
                assert!(error.message.contains("`timeout`"), "{error}");
                assert_eq!((error.retry, error.session_lost), (Retry::Backoff, true));
            }
        }
    }
}

#[test]
fn an_account_is_given_where_it_is_asked_for() {
    let script = || vec![("PASS", Say("332 account")), ("ACCT a", Say("230 in"))];
    let auth = |more: &str| format!(r#","auth":{{"username":"u","password":"p"{more}}}"#);
    let server = Server::start("120 soon\r\n220 hi", script());
    let settings = server.settings(&auth(r#","account":"a""#));
    Session::open(&settings, QUIET).unwrap().quit();
    assert!(server.commands().contains(&"ACCT a".to_owned()));
    let server = Server::start("220 hi", script());
    let error = Session::open(&server.settings(&auth("")), QUIET).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/connection/auth/account"));
}

#[test]
fn an_account_is_given_before_storing_where_it_is_asked_for_then() {
    let server = Server::start(
        "220 hi",
        vec![
            ("STOR", Say("532 account")),
            ("ACCT a", Say("230 in")),
            ("STOR", Send("150 ok", &[], "226 done")),
        ],
    );
    let settings = server.settings(r#","auth":{"username":"u","password":"p","account":"a"}"#);
    let mut session = Session::open(&settings, QUIET).unwrap();
    let transfer = session.start_store(&path("a")).unwrap();
    assert_eq!(session.finish(transfer).unwrap(), End::Whole);
}

#[test]
fn a_server_that_is_full_is_tried_again_and_a_wrong_password_is_not() {
    for (script, kind, retry) in [
        (
            vec![("PASS", Say("530 Too many connections"))],
            Kind::Busy,
            Retry::Backoff,
        ),
        (vec![("PASS", Say("421 bye"))], Kind::Busy, Retry::Backoff),
        (
            vec![("PASS", Say("530 wrong"))],
            Kind::Authentication,
            Retry::Never,
        ),
    ] {
        let server = Server::start("220 hi", script);
        let error = Session::open(&server.settings(""), QUIET).unwrap_err();
        assert_eq!((error.kind, error.retry), (kind, retry), "{error}");
    }
}

#[test]
fn refusals_that_do_no_harm() {
    for code in ["500 what?", "502 no", "504 not that"] {
        let server = Server::start(
            "220 hi",
            vec![
                ("FEAT", Say("211-\r\n UTF8\r\n211 end")),
                ("OPTS", Say(code)),
                ("TYPE", Say(code)),
                ("PWD", Say(code)),
            ],
        );
        let session = Session::open(&server.settings(""), QUIET).unwrap();
        assert_eq!(session.root(), None);
        session.quit();
        assert_eq!(
            server
                .commands()
                .iter()
                .filter(|line| line.starts_with("OPTS"))
                .count(),
            1
        );
    }
}

#[test]
fn names_in_the_encoding_of_the_server() {
    let server = Server::start(
        "220 hi",
        vec![
            ("FEAT", Say("211-\r\n UTF8\r\n211 end")),
            (
                "LIST",
                Send(
                    "150 ok",
                    &[b"-rw-r--r-- 1 u g 3 Nov 20 2020 Gr\xfc\xdfe.csv\r\n"],
                    "226 done",
                ),
            ),
            ("RETR", Send("150 ok", &[b"one"], "226 done")),
        ],
    );
    let settings = server.settings(r#","encoding":"windows-1252""#);
    let mut session = Session::open(&settings, QUIET).unwrap();
    assert_eq!(list(&mut session).unwrap(), ["Grüße.csv"]);
    assert_eq!(read(&mut session, "Grüße.csv").unwrap(), b"one");
    let error = read(&mut session, "文").unwrap_err();
    assert_eq!(error.kind, Kind::InvalidSettings);
    session.quit();
    let commands = server.commands();
    assert!(!commands.iter().any(|line| line.starts_with("OPTS")));
    // Each byte is shown as the character of its number, which is what windows-1252 has for these.
    assert!(commands.contains(&"RETR /Grüße.csv".to_owned()), "{commands:?}");
}

#[test]
fn an_overlong_line_is_left_out_and_the_rest_is_read() {
    const LONG: &[u8] = &[b'x'; 1 << 20];
    let server = Server::start(
        "220 hi",
        vec![(
            "LIST",
            Send(
                "150 ok",
                &[
                    b"-rw-r--r-- 1 u g 3 Nov 20 2020 a.csv\r\n",
                    LONG,
                    b"\r\n-rw-r--r-- 1 u g 3 Nov 20 2020 b.csv\r\n",
                ],
                "226 done",
            ),
        )],
    );
    let mut session = Session::open(&server.settings(""), QUIET).unwrap();
    assert_eq!(list(&mut session).unwrap(), ["a.csv", "b.csv"]);
    assert_eq!(session.listed.unreadable, 1);
}

#[test]
fn a_listing_that_ends_in_a_refusal_is_an_error() {
    let server = Server::start(
        "220 hi",
        vec![(
            "LIST",
            Send(
                "150 ok",
                &[b"-rw-r--r-- 1 u g 3 Nov 20 2020 a.csv\r\n"],
                "451 disk",
            ),
        )],
    );
    let mut session = Session::open(&server.settings(""), QUIET).unwrap();
    assert_eq!(list(&mut session).unwrap_err().code, Some(451));
}

/// The listing says 12:30 of a file that MDTM says is from 10:30 UTC.
#[test]
fn the_zone_of_list_is_found_out_without_a_second_listing() {
    let server = Server::start(
        "220 hi",
        vec![
            ("FEAT", Say("211-\r\n MDTM\r\n211 end")),
            (
                "LIST",
                Send(
                    "150 ok",
                    &[b"05-20-26  12:30PM  3 a.csv\r\n05-20-26  12:29PM  3 b.csv\r\n"],
                    "226 done",
                ),
            ),
            ("MDTM /a.csv", Say("213 20260520103012")),
        ],
    );
    let mut session = Session::open(&server.settings(""), QUIET).unwrap();
    let mut times = Vec::new();
    session
        .list(&RemotePath::default(), |entry| {
            times.extend(entry.modified);
        })
        .unwrap();
    assert!(session.zone.is_found(), "{:?}", session.zone);
    assert_eq!(times.len(), 2);
    assert!(times.iter().all(|time| time.precision == Precision::Minute));
    session.quit();
    let commands = server.commands();
    assert_once(&commands, |line| line == "LIST");
}

#[test]
fn active_mode_says_which_ports_are_taken() {
    let server = Server::start("220 hi", vec![]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let settings = server.settings(&format!(
        r#","data_connection":"active","active_ports":"{port}-{port}""#
    ));
    let mut session = Session::open(&settings, QUIET).unwrap();
    let error = read(&mut session, "a").unwrap_err();
    assert_eq!(error.field.as_deref(), Some("/connection/active_ports"));
    assert!(!error.session_lost);
}

#[test]
fn port_that_is_refused_is_followed_by_eprt() {
    let server = Server::start(
        "220 hi",
        vec![
            ("PORT", Say("500 what?")),
            ("EPRT |1|127.0.0.1|", Say("200 ok")),
            ("RETR", Say("550 no")),
            ("SIZE", Say("550 no")),
            ("EPRT |1|127.0.0.1|", Say("200 ok")),
            ("RETR", Say("550 no")),
            ("SIZE", Say("550 no")),
        ],
    );
    let settings = server.settings(r#","data_connection":"active""#);
    let mut session = Session::open(&settings, QUIET).unwrap();
    for _ in 0..2 {
        assert_eq!(read(&mut session, "a").unwrap_err().kind, Kind::NotFound);
    }
    session.quit();
    let commands = server.commands();
    assert_once(&commands, |line| line.starts_with("PORT"));
}

#[test]
fn the_dialogue_is_traced_without_the_password() {
    let server = Server::start(
        "220 hi",
        vec![
            ("PASS", Say("230 welcome to s3cret")),
            ("PWD", Say("257 \"/s3cret\"")),
            ("RETR", Send("150 ok", &[b"one"], "226 done")),
        ],
    );
    let settings = server.settings(r#","auth":{"username":"u","password":"s3cret"}"#);
    let mut session = Session::open(&settings, HOST).unwrap();
    // What is parsed is not redacted.
    assert_eq!(session.root(), Some("/s3cret"));
    read(&mut session, "a").unwrap();
    session.quit();
    let log = LOG.lock().unwrap().join("\n");
    for line in [
        "< 220 hi",
        "> USER u",
        "> PASS ***\n< 230 welcome to ***",
        "< 257 \"/***\"",
        "(EPSV)\n> RETR /***/a\n< 150 ok\n= data connection closed after 3 bytes\n< 226 done",
        "> QUIT",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    assert!(!log.contains("s3cret"));
}

#[test]
fn a_server_that_does_not_encrypt_never_sees_a_password() {
    for (reply, kind) in [
        ("500 what?", Kind::Tls),
        ("502 not here", Kind::Tls),
        ("504 not that", Kind::Tls),
        ("530 sign in first", Kind::Tls),
        ("534 policy", Kind::Tls),
        ("331 password please", Kind::Tls),
        ("421 full", Kind::Busy),
        // Whoever is on the way has added something in clear text to be read after the handshake.
        ("234 go on\r\n230 in", Kind::Tls),
    ] {
        let server = Server::start("220 hi", vec![("AUTH", Say(reply))]);
        let settings = server.settings(r#","tls":"explicit","auth":{"username":"u","password":"p"}"#);
        let error = Session::open(&settings, QUIET).unwrap_err();
        assert_eq!(error.kind, kind, "{reply}: {error}");
        assert!(error.ends_call && error.session_lost, "{reply}");
        assert_eq!(server.commands(), ["AUTH TLS"], "{reply}");
    }
}

#[test]
fn a_server_that_wants_encryption_is_understood() {
    for reply in [
        "530 Non-anonymous sessions must use encryption.",
        "421 Sorry, cleartext sessions are not accepted on this server.",
        "550 SSL/TLS required on the control channel",
        "534 Policy requires SSL",
    ] {
        let server = Server::start("220 hi", vec![("USER", Say(reply))]);
        let error = Session::open(&server.settings(""), QUIET).unwrap_err();
        assert_eq!(
            (error.kind, error.retry),
            (Kind::Tls, Retry::Never),
            "{reply}: {error}"
        );
        assert_eq!(error.field.as_deref(), Some("/connection/tls"), "{reply}");
        assert!(error.message.contains("`tls: explicit`"), "{error}");
    }
}

#[test]
fn a_name_that_no_certificate_can_be_for_is_named_whatever_is_trusted() {
    let roots = r#","tls_trust":{"roots":"-----BEGIN CERTIFICATE-----"}"#;
    for trust in ["", roots] {
        let server = Server::start("220 hi", vec![("AUTH", Say("234 go on"))]);
        let settings = server.settings(&format!(r#","tls":"explicit","tls_server_name":"a b"{trust}"#));
        let error = Session::open(&settings, QUIET).unwrap_err();
        assert_eq!(error.kind, Kind::InvalidSettings, "{error}");
        assert_eq!(
            error.field.as_deref(),
            Some("/connection/tls_server_name"),
            "{trust}"
        );
    }
}
