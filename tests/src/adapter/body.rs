//! A body on its way to the suite: no faster than that takes it. What it has not asked for waits in flowhost's pipe, and
//! when that is full, in the connector.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowhost::state::pipe::{Piece, PipeReader};
use tokio::sync::Notify;

use super::suite::Suite;
use crate::protocol::event::Event;

/// How much of a body may be sent.
#[derive(Default)]
pub(super) struct Pace {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Bytes that were asked for and not sent.
    allowed: u64,
    /// Nothing is sent any more.
    stopped: bool,
}

impl Pace {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many bytes more may be sent.
    pub(super) fn allow(&self, bytes: u64) {
        let mut state = self.state();
        state.allowed = state.allowed.saturating_add(bytes);
        self.changed.notify_one();
    }

    /// Sends nothing any more: when this returns, the last piece is on its way.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_one();
    }
}

/// A body on its way.
pub(super) struct Sending {
    pub(super) suite: Suite,
    pub(super) call: u64,
    /// The payload's number.
    pub(super) payload: u64,
    pub(super) pace: Arc<Pace>,
}

impl Sending {
    /// Sends what comes through the pipe, as fast as the suite takes it. True when that was the whole body.
    pub(super) async fn send_all(self, mut pipe: PipeReader) -> bool {
        loop {
            pipe.ready().await;
            let sent = match self.send_some(&mut pipe) {
                Ok(sent) => sent,
                Err(whole) => return whole,
            };
            if !sent {
                self.pace.changed.notified().await;
            }
        }
    }

    /// Sends what is there, as far as it may be sent; false when it may not. An error is the end: whether it was that of
    /// a whole body.
    fn send_some(&self, pipe: &mut PipeReader) -> Result<bool, bool> {
        // Locked until it is written: nothing comes after `stop`.
        let mut state = self.pace.state();
        if state.stopped {
            return Err(false);
        }
        match pipe.read(usize::try_from(state.allowed).unwrap_or(usize::MAX)) {
            Piece::Bytes(bytes) if bytes.is_empty() => Ok(false),
            Piece::Bytes(bytes) => {
                state.allowed -= bytes.len() as u64;
                let event = Event::Data {
                    payload: self.payload,
                    data: bytes.to_vec(),
                };
                self.suite.tell(self.call, event);
                Ok(true)
            }
            Piece::Later => Ok(true), // `ready` waits for more.
            Piece::End => Err(true),
            Piece::Broken => Err(false),
        }
    }
}
