//! Standard output and error of a guest: lines of its log, and the end of them for the report of a trap.
//!
//! A Rust guest writes its panic message there.

use super::log::{LINE_BYTES, Log};
use crate::contract::LogLevel;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Only the end is kept: a guest may write as much as it likes.
const KEPT_BYTES: usize = 4 * 1024;

/// What a guest prints. Clones share it.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Printed>>);

struct Printed {
    log: Log,
    /// The last of it.
    end: VecDeque<u8>,
    /// The line that is not yet at its end, as far as a log line goes.
    line: Vec<u8>,
}

impl Output {
    pub(crate) fn new(log: Log) -> Self {
        Self(Arc::new(Mutex::new(Printed {
            log,
            end: VecDeque::new(),
            line: Vec::new(),
        })))
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) {
        let mut printed = self.printed();
        let end = &bytes[bytes.len().saturating_sub(KEPT_BYTES)..];
        printed.end.extend(end);
        let surplus = printed.end.len().saturating_sub(KEPT_BYTES);
        printed.end.drain(..surplus);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // One byte more than a line may have shows that it is cut.
            let room = (LINE_BYTES + 1).saturating_sub(printed.line.len());
            printed.line.extend(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                printed.tell_line();
            }
        }
    }

    /// What the guest printed last, as text.
    pub(crate) fn text(&self) -> String {
        let printed = self.printed();
        let bytes: Vec<u8> = printed.end.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl Printed {
    fn tell_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if !line.is_empty() {
            self.log.line(LogLevel::Debug, line.to_owned());
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(KEPT_BYTES)
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Events};
    use crate::policy::Limits;
    use crate::policy::bounds::Bounds;

    fn output() -> (Output, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let events = Events::new(move |event| {
            if let Event::Log { message, .. } = event {
                sink.lock().expect("not poisoned").push(message.clone());
            }
        });
        let bounds = Bounds::new("shop", Limits::default(), events.clone());
        (Output::new(Log::new(events, LogLevel::Debug, bounds)), told)
    }

    #[test]
    fn only_the_end_of_the_output_is_kept() {
        let (output, told) = output();
        for _ in 0..100 {
            output.push(&[b'x'; KEPT_BYTES]);
        }
        output.push(b"panicked at the end");
        let text = output.text();
        assert!(text.len() <= KEPT_BYTES);
        assert!(text.ends_with("panicked at the end"));
        assert!(told.lock().expect("not poisoned").is_empty(), "no line has ended");
        output.push(b"\n");
        let told = told.lock().expect("not poisoned");
        assert_eq!((told.len(), told[0].chars().count()), (1, LINE_BYTES + 1));
    }

    #[test]
    fn each_printed_line_is_one_of_the_log() {
        let (output, told) = output();
        output.push(b"one\ntw");
        output.push(b"o\r\n\nthr\xffee\n4");
        assert_eq!(
            *told.lock().expect("not poisoned"),
            ["one", "two", "thr\u{fffd}ee"]
        );
    }
}
