//! A body that goes from one connector to another at once, as fast as the slower one is.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces on their way. A piece has at most 64 KiB, so that is at most 1 MiB.
const DEPTH: usize = 16;

/// Makes a pipe.
#[must_use]
pub fn pipe() -> (PipeWriter, PipeReader) {
    holding(DEPTH)
}

/// Makes a pipe that holds so many pieces and no more.
pub(crate) fn holding(pieces: usize) -> (PipeWriter, PipeReader) {
    let (sender, receiver) = channel(pieces);
    let whole = Arc::new(AtomicBool::new(false));
    let writer = PipeWriter {
        sender,
        whole: Arc::clone(&whole),
        written: 0,
    };
    let reader = PipeReader {
        receiver,
        whole,
        head: None,
    };
    (writer, reader)
}

/// The end that takes bytes. Dropping it before [`PipeWriter::finish`] tells the other end that the body broke off.
#[derive(Debug)]
pub struct PipeWriter {
    sender: Sender<Bytes>,
    whole: Arc<AtomicBool>,
    written: u64,
}

impl PipeWriter {
    /// Bytes so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether another piece may be written now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.sender.capacity() > 0 || self.sender.is_closed()
    }

    /// Waits until there is room, or nobody who takes anything. It does not borrow the pipe.
    pub fn room(&self) -> impl Future<Output = ()> + Send + use<> {
        let sender = self.sender.clone();
        async move {
            let _ = sender.reserve().await; // An error is the end of the wait, too.
        }
    }

    /// Adds a piece; false when nobody takes it.
    #[must_use]
    pub fn write(&mut self, bytes: Bytes) -> bool {
        self.written += bytes.len() as u64;
        self.sender.try_send(bytes).is_ok()
    }

    /// The body is whole: the other end sees its end.
    pub fn finish(self) {
        self.whole.store(true, Ordering::Release);
    }
}

/// The end that gives bytes.
#[derive(Debug)]
pub struct PipeReader {
    receiver: Receiver<Bytes>,
    whole: Arc<AtomicBool>,
    head: Option<Bytes>,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes.
    Bytes(Bytes),
    /// Nothing yet.
    Later,
    /// The end of a whole body.
    End,
    /// The body broke off.
    Broken,
}

impl PipeReader {
    /// Waits until there is something to read, or nothing more to come.
    pub async fn ready(&mut self) {
        if self.head.is_none() {
            self.head = self.receiver.recv().await;
        }
    }

    /// What is there, at most `limit` bytes.
    pub fn read(&mut self, limit: usize) -> Piece {
        let mut piece = match self.head.take().map_or_else(|| self.receiver.try_recv(), Ok) {
            Ok(piece) => piece,
            Err(TryRecvError::Empty) => return Piece::Later,
            Err(TryRecvError::Disconnected) if self.whole.load(Ordering::Acquire) => return Piece::End,
            Err(TryRecvError::Disconnected) => return Piece::Broken,
        };
        let now = piece.split_to(limit.min(piece.len()));
        self.head = Some(piece).filter(|rest| !rest.is_empty());
        Piece::Bytes(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rest(reader: &mut PipeReader) -> (Vec<u8>, Piece) {
        let mut bytes = Vec::new();
        loop {
            reader.ready().await;
            match reader.read(3) {
                Piece::Bytes(piece) => bytes.extend_from_slice(&piece),
                end => return (bytes, end),
            }
        }
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_the_end_is_seen_when_it_is_whole() {
        let (mut writer, mut reader) = pipe();
        assert!(writer.write(Bytes::from_static(b"0123456")));
        assert!(writer.write(Bytes::from_static(b"789")));
        writer.finish();
        assert_eq!(rest(&mut reader).await, (b"0123456789".to_vec(), Piece::End));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_whole_one() {
        let (mut writer, mut reader) = pipe();
        assert_eq!(reader.read(1), Piece::Later);
        assert!(writer.write(Bytes::from_static(b"012")));
        drop(writer);
        assert_eq!(rest(&mut reader).await, (b"012".to_vec(), Piece::Broken));
    }

    #[tokio::test]
    async fn it_holds_so_much_and_no_more() {
        let (mut writer, mut reader) = pipe();
        let mut pieces = 0;
        while writer.has_room() {
            assert!(writer.write(Bytes::from_static(b"x")));
            pieces += 1;
        }
        assert_eq!(pieces, DEPTH);
        assert!(!writer.write(Bytes::from_static(b"x")));
        reader.ready().await;
        assert_eq!(reader.read(1), Piece::Bytes(Bytes::from_static(b"x")));
        assert!(writer.has_room());
        drop(reader);
        assert!(writer.has_room(), "whoever waited hears of the end by writing");
        assert!(!writer.write(Bytes::from_static(b"x")));
    }
}
