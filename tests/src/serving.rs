//! `flowhost serve` as a process: what it tells, and its HTTP endpoints.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::run::Bench;

/// How long something may take that a test waits for.
const WITHIN: Duration = Duration::from_secs(10);

/// A process that serves flows; it is killed when dropped.
pub struct Serving {
    child: Child,
    told: Arc<(Mutex<Told>, Condvar)>,
    address: SocketAddr,
}

/// What it has told so far.
#[derive(Default)]
struct Told {
    lines: Vec<Value>,
    over: bool,
}

/// An answer of an HTTP endpoint.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head, in lower case.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// `flowhost serve --json` on a free port, to be completed with the flows.
#[must_use]
pub fn command(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = bench.command();
    command
        .args(["serve", "--json", "--http", "127.0.0.1:0"])
        .args(arguments);
    command
}

impl Serving {
    /// Starts it and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn start(bench: &Bench, arguments: &[&str]) -> Self {
        Self::start_command(command(bench, arguments))
    }

    /// The same for a command that a test has changed.
    ///
    /// # Panics
    /// When it does not serve.
    #[must_use]
    pub fn start_command(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let told: Arc<(Mutex<Told>, Condvar)> = Arc::default();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let listener = Arc::clone(&told);
        std::thread::spawn(move || {
            let (told, changed) = &*listener;
            for line in output.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                lock(told).lines.push(line);
                changed.notify_all();
            }
            lock(told).over = true;
            changed.notify_all();
        });
        let mut serving = Self {
            child,
            told,
            address: SocketAddr::from(([0; 4], 0)),
        };
        let line = serving.wait("it serves", |line| line["event"] == "serving");
        let listen = line["listen"].as_str().expect("an address");
        serving.address = listen.parse().expect("an address");
        serving
    }

    /// Waits for a line, among those that have come and those that will.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, 1, is_it).remove(0)
    }

    /// Waits for so many lines of a kind.
    ///
    /// # Panics
    /// When they do not come.
    pub fn wait_for(&self, what: &str, count: usize, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
        let (told, changed) = &*self.told;
        let found =
            |told: &Told| -> Vec<Value> { told.lines.iter().filter(|line| is_it(line)).cloned().collect() };
        let (told, _) = changed
            .wait_timeout_while(lock(told), WITHIN, |told| !told.over && found(told).len() < count)
            .unwrap_or_else(PoisonError::into_inner);
        let found = found(&told);
        assert!(found.len() >= count, "{what}: it has told {:#?}", told.lines);
        found
    }

    /// Waits for an event of a flow.
    ///
    /// # Panics
    /// When it does not come.
    #[expect(
        clippy::must_use_candidate,
        reason = "mostly it is the waiting that is wanted"
    )]
    pub fn wait_event(&self, flow: &str, event: &str) -> Value {
        self.wait(&format!("{event} of {flow}"), |line| {
            line["flow"] == flow && line["event"] == event
        })
    }

    /// What it has told so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        lock(&self.told.0).lines.clone()
    }

    /// How many events of a kind it has told so far.
    #[must_use]
    pub fn count(&self, event: &str) -> usize {
        let lines = self.lines();
        lines.iter().filter(|line| line["event"] == event).count()
    }

    /// Where its HTTP endpoints are.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gets a page.
    ///
    /// # Panics
    /// When there is no answer.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "")
    }

    /// Asks for a run.
    ///
    /// # Panics
    /// When there is no answer.
    #[must_use]
    pub fn post(&self, flow: &str, token: &str, body: &str) -> Answer {
        let authorization = format!("Authorization: Bearer {token}");
        self.request("POST", &format!("/flows/{flow}/runs"), &[&authorization], body)
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When there is no answer.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut connection = TcpStream::connect(self.address).expect("it listens");
        connection.set_read_timeout(Some(WITHIN)).expect("a time");
        let end_of_line = |header: &&str| [*header, "\r\n"].concat();
        let headers = headers.iter().map(end_of_line).collect::<Vec<_>>().concat();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        // It may answer, and close, before it has read everything.
        let _ = connection.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        parse(&String::from_utf8_lossy(&answer))
    }

    /// Waits until a page says what it should.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_page(&self, path: &str, says: impl Fn(&Answer) -> bool) -> Answer {
        let started = Instant::now();
        loop {
            let answer = self.get(path);
            if says(&answer) {
                return answer;
            }
            assert!(
                started.elapsed() < WITHIN,
                "{path}: {answer:?}\n{:#?}",
                self.lines()
            );
            std::thread::yield_now();
        }
    }

    /// A number of the metrics; none when it is not there.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        metric(&self.get("/metrics"), name)
    }

    /// Waits until a number of the metrics is at least this.
    ///
    /// # Panics
    /// When it does not get there.
    pub fn wait_metric(&self, name: &str, least: f64) {
        self.wait_page("/metrics", |answer| {
            metric(answer, name).is_some_and(|value| value >= least)
        });
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill_process(Pid::from_raw(id).expect("a process id"), signal).expect("our own child");
    }

    /// Waits for its end, and gives its exit code and all that it has told.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(&mut self) -> (ExitStatus, Vec<Value>) {
        let (told, changed) = &*self.told;
        let (told, _) = changed
            .wait_timeout_while(lock(told), WITHIN, |told| !told.over)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(told.over, "it does not end: {:#?}", told.lines);
        (self.child.wait().expect("our own child"), told.lines.clone())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer but {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status: {head:?}")),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

fn metric(answer: &Answer, name: &str) -> Option<f64> {
    let mut lines = answer.body.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.parse().ok()
}
