//! The suite, as the host sees it: events go there, questions come back answered, and it says how much of each body it
//! takes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::body::Pace;
use super::words;
use crate::protocol::event::{Event, Line, Reply, Told};
use crate::protocol::request::{Answer, Take, Word};

/// The suite. Clones share it.
#[derive(Clone)]
pub(super) struct Suite(Arc<Shared>);

struct Shared {
    /// What is written to it; none ends that.
    lines: mpsc::UnboundedSender<Option<String>>,
    /// For questions and payloads.
    last_number: AtomicU64,
    open: Mutex<Open>,
}

/// What the suite may say something of.
#[derive(Default)]
struct Open {
    questions: HashMap<u64, oneshot::Sender<Word>>,
    bodies: HashMap<u64, Arc<Pace>>,
}

impl Suite {
    /// The suite, and the task that writes to it.
    pub(super) fn new() -> (Self, JoinHandle<()>) {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Option<String>>();
        let written = tokio::spawn(async move {
            let mut output = tokio::io::stdout();
            while let Some(Some(mut line)) = receiver.recv().await {
                line.push('\n');
                let written = async {
                    output.write_all(line.as_bytes()).await?;
                    output.flush().await
                };
                if written.await.is_err() {
                    return; // Nobody listens any more.
                }
            }
        });
        let shared = Shared {
            lines: sender,
            last_number: AtomicU64::new(0),
            open: Mutex::default(),
        };
        (Self(Arc::new(shared)), written)
    }

    /// Writes nothing after what was written so far.
    pub(super) fn close(&self) {
        let _ = self.0.lines.send(None);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &impl Serialize) {
        match serde_json::to_string(line) {
            Ok(line) => drop(self.0.lines.send(Some(line))),
            Err(error) => eprintln!("a line cannot be written: {error}"),
        }
    }

    /// A number that was not used before.
    pub(super) fn number(&self) -> u64 {
        self.0.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Ends a request.
    pub(super) fn reply(&self, reply: Reply) {
        self.write(&Line::Reply(reply));
    }

    /// Tells what a connector does.
    pub(super) fn tell(&self, call: u64, event: Event) {
        self.write(&Line::Told(Told { call, event }));
    }

    /// Tells what a connector does, and waits for the answer: `cancelled` when the call is to end before it.
    pub(super) async fn ask(
        &self,
        call: u64,
        cancel: &CancellationToken,
        event: impl FnOnce(u64) -> Event,
    ) -> Word {
        let number = self.number();
        let (sender, answer) = oneshot::channel();
        self.open().questions.insert(number, sender);
        self.tell(call, event(number));
        let word = tokio::select! {
            biased;
            answer = answer => answer.ok(),
            () = cancel.cancelled() => None,
        };
        self.open().questions.remove(&number);
        word.unwrap_or_else(|| Word::Error(words::error(words::cancelled())))
    }

    /// Takes an answer. One that comes too late is nobody's.
    pub(super) fn answer(&self, answer: Answer) {
        if let Some(question) = self.open().questions.remove(&answer.answer) {
            let _ = question.send(answer.word);
        }
    }

    /// From now on the suite may take from a payload's body.
    pub(super) fn offer(&self, payload: u64, pace: Arc<Pace>) {
        self.open().bodies.insert(payload, pace);
    }

    /// Nothing more is to be taken.
    pub(super) fn withdraw(&self, payload: u64) {
        self.open().bodies.remove(&payload);
    }

    /// The suite takes more of a body. What is taken of one that is gone is no matter.
    pub(super) fn take(&self, take: Take) {
        if let Some(pace) = self.open().bodies.get(&take.take) {
            pace.allow(take.bytes);
        }
    }
}
