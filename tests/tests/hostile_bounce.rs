//! Servers that would have us connect to somebody else, and others who would be taken for the server: where data
//! connections go, and whose are taken.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow_tests::run::{Bench, with};
use flow_tests::script::{Script, ScriptServer, Session};
use flow_tests::steps::{assert_nothing_arrived, impatient, pull, pull_all, pull_one, push};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// Another host: every address in 127/8 is this machine.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Addresses that no answer of a server may lead to: private ones, of this machine, of a cloud's metadata, and none.
const NOT_THE_SERVERS: [[u8; 4]; 9] = [
    [10, 1, 2, 3],
    [172, 16, 0, 1],
    [192, 168, 0, 1],
    [127, 0, 0, 2],
    [169, 254, 169, 254],
    [100, 64, 0, 1],
    [0, 0, 0, 0],
    [224, 0, 0, 1],
    [255, 255, 255, 255],
];

/// A host that really listens, and who called it.
#[derive(Clone, Default)]
struct ThirdHost(Arc<Mutex<Vec<TcpListener>>>);

impl ThirdHost {
    /// Listens at this port, too.
    fn listen(&self, address: Ipv4Addr, port: u16) -> std::io::Result<()> {
        let listener = TcpListener::bind((address, port))?;
        listener.set_nonblocking(true)?;
        self.0.lock().expect("no panic").push(listener);
        Ok(())
    }

    /// It was there, and nobody called.
    fn assert_untouched(&self) {
        let listeners = self.0.lock().expect("no panic");
        assert!(!listeners.is_empty(), "it never listened");
        for listener in listeners.iter() {
            let called = listener.accept().map(|(_, from)| from);
            assert!(called.is_err(), "{called:?} has called");
        }
    }
}

fn answer_to_pasv(address: [u8; 4], port: u16) -> String {
    let [a, b, c, d] = address;
    format!("227 passive ({a},{b},{c},{d},{},{})", port / 256, port % 256)
}

/// Nine files, and before each an answer with another address, where somebody listens whenever it is this machine.
fn pointing_elsewhere(third: &ThirdHost) -> ScriptServer {
    let (third, turn) = (third.clone(), AtomicUsize::new(0));
    let mut script = Script::new()
        .say("EPSV", "500 what?")
        .on("PASV", move |session, _| {
            let port = session.listen()?;
            third.listen(ELSEWHERE, port)?;
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            session.say(&answer_to_pasv(
                NOT_THE_SERVERS[turn % NOT_THE_SERVERS.len()],
                port,
            ))
        });
    for number in 0..NOT_THE_SERVERS.len() {
        script = script.file(&format!("outbound/{number}.txt"), "hello");
    }
    script.start()
}

#[test]
fn an_address_in_an_answer_to_pasv_is_never_called() {
    for address in ["control-peer", "127.0.0.1"] {
        let (third, bench) = (ThirdHost::default(), Bench::new());
        let server = pointing_elsewhere(&third);
        let settings = with(impatient(&server), "data_address", address);
        let options = serde_json::json!({ "root": "outbound", "path": ".*" });
        pull(&bench, settings, options).assert_ok(NOT_THE_SERVERS.len() as u64);
        assert!(bench.files("in").values().all(|content| content == b"hello"));
        assert!(server.count("PASV") > NOT_THE_SERVERS.len());
        third.assert_untouched();
    }
}

/// With the setting that follows the server's word, it is the operator's policy that keeps us from others.
#[test]
fn an_address_that_is_followed_is_still_not_anybodys() {
    let third = ThirdHost::default();
    for address in NOT_THE_SERVERS {
        if address == [0, 0, 0, 0] {
            continue; // That means here, to a client.
        }
        let there = third.clone();
        let server = Script::new()
            .file("a.txt", "hello")
            .on("PASV", move |session, _| {
                let port = session.listen()?;
                there.listen(ELSEWHERE, port)?;
                session.say(&answer_to_pasv(address, port))
            })
            .start();
        let bench = Bench::new();
        bench.write("policy.yaml", "egress: { allow: [127.0.0.1] }\n");
        let settings = with(impatient(&server), "data_address", "as-given");
        let run = pull(&bench, settings, serde_json::json!({ "path": "a.txt" }));
        // To some of them there is no connecting at all.
        let kind = if address[0] < 224 {
            "denied-by-host"
        } else {
            "protocol"
        };
        let _ = run.assert_failed(kind);
        assert_nothing_arrived(&bench, &server);
    }
    third.assert_untouched();
}

/// RFC 2428 has no address in the answer; one that is there all the same is not looked at.
#[test]
fn an_address_in_an_answer_to_epsv_is_never_called() {
    let third = ThirdHost::default();
    let there = third.clone();
    let server = Script::new()
        .file("outbound/a.txt", "hello")
        .on("EPSV", move |session, _| {
            let port = session.listen()?;
            there.listen(ELSEWHERE, port)?;
            session.say(&format!("229 passive (|1|{ELSEWHERE}|{port}|)"))
        })
        .start();
    let bench = Bench::new();
    pull_all(&bench, &server).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
    third.assert_untouched();
}

/// A port of another service on the server's own address, with that service: who may, listens there.
fn low_port(third: &ThirdHost) -> u16 {
    let mut ports = (512..1024).rev();
    ports
        .find(|port| third.listen(Ipv4Addr::LOCALHOST, *port).is_ok())
        .unwrap_or(25)
}

/// The host refuses it, and so whatever the connector makes of the answer: neither do we read from such a service,
/// nor does it get the bytes of an upload.
#[test]
fn another_service_of_the_server_gets_no_connection() {
    for command in ["EPSV", "PASV"] {
        let third = ThirdHost::default();
        let port = low_port(&third);
        let script = || {
            let script = Script::new().file("a.txt", "hello");
            if command == "PASV" {
                script.say("EPSV", "500 what?").on("PASV", move |session, _| {
                    session.say(&answer_to_pasv([127, 0, 0, 1], port))
                })
            } else {
                script
                    .on("EPSV", move |session, _| {
                        session.say(&format!("229 passive (|||{port}|)"))
                    })
                    .say("PASV", "500 what?")
            }
        };
        let (server, bench) = (script().start(), Bench::new());
        let run = pull_one(&bench, &server);
        let _ = run.assert_failed("denied-by-host");
        assert_nothing_arrived(&bench, &server);
        let (server, bench) = (script().start(), Bench::new());
        let run = push(&bench, impatient(&server));
        let _ = run.assert_failed("denied-by-host");
        assert_nothing_arrived(&bench, &server);
        assert_eq!(server.count("STOR"), 0);
        if port != 25 {
            third.assert_untouched();
        }
    }
}

// Active mode: who connects to us.

/// Where the client listens, as it said with PORT.
#[derive(Clone, Default)]
struct Announced(Arc<Mutex<Option<SocketAddr>>>);

impl Announced {
    fn hear(&self, session: &mut Session, argument: &str) -> std::io::Result<()> {
        let numbers: Vec<u8> = argument.split(',').filter_map(|part| part.parse().ok()).collect();
        let [a, b, c, d, high, low] = numbers[..] else {
            return session.say("501 what?");
        };
        let address = SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])));
        *self.0.lock().expect("no panic") = Some(address);
        session.say("200 I know where")
    }

    /// Connects to the client from this address.
    fn call(&self, from: Ipv4Addr) -> std::io::Result<TcpStream> {
        let to = self.0.lock().expect("no panic").expect("PORT came before");
        let socket: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&socket, &SocketAddr::from((from, 0)))?;
        connect(&socket, &to)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(stream)
    }
}

/// What a stranger gets who is there before the server, and how often.
const STRANGERS: usize = 3;

/// A server before which strangers connect to the client. What they read of it is written down.
fn with_strangers(server_comes: bool) -> (ScriptServer, Arc<Mutex<Vec<Vec<u8>>>>) {
    let announced = Announced::default();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = announced.clone();
    let mut script = Script::new()
        .file("a.txt", "hello")
        .on("PORT", move |session, argument| told.hear(session, argument));
    for command in ["RETR", "STOR"] {
        let (announced, heard) = (announced.clone(), Arc::clone(&heard));
        script = script.on(command, move |session, argument| {
            session.say("150 I come")?;
            let mut strangers = Vec::new();
            for _ in 0..STRANGERS {
                let mut stranger = announced.call(ELSEWHERE)?;
                // It may be sent away before.
                let _ = stranger.write_all(b"evil!");
                strangers.push(stranger);
            }
            let mut data = server_comes
                .then(|| announced.call(Ipv4Addr::LOCALHOST))
                .transpose()?;
            for mut stranger in strangers {
                let mut bytes = Vec::new();
                let _ = stranger.read_to_end(&mut bytes);
                heard.lock().expect("no panic").push(bytes);
            }
            let Some(data) = &mut data else {
                return session.stay_silent();
            };
            if command == "STOR" {
                let mut content = Vec::new();
                data.read_to_end(&mut content)?;
                session.store(command, argument, &content);
            } else {
                data.write_all(b"hello")?;
                data.shutdown(std::net::Shutdown::Both)?;
            }
            session.say("226 done")
        });
    }
    (script.start(), heard)
}

fn active(server: &ScriptServer) -> serde_json::Value {
    with(with(impatient(server), "data_connection", "active"), "timeout", 5)
}

#[test]
fn strangers_who_are_there_before_the_server_neither_bring_nor_get_a_file() {
    let (server, heard) = with_strangers(true);
    let bench = Bench::new();
    pull(&bench, active(&server), serde_json::json!({ "path": "a.txt" })).assert_ok(1);
    assert_eq!(bench.files("in")["a.txt"], b"hello");
    push(&bench, active(&server)).assert_ok(1);
    assert_eq!(server.uploads()["inbound/a.txt"], b"hello");
    let nothing = vec![Vec::<u8>::new(); 2 * STRANGERS];
    assert_eq!(*heard.lock().expect("no panic"), nothing);
}

#[test]
fn a_stranger_alone_is_nobody() {
    let (server, heard) = with_strangers(false);
    let bench = Bench::new();
    let settings = with(active(&server), "timeout", 1);
    let run = pull(&bench, settings, serde_json::json!({ "path": "a.txt" }));
    let _ = run.assert_failed("timeout");
    assert_nothing_arrived(&bench, &server);
    assert_eq!(
        *heard.lock().expect("no panic"),
        vec![Vec::<u8>::new(); STRANGERS]
    );
}
