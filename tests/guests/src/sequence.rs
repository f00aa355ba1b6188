//! Calls of the host in any order: what a fuzzer writes, and no program would.
//!
//! A call is three bytes: a letter that names it, which of the handles it is for, and what is to be done with it. Digits
//! do for both, counted from 0; of handles and of choices, there is always one more: they are counted around. What is no
//! letter of a call is skipped. `fuzz/seeds/imports` has examples.

mod connections;
mod payloads;
mod values;

use std::mem;

use serde::Deserialize;

use crate::bindings::flow::connector::exchange::{Reader, Writer};
use crate::bindings::flow::connector::tls;
use crate::bindings::flow::connector::types::{Call, Error, Summary};
use crate::bindings::wasi::io::poll::Pollable;
use crate::bindings::wasi::io::streams::{InputStream, OutputStream};
use crate::honest::nothing;
use crate::options::{parse, seen};
use socket2::Socket;

/// Options of this `misbehave`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    /// The calls, hexadecimal: they need be no text.
    calls: String,
}

/// One call to make.
#[derive(Clone, Copy)]
struct Step {
    name: u8,
    /// Which of the handles.
    which: usize,
    /// What to do with it.
    how: usize,
}

/// What the guest holds. It is dropped from the first to the last: a host may refuse to drop a stream that is waited for.
#[derive(Default)]
struct Held {
    waits: Handles<Pollable>,
    inputs: Handles<InputStream>,
    outputs: Handles<OutputStream>,
    writers: Handles<Writer>,
    readers: Handles<Reader>,
    sessions: Handles<tls::Session>,
    contexts: Handles<tls::Context>,
    sockets: Handles<Socket>,
    accepted: u64,
}

/// Handles of one type, in the order in which they came.
struct Handles<T>(Vec<T>);

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Handles<T> {
    fn keep(&mut self, handle: T) {
        self.0.push(handle);
    }

    fn get(&self, which: usize) -> Option<&T> {
        let count = self.0.len().max(1);
        self.0.get(which % count)
    }

    fn take(&mut self, which: usize) -> Option<T> {
        (!self.0.is_empty()).then(|| self.0.remove(which % self.0.len()))
    }
}

/// Makes the calls of its options. The summary has the payloads of which the host said that they were accepted.
///
/// # Errors
/// When the options cannot be read, and when the calls say so.
///
/// # Panics
/// When the calls say so.
pub fn misbehave(call: &Call) -> Result<Summary, Error> {
    let Sequence { calls } = parse(&call.options)?;
    let mut bytes = calls.as_bytes().chunks(2).filter_map(hexadecimal);
    let mut held = Held::default();
    while let Some(name) = bytes.next() {
        if !name.is_ascii_alphabetic() {
            continue;
        }
        let mut digit = || usize::from(bytes.next().unwrap_or(b'0').wrapping_sub(b'0'));
        let (which, how) = (digit(), digit());
        held.make(Step { name, which, how })?;
    }
    Ok(Summary {
        payloads: held.accepted,
        ..nothing()
    })
}

fn hexadecimal(pair: &[u8]) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()
}

impl Held {
    fn make(&mut self, step: Step) -> Result<(), Error> {
        let Step { name, which, how } = step;
        match name {
            b'b' | b'B' | b'f' | b'a' | b'd' | b'n' | b'r' | b'M' | b'O' | b'R' | b's' | b'D' | b'V' => {
                self.exchange(step);
            }
            b'w' | b'W' | b'c' | b'h' | b'z' | b'i' | b'p' | b'P' | b'k' | b'u' => self.stream(step),
            b't' | b'o' | b'e' | b'y' | b'C' | b'I' => self.tls(step),
            b'K' | b'J' | b'L' | b'N' => self.network(step),
            b'l' | b'g' | b'q' | b'U' => values::tell(step),
            // To drop: streams, waits, TLS and sockets.
            b'X' => drop(self.outputs.take(which)),
            b'x' => drop(self.inputs.take(which)),
            b'v' => drop(self.waits.take(which)),
            b'S' => drop(self.sessions.take(which)),
            b'T' => drop(self.contexts.take(which)),
            b'Q' => drop(self.sockets.take(which)),
            // To keep for good.
            b'm' => mem::forget(self.writers.take(which)),
            b'Y' => mem::forget(mem::take(&mut self.outputs)),
            // To use memory, to fail, to panic.
            b'A' => mem::forget(vec![1_u8; (how % 10) << 20]),
            b'E' => return Err(seen(values::text(how))),
            b'Z' => panic!("so the calls say"),
            _ => {}
        }
        Ok(())
    }
}
