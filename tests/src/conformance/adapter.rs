//! The process of a host under test.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::protocol::PROTOCOL;
use crate::protocol::event::{self, Hello, Reply};
use crate::protocol::request::{self, Request, Task};

/// How long a host may take to say who it is: an interpreter that starts, and installs nothing.
const HELLO_WITHIN: Duration = Duration::from_mins(1);

/// How long it may take to end when its input has ended.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Lines of its standard error that are kept.
const LAST_WORDS: usize = 40;

/// What a host said, or that it says no more.
enum Heard {
    Line(String),
    End,
}

/// A host under test.
pub struct Adapter {
    /// Who it says it is.
    pub hello: Hello,
    child: Child,
    input: Option<ChildStdin>,
    heard: Receiver<Heard>,
    /// Lines that came while something else was waited for.
    set_aside: VecDeque<event::Line>,
    errors: Arc<Mutex<Vec<String>>>,
    next_id: u64,
    /// Components that it has loaded, by what they are, with their names.
    pub loaded: HashMap<String, String>,
}

impl Adapter {
    /// Starts a command, as the shell reads it.
    ///
    /// # Errors
    /// When it does not start, or does not say hello.
    pub fn start(command: &str) -> Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let output = child.stdout.take().context("it has an output")?;
        let (send, heard) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(Heard::Line(line)).is_err() {
                    return;
                }
            }
            let _ = send.send(Heard::End);
        });
        let errors: Arc<Mutex<Vec<String>>> = Arc::default();
        let (output, kept) = (
            child.stderr.take().context("it has an output")?,
            Arc::clone(&errors),
        );
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LAST_WORDS {
                    kept.remove(0);
                }
                kept.push(line);
            }
        });
        let mut adapter = Self {
            hello: Hello {
                name: String::new(),
                version: String::new(),
                contract: String::new(),
                protocol: PROTOCOL,
            },
            input: child.stdin.take(),
            child,
            heard,
            set_aside: VecDeque::new(),
            errors,
            next_id: 1,
            loaded: HashMap::new(),
        };
        let hello = adapter
            .ask(Task::Hello { protocol: PROTOCOL }, HELLO_WITHIN)
            .with_context(|| format!("{command:?} does not answer `hello`\n{}", adapter.last_words()))?;
        let hello = hello.ok.context("`hello` failed")?;
        adapter.hello = serde_json::from_value(hello).context("the answer to `hello`")?;
        ensure!(
            adapter.hello.protocol == PROTOCOL,
            "it speaks version {} of the protocol, and the suite {PROTOCOL}",
            adapter.hello.protocol
        );
        Ok(adapter)
    }

    /// Sends a request, and gives its id.
    ///
    /// # Errors
    /// When the host is gone.
    pub fn request(&mut self, task: Task) -> Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&request::Line::Request(Request { id, task }))?;
        Ok(id)
    }

    /// Sends a line.
    ///
    /// # Errors
    /// When the host is gone.
    pub fn send(&mut self, line: &request::Line) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let input = self.input.as_mut().context("its input is closed")?;
        input.write_all(text.as_bytes()).context("the host reads no more")
    }

    /// The next line, or none when there was none in this time.
    ///
    /// # Errors
    /// When the host has ended, or says what is not in the protocol.
    pub fn receive(&mut self, within: Duration) -> Result<Option<event::Line>> {
        match self.set_aside.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.hear(within),
        }
    }

    fn hear(&mut self, within: Duration) -> Result<Option<event::Line>> {
        match self.heard.recv_timeout(within) {
            Ok(Heard::Line(text)) => {
                let line = event::Line::parse(&text);
                line.map(Some)
                    .with_context(|| format!("the host says {}", shortened(&text)))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Ok(Heard::End) | Err(RecvTimeoutError::Disconnected) => bail!("the host has ended"),
        }
    }

    /// Sends a request that has no events, and waits for its reply. What other requests have to say meanwhile is not
    /// lost.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn ask(&mut self, task: Task, within: Duration) -> Result<Reply> {
        let name = format!("{task:?}");
        let name = name
            .split([' ', '(', '{'])
            .next()
            .unwrap_or_default()
            .to_lowercase();
        let id = self.request(task)?;
        let end = Instant::now() + within;
        loop {
            match self.hear(end.saturating_duration_since(Instant::now()))? {
                Some(event::Line::Reply(reply)) if reply.id == id => return Ok(reply),
                Some(other) => self.set_aside.push_back(other),
                None => bail!("no reply to `{name}` within {within:?}"),
            }
        }
    }

    /// The end of what it wrote to its standard error.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.input = None;
        let end = Instant::now() + END_WITHIN;
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
