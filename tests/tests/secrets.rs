//! Where secrets are and where they are not: the password is in the connector, which sends it, and nowhere that is
//! written down; the private key of a client certificate is not even in the connector.
//!
//! The run is held in the middle of a download, and the memory of the connector is read out of the process. A linear
//! memory is what wasmtime makes of it: some readable and writable pages of 64 KiB, and right after them a reservation
//! of gigabytes that nobody may touch.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flow_tests::pki::{self, Identity, Version};
use flow_tests::run::{Bench, SHOP, flow, get, with, write};
use flow_tests::script::{Script, ScriptServer};
use serde_json::json;

/// Like no other text in the program.
const PASSWORD: &str = "c0rrect-h0rse-battery-5taple";

/// What the file has, in two parts with the pause between.
const PARTS: [&[u8]; 2] = [b"the first part, ", b"and the second"];

/// A page of WebAssembly.
const PAGE: u64 = 64 * 1024;
/// Less than wasmtime reserves for a memory, more than anything else that is not accessible.
const RESERVATION: u64 = 1 << 30;

/// Longer than it takes to compile the connector.
const PATIENCE: Duration = Duration::from_mins(2);

/// Secrets by their names.
type Secrets = BTreeMap<String, Vec<u8>>;

/// All forms in which a private key could be found.
fn forms_of(identity: &Identity) -> Secrets {
    let mut forms = Secrets::new();
    forms.insert("the key in DER".to_owned(), identity.key_der().to_vec());
    forms.insert("the number of the key".to_owned(), identity.scalar().to_vec());
    let backwards = identity.scalar().iter().rev().copied().collect();
    forms.insert("the number of the key, its last byte first".to_owned(), backwards);
    let body = identity.key.lines().filter(|line| !line.starts_with("-----"));
    for (number, line) in body.enumerate() {
        forms.insert(
            format!("line {number} of the key in PEM"),
            line.as_bytes().to_vec(),
        );
    }
    forms
}

/// The names of the secrets that are in some bytes.
fn found<'a>(secrets: &'a Secrets, within: &[u8]) -> Vec<&'a str> {
    let is_in = |secret: &[u8]| within.windows(secret.len()).any(|window| window == secret);
    secrets
        .iter()
        .filter(|(_, secret)| is_in(secret))
        .map(|(name, _)| name.as_str())
        .collect()
}

/// A mapping of a process, as `/proc/PID/maps` has it.
struct Mapping {
    start: u64,
    end: u64,
    access: String,
}

fn mappings(process: u32) -> Vec<Mapping> {
    let text = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("our own child");
    let mapping = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        Some(Mapping {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            access: rest.split(' ').next()?.to_owned(),
        })
    };
    text.lines().filter_map(mapping).collect()
}

/// The linear memories of a process's guests: what is readable and writable, in one or more mappings, right before a
/// reservation.
fn guest_memories(process: u32) -> Vec<Vec<u8>> {
    let memory = File::open(format!("/proc/{process}/mem")).expect("our own child");
    let mappings = mappings(process);
    let reservations = mappings
        .iter()
        .enumerate()
        .filter(|(_, mapping)| mapping.access == "---p" && mapping.end - mapping.start >= RESERVATION);
    let mut memories = Vec::new();
    for (at, reserved) in reservations {
        let mut start = reserved.start;
        for before in mappings[..at].iter().rev() {
            if before.end != start || before.access != "rw-p" {
                break;
            }
            start = before.start;
        }
        let length = reserved.start - start;
        if length > 0 && length.is_multiple_of(PAGE) {
            let mut content = vec![0; usize::try_from(length).expect("it is in a memory")];
            memory.read_exact_at(&mut content, start).expect("our own child");
            memories.push(content);
        }
    }
    memories
}

/// A server that wants a certificate of ours, and stops in the middle of a file: it says so, and waits to be told to
/// go on.
fn stalling(version: Version) -> (ScriptServer, Receiver<()>, Sender<()>) {
    let (stopped, has_stopped) = channel();
    let (go_on, told) = channel();
    let told = Mutex::new(told);
    let server = Script::new()
        .file("a.txt", PARTS.concat())
        .tls(pki::good().demanding_server(Some(version)))
        .on("RETR", move |session, _| {
            session.say("150 here it comes")?;
            let mut data = session.accept()?;
            data.write_all(PARTS[0])?;
            let _ = stopped.send(());
            let _ = told
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv_timeout(PATIENCE);
            data.write_all(PARTS[1])?;
            data.finish()?;
            let _ = data.read_to_end(&mut Vec::new());
            session.say("226 done")
        })
        .start();
    (server, has_stopped, go_on)
}

/// `flowhost run`, which is ended with the test.
struct Running(Child);

impl Running {
    fn start(mut command: Command, bench: &Bench) -> Self {
        let output = |name: &str| File::create(bench.path(name)).expect("own folder");
        command.stdout(output("stdout")).stderr(output("stderr"));
        Self(command.spawn().expect("it starts"))
    }

    fn end(mut self) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().expect("our own child") {
                return status.code();
            }
            // The interval between two looks.
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No file below has one of these.
fn assert_in_no_file(secrets: &Secrets, bench: &Bench, folders: &[&str]) {
    let mut looked_at = 0;
    for folder in folders {
        let path = bench.path(folder);
        let files = if path.is_file() {
            BTreeMap::from([((*folder).to_owned(), std::fs::read(&path).expect("own folder"))])
        } else {
            bench.files(folder)
        };
        for (name, content) in files {
            looked_at += 1;
            assert_eq!(found(secrets, &content), [""; 0], "in {folder}/{name}");
            let in_name = found(secrets, Path::new(&name).as_os_str().as_encoded_bytes());
            assert_eq!(in_name, [""; 0], "in the name {name}");
        }
    }
    assert!(looked_at >= 2, "there was nothing to look at");
}

fn stay_where_they_belong(version: Version) {
    let client = pki::client();
    let (server, has_stopped, go_on) = stalling(version);
    let bench = Bench::new();
    bench.write("certs/client.pem", &client.certificate);
    bench.write("certs/client.key", &client.key);
    let mut settings = with(server.settings(), "tls_client_certificate", "warehouse");
    settings["auth"]["password"] = json!(PASSWORD);
    let mut flow = flow(
        &[(SHOP, settings)],
        vec![get(SHOP, json!({ "path": "a.txt" })), write("in")],
    );
    flow["instances"][SHOP]["client_certificates"] =
        json!({ "warehouse": { "certificate": "certs/client.pem", "key": "certs/client.key" } });
    let file = bench.flow_file(&flow);
    let mut command = bench.command();
    command
        .args(["run", "--json", "--trace-ftp"])
        .arg(file)
        // Its own, to be looked through.
        .env("XDG_CACHE_HOME", bench.path("cache"));
    let running = Running::start(command, &bench);
    has_stopped.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        panic!(
            "it never came to the file: {:?}\n{}",
            server.commands(),
            std::fs::read_to_string(bench.path("stderr")).unwrap_or_default()
        )
    });
    assert!(server.commands().contains(&format!("PASS {PASSWORD}")));

    let memories = guest_memories(running.0.id());
    assert!(!memories.is_empty(), "no linear memory was found");
    let password = Secrets::from([("the password".to_owned(), PASSWORD.as_bytes().to_vec())]);
    let key = forms_of(&client);
    assert!(
        memories.iter().any(|memory| !found(&password, memory).is_empty()),
        "what was found is not the connector's memory: it sends the password"
    );
    for memory in &memories {
        assert_eq!(found(&key, memory), [""; 0], "in the connector's memory");
    }

    let secrets: Secrets = password.into_iter().chain(key).collect();
    let written = ["stdout", "stderr", "state", "cache"];
    assert_in_no_file(&secrets, &bench, &written);
    go_on.send(()).expect("the server waits");
    assert_eq!(running.end(), Some(0), "{:?}", server.commands());
    assert_eq!(bench.files("in")["a.txt"], PARTS.concat());
    let said = std::fs::read_to_string(bench.path("stdout")).expect("own folder");
    assert!(
        said.contains("> PASS ***") && said.contains("> RETR"),
        "the dialogue was to be told: {said}"
    );
    assert_in_no_file(&secrets, &bench, &written);
}

#[test]
fn a_password_and_a_private_key_stay_where_they_belong_with_tls_1_2() {
    stay_where_they_belong(Version::V12);
}

#[test]
fn a_password_and_a_private_key_stay_where_they_belong_with_tls_1_3() {
    stay_where_they_belong(Version::V13);
}

/// The search itself: it finds what is there, in every form.
#[test]
fn a_key_that_is_somewhere_is_found() {
    let client = pki::client();
    let forms = forms_of(&client);
    assert!(forms.len() >= 5, "{:?}", forms.keys());
    let in_pem = found(&forms, client.key.as_bytes());
    assert_eq!(in_pem.len(), forms.len() - 3, "{in_pem:?}");
    let in_der = found(&forms, client.key_der());
    assert_eq!(in_der, ["the key in DER", "the number of the key"]);
    assert_eq!(found(&forms, pki::client().key.as_bytes()), [""; 0]);
}
