//! Words with systemd, whose part a socket of the test plays.

use super::{bench, copy, put};
use flow_tests::run::Bench;
use flow_tests::serving::{Serving, command};
use rustix::process::Signal;
use serde_json::json;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The socket on which a service manager listens.
struct Manager(UnixDatagram);

impl Manager {
    fn of(bench: &Bench) -> Self {
        let socket = UnixDatagram::bind(bench.path("notify")).expect("a short path");
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a time");
        Self(socket)
    }

    /// Waits for a message with a line that begins so, and gives all of its lines.
    fn wait(&self, start: &str) -> Vec<String> {
        loop {
            let mut message = [0; 4096];
            let length = self
                .0
                .recv(&mut message)
                .unwrap_or_else(|error| panic!("{start}: {error}"));
            let message = String::from_utf8_lossy(&message[..length]);
            if message.lines().any(|line| line.starts_with(start)) {
                return message.lines().map(str::to_owned).collect();
            }
        }
    }
}

#[test]
fn the_service_manager_hears_how_it_goes() {
    let bench = bench();
    let manager = Manager::of(&bench);
    put(&bench, "f.yaml", &copy("f", json!([{ "every": "1h" }])));
    let mut command = command(&bench, &["f.yaml"]);
    command
        .env("NOTIFY_SOCKET", bench.path("notify"))
        .env("WATCHDOG_USEC", "400000");
    let mut serving = Serving::start_command(command);
    manager.wait("READY=1");
    manager.wait("STATUS=1 flows: 1 led here");
    for _ in 0..3 {
        manager.wait("WATCHDOG=1");
    }
    serving.signal(Signal::HUP);
    let reloading = manager.wait("RELOADING=1");
    assert!(
        reloading.iter().any(|line| line.starts_with("MONOTONIC_USEC=")),
        "{reloading:?}"
    );
    manager.wait("READY=1");
    serving.wait_for("loaded twice", 2, |line| line["event"] == "flow-loaded");
    serving.signal(Signal::TERM);
    manager.wait("STOPPING=1");
    assert_eq!(serving.end().0.code(), Some(0));
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let bench = bench();
    let manager = Manager::of(&bench);
    put(&bench, "f.yaml", &copy("f", json!([{ "every": "1h" }])));
    let mut command = command(&bench, &["f.yaml"]);
    command
        .env("NOTIFY_SOCKET", bench.path("notify"))
        .env("WATCHDOG_USEC", "1000")
        .env("WATCHDOG_PID", "1");
    let mut serving = Serving::start_command(command);
    serving.wait_event("f", "run-finished");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().0.code(), Some(0));
    let mut all = Vec::new();
    let mut message = [0; 4096];
    manager.0.set_nonblocking(true).expect("a socket");
    while let Ok(length) = manager.0.recv(&mut message) {
        all.push(String::from_utf8_lossy(&message[..length]).into_owned());
    }
    assert!(all.iter().any(|one| one.contains("STOPPING=1")), "{all:?}");
    assert!(!all.iter().any(|one| one.contains("WATCHDOG")), "{all:?}");
}
