//! Servers at one byte a second. A reply, and a line of a listing, have their time, however alive the server seems; a
//! file may take as long as it likes, until its step is over or somebody ends the run.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use flow_tests::run::{Bench, Run, SHOP, flow, get, warm, with, write};
use flow_tests::script::{Script, ScriptServer};
use flow_tests::steps::{assert_nothing_arrived, impatient, pull};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The time-out of the settings: not one second, which a byte each second may just meet or miss.
const TIMEOUT: u64 = 2;

/// How long what is short may take: four times the time-out.
const WHOLE: Duration = Duration::from_secs(4 * TIMEOUT);

/// What a run may take more on a busy machine.
const SLACK: Duration = Duration::from_secs(7);

fn settings(server: &ScriptServer) -> Value {
    with(impatient(server), "timeout", TIMEOUT)
}

/// It failed once, because something was not whole in its time, and says how much of it came and what would help.
fn assert_given_up(run: &Run, what: &str) {
    let failure = run.assert_failed("timeout");
    let message = failure["message"].as_str().unwrap_or_default();
    for part in [
        "the server sent ",
        "bytes in 8 s",
        "4 times the setting `timeout`",
    ] {
        assert!(message.contains(part), "{what}: {run}");
    }
    assert!(run.took >= WHOLE && run.took < WHOLE + SLACK, "{what}: {run}");
}

/// Where the server begins to drip, and how.
fn dripping() -> [(&'static str, Script); 7] {
    let honest = || Script::new().file("outbound/a.txt", "hello");
    [
        (
            "the greeting",
            honest().on("CONNECT", |session, _| session.drip(b"220 soon ")),
        ),
        (
            "a TLS handshake",
            honest().on("AUTH", |session, _| {
                session.say("234 go on")?;
                // What comes before the client's first record is from before the handshake.
                session.socket().peek(&mut [0])?;
                session.drip(b"\x16\x03\x03\x3f")
            }),
        ),
        (
            "the lines of a reply",
            honest().on("FEAT", |session, _| session.drip(b"211-\r\n")),
        ),
        (
            "a reply",
            honest().on("PWD", |session, _| session.drip(b"257 \"/")),
        ),
        (
            "the answer to PASV",
            honest()
                .say("EPSV", "500 what?")
                .on("PASV", |session, _| session.drip(b"227 (127,0,0,1,")),
        ),
        (
            "a line of a listing",
            honest().on("LIST", |session, _| session.drip_data(b"-rw-r--r-- ")),
        ),
        (
            "the final reply",
            honest().on("RETR", |session, _| {
                session.say("150 here it comes")?;
                session.send_only(b"hello")?;
                session.drip(b"226 ")
            }),
        ),
    ]
}

#[test]
fn what_is_short_has_its_time_and_no_more() {
    warm();
    // Side by side: they do nothing but wait.
    std::thread::scope(|scope| {
        for (what, script) in dripping() {
            scope.spawn(move || {
                let (server, bench) = (script.start(), Bench::new());
                let options = json!({ "root": "outbound", "path": ".*" });
                let tls = if what.contains("TLS") { "explicit" } else { "none" };
                let run = pull(&bench, with(settings(&server), "tls", tls), options);
                assert_given_up(&run, what);
                assert_nothing_arrived(&bench, &server);
            });
        }
    });
}

/// A file, and a listing by whole lines, go on as long as something comes.
fn dragging() -> [Script; 2] {
    let file = Script::new()
        .file("a.txt", vec![b'x'; 1_000_000])
        .file("outbound/a.txt", "hello");
    [
        file.clone().on("RETR", |session, _| session.drip_data(b"hello")),
        file.on("LIST", |session, _| session.drip_data(b"\n")),
    ]
}

#[test]
fn the_time_of_the_step_ends_what_may_be_slow() {
    warm();
    for (script, path) in dragging().into_iter().zip(["a.txt", "a.*"]) {
        let (server, bench) = (script.start(), Bench::new());
        let mut step = get(SHOP, json!({ "root": "outbound", "path": path }));
        if path == "a.txt" {
            step["options"] = json!({ "path": path });
        }
        step["timeout"] = json!("3s");
        let run = bench.run(&flow(&[(SHOP, settings(&server))], vec![step, write("in")]));
        assert_eq!(run.code, Some(1), "{run}");
        let failed = run.events_of("step-failed", "get");
        assert!(
            failed.len() == 1
                && ["cancelled", "time-out"].contains(&failed[0]["kind"].as_str().unwrap_or_default()),
            "{run}"
        );
        assert!(run.took >= Duration::from_secs(3), "{run}");
        assert!(run.took < Duration::from_secs(3) + SLACK, "{run}");
        assert_nothing_arrived(&bench, &server);
    }
}

/// Runs a flow and interrupts it when the server has got this command.
fn interrupted(bench: &Bench, server: &ScriptServer, command: &str, flow: &Value) -> (Output, Duration) {
    let file = bench.flow_file(flow);
    let program = bench
        .command()
        .args(["run", "--json"])
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the built program");
    let started = Instant::now();
    while server.count(command) == 0 {
        assert!(started.elapsed() < SLACK, "{command} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = Instant::now();
    kill_process(Pid::from_child(&program), Signal::INT).expect("our own child");
    let output = program.wait_with_output().expect("our own child");
    (output, asked.elapsed())
}

#[test]
fn an_interrupt_ends_what_drips() {
    warm();
    let [file, listing] = dragging();
    let reply = Script::new().on("PWD", |session, _| session.drip(b"257-"));
    for (script, command) in [(file, "RETR"), (listing, "LIST"), (reply, "PWD")] {
        let (server, bench) = (script.start(), Bench::new());
        let mut step = get(SHOP, json!({ "path": "a.txt" }));
        if command == "LIST" {
            step["options"] = json!({ "root": "outbound", "path": "a.*" });
        }
        let flow = flow(&[(SHOP, with(server.settings(), "timeout", 600))], vec![step]);
        let (output, took) = interrupted(&bench, &server, command, &flow);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{command}: {stdout}");
        assert!(stdout.contains(r#""kind":"cancelled""#), "{command}: {stdout}");
        // The contract gives the connector a second.
        assert!(took < Duration::from_secs(3), "{command}: {took:?}");
        assert_nothing_arrived(&bench, &server);
    }
}
