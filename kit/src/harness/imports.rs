//! The host's functions as the harness has them, under the names and types of the generated ones.

use std::fmt;
use std::rc::Rc;

use super::world::{tell, world};
use crate::Error;
use crate::bindings::flow::connector::{tls, types};

/// How a stream ends.
#[derive(Debug)]
pub enum StreamError {
    /// It is at its end.
    Closed,
    /// It failed.
    LastOperationFailed(Failed),
}

/// A stream that failed.
#[derive(Debug)]
pub struct Failed;

/// The bytes of a body, once.
#[derive(Debug)]
pub struct InputStream {
    rest: std::vec::IntoIter<u8>,
    /// One for each stream of a reader that is still there.
    _open: Rc<()>,
}

impl InputStream {
    /// The most bytes of one read: pieces are smaller than what is asked for, as they may be.
    const PIECE: usize = 1000;

    pub fn read(&mut self, most: u64) -> Result<Vec<u8>, StreamError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(Self::PIECE);
        let piece: Vec<u8> = self.rest.by_ref().take(most).collect();
        if piece.is_empty() && most > 0 {
            return Err(StreamError::Closed);
        }
        Ok(piece)
    }

    #[expect(clippy::unused_self, reason = "as the generated one")]
    pub fn subscribe(&self) -> Pollable {
        Pollable { stalls: false }
    }
}

/// Takes the bytes of a body.
#[derive(Debug)]
pub struct OutputStream {
    body: Rc<std::cell::RefCell<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    bytes: Vec<u8>,
    room: Option<u64>,
    stalls: bool,
}

/// What a stream is waited for by. It never has to be.
pub struct Pollable {
    stalls: bool,
}

/// Waits for a stream, unless the call is to end.
pub fn wait(stream: &Pollable) -> Result<(), Error> {
    if stream.stalls {
        let ends = world(|world| world.looks_left.is_some());
        assert!(ends, "the flow takes no bytes, and the call is never cancelled");
        crate::context::check()?;
    }
    Ok(())
}

impl OutputStream {
    /// The most bytes of one write.
    const PIECE: u64 = 700;

    fn is_full(&self) -> bool {
        let body = self.body.borrow();
        body.room.is_some_and(|room| body.bytes.len() as u64 > room)
    }

    pub fn check_write(&self) -> Result<u64, StreamError> {
        if self.is_full() {
            return Err(StreamError::LastOperationFailed(Failed));
        }
        Ok(if self.body.borrow().stalls { 0 } else { Self::PIECE })
    }

    pub fn write(&self, bytes: &[u8]) -> Result<(), StreamError> {
        self.check_write()?;
        self.body.borrow_mut().bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub fn blocking_flush(&self) -> Result<(), StreamError> {
        self.check_write().map(|_| ())
    }

    pub fn subscribe(&self) -> Pollable {
        Pollable {
            stalls: self.body.borrow().stalls,
        }
    }
}

/// Nobody holds TLS sessions in a test; a connector that needs one has to have a stand-in of its own.
#[expect(clippy::result_large_err, reason = "as the generated one")]
pub fn tls_context(_: &tls::Trust, _: Option<&str>) -> Result<tls::Context, tls::Error> {
    Err(tls::Error {
        reason: tls::Reason::Denied,
        message: "The harness holds no TLS sessions.".to_owned(),
        certificate: None,
    })
}

/// `flow:connector/context`.
pub mod context {
    use super::world;
    use crate::bindings::flow::connector::context::LogLevel;

    pub fn run_id() -> String {
        // Asked for so that it is as forbidden in a plan as everything else here.
        world(|_| "harness".to_owned())
    }

    pub fn attempt() -> u32 {
        world(|world| world.attempt)
    }

    pub fn remaining_ms() -> u64 {
        world(|world| u64::try_from(world.remaining.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn cancelled() -> bool {
        world(|world| {
            let cancelled = match &mut world.looks_left {
                None => false,
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
            };
            world.was_cancelled |= cancelled;
            cancelled
        })
    }

    pub fn log_threshold() -> LogLevel {
        world(|world| world.threshold)
    }

    pub fn log(level: LogLevel, message: &str) {
        world(|world| {
            if level >= world.threshold {
                world.log.push((level, message.to_owned()));
            }
        });
    }

    pub fn progress(what: &str, done: u64, total: Option<u64>) {
        world(|world| world.progress.push((what.to_owned(), done, total)));
    }
}

/// `flow:connector/exchange`.
pub mod exchange {
    use std::cell::RefCell;
    use std::collections::HashSet;

    use super::{InputStream, OutputStream, Rc, Received, fmt, tell, types, world};
    use crate::bindings::flow::connector::exchange::{Earlier, Outcome};
    use crate::harness::{Accepted, Answer, Payload, Settled};
    use crate::{Error, Metadata};

    pub struct Reader {
        payload: Payload,
        open: Rc<()>,
        note: RefCell<Option<String>>,
        settled: bool,
    }

    impl fmt::Debug for Reader {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_tuple("Reader").field(&self.payload.metadata.id).finish()
        }
    }

    impl Reader {
        pub fn metadata(&self) -> Metadata {
            self.payload.metadata.clone()
        }

        pub fn options(&self) -> String {
            self.payload
                .options
                .as_ref()
                .map_or_else(|| "{}".to_owned(), ToString::to_string)
        }

        #[expect(clippy::unnecessary_wraps, reason = "as the generated one")]
        pub fn body(&self) -> Result<Option<InputStream>, types::Error> {
            Ok(self.payload.body.clone().map(|body| InputStream {
                rest: body.into_iter(),
                _open: Rc::clone(&self.open),
            }))
        }

        pub fn earlier(&self) -> Option<Earlier> {
            self.payload.earlier.clone()
        }

        #[expect(clippy::unnecessary_wraps, reason = "as the generated one")]
        pub fn note(&self, text: &str) -> Result<(), types::Error> {
            self.note.replace(Some(text.to_owned()));
            Ok(())
        }

        pub fn settle(mut this: Self, outcome: &Outcome) {
            this.settled = true;
            let id = this.payload.metadata.id.clone();
            world(|world| {
                if Rc::strong_count(&this.open) > 1 {
                    world.breaks(format!("`{id}` was settled while a stream of its body was open"));
                }
                if let Outcome::Pass(metadata) = outcome {
                    if metadata.id != id {
                        world.breaks(format!(
                            "`{id}` was passed on under another id, `{}`",
                            metadata.id
                        ));
                    }
                    unique(world, metadata);
                }
                world.settled.push(Settled {
                    id,
                    outcome: outcome.clone(),
                    note: this.note.take(),
                });
            });
        }
    }

    impl Drop for Reader {
        fn drop(&mut self) {
            if !self.settled {
                // Not touched, when the call then fails; put back, as a host does.
                let payload = self.payload.clone();
                tell(|world| world.inbox.push_front(payload));
            }
        }
    }

    pub struct Writer {
        metadata: Metadata,
        body: Rc<RefCell<Received>>,
        ended: bool,
    }

    impl fmt::Debug for Writer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_tuple("Writer").field(&self.metadata.id).finish()
        }
    }

    impl Writer {
        pub fn body(&self) -> OutputStream {
            OutputStream {
                body: Rc::clone(&self.body),
            }
        }

        fn end(&mut self) {
            self.ended = true;
            if Rc::strong_count(&self.body) > 1 {
                let rule = format!(
                    "`{}` was ended while the stream of its body was open",
                    self.metadata.id
                );
                world(|world| world.breaks(rule));
            }
        }

        pub fn finish(mut this: Self) -> Result<(), types::Error> {
            this.end();
            let Received { bytes, room, .. } = this.body.take();
            let length = bytes.len() as u64;
            let metadata = this.metadata.clone();
            let refused = if room.is_some_and(|room| length > room) {
                Some("The flow has no room for it.".to_owned())
            } else {
                metadata
                    .size
                    .filter(|size| *size != length)
                    .map(|size| format!("It should have {size} bytes, and has {length}."))
            };
            world(|world| {
                if let Some(message) = refused {
                    let error = Error::data(message);
                    world.aborted.push((metadata, error.clone()));
                    return Err(error.into());
                }
                world.accepted.push(Accepted {
                    metadata,
                    body: bytes,
                });
                Ok(())
            })
        }

        pub fn abort(mut this: Self, reason: &types::Error) {
            this.end();
            let given_up = (this.metadata.clone(), Error::as_told(reason.clone()));
            world(|world| world.aborted.push(given_up));
        }
    }

    impl Drop for Writer {
        fn drop(&mut self) {
            if !self.ended {
                let error = Error::internal("It was dropped, neither finished nor given up.");
                let given_up = (self.metadata.clone(), error);
                tell(|world| world.aborted.push(given_up));
            }
        }
    }

    pub enum Offer {
        Accept(Writer),
        Skip,
        Accepted,
        Stop,
    }

    pub fn begin(metadata: &Metadata) -> Result<Offer, types::Error> {
        if metadata.id.is_empty() {
            let error = Error::new(
                crate::Kind::InvalidSettings,
                "A payload was offered without an id.",
            );
            return Err(error.into());
        }
        // Not while the world is borrowed: an answer may look at what a test holds.
        let mut answer = world(|world| {
            unique(world, metadata);
            std::mem::replace(&mut world.answer, Box::new(|_| Answer::Stop))
        });
        let answered = answer(metadata);
        world(|world| {
            world.answer = answer;
            world.was_stopped |= answered == Answer::Stop;
        });
        let accept = |room, stalls| {
            Offer::Accept(Writer {
                metadata: metadata.clone(),
                body: Rc::new(RefCell::new(Received {
                    bytes: Vec::new(),
                    room,
                    stalls,
                })),
                ended: false,
            })
        };
        Ok(match answered {
            Answer::Accept => accept(None, false),
            Answer::Full(room) => accept(Some(room), false),
            Answer::Stall => accept(None, true),
            Answer::Skip => Offer::Skip,
            Answer::Accepted => Offer::Accepted,
            Answer::Stop => Offer::Stop,
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the generated one")]
    pub fn next() -> Result<Option<Reader>, types::Error> {
        Ok(world(|world| world.inbox.pop_front()).map(|payload| Reader {
            payload,
            open: Rc::new(()),
            note: RefCell::new(None),
            settled: false,
        }))
    }

    pub fn report(id: &str, problem: &types::Error) {
        let reported = (id.to_owned(), Error::as_told(problem.clone()));
        world(|world| world.reported.push(reported));
    }

    fn unique(world: &mut super::super::world::World, metadata: &Metadata) {
        let mut names = HashSet::new();
        for (name, _) in &metadata.attributes {
            if !names.insert(name) {
                world.breaks(format!("`{}` has the attribute `{name}` twice", metadata.id));
            }
        }
    }
}
