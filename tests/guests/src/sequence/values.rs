//! What the calls are made with, by number; and those that need no more than that.

use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::bindings::flow::connector::types::{Error, ErrorKind, Metadata};
use crate::honest;
use crate::options::error;
use crate::sequence::Step;

/// Sizes about which hosts may err: around what one write may hold, and around this host's limits.
const SIZES: [usize; 10] = [0, 1, 5, 1_000, 4_096, 4_097, 65_536, 65_537, 100_000, 1_000_000];

/// A number of bytes.
pub fn size(number: usize) -> usize {
    SIZES[number % SIZES.len()]
}

/// Bytes that tell where they are.
pub fn bytes(number: usize) -> Vec<u8> {
    honest::content(number as u64, size(number) as u64)
}

/// A text, of some length and with something in it.
pub fn text(number: usize) -> String {
    match number % 6 {
        0 => String::new(),
        1 => "text".to_owned(),
        2 => "two\r\nlines \u{1b}[31m\0".to_owned(),
        3 => "../../ü".to_owned(),
        4 => "x".repeat(2_000),
        _ => "x".repeat(100_000),
    }
}

/// What is known of a payload.
pub fn metadata(name: usize, how: usize) -> Metadata {
    let plain = honest::metadata(["a", "b", "c", "d"][name % 4]);
    match how % 8 {
        1 => Metadata {
            version: Some("2".to_owned()),
            ..plain
        },
        2 => Metadata {
            size: Some(5),
            ..plain
        },
        3 => Metadata {
            name: Some(text(name)),
            ..plain
        },
        4 => Metadata {
            attributes: vec![(text(1), text(name))],
            ..plain
        },
        5 => Metadata {
            id: text(name),
            ..plain
        },
        // One of many.
        6 => Metadata {
            id: name.to_string(),
            ..plain
        },
        7 => Metadata {
            size: Some(u64::MAX),
            modified_ms: Some(u64::MAX),
            ..plain
        },
        _ => plain,
    }
}

/// An error to give.
pub fn fault(number: usize) -> Error {
    Error {
        code: Some(text(number / 2)),
        details: Some(text(number)),
        ..error(ErrorKind::Data, text(number))
    }
}

/// Tells something, or asks about the call.
pub fn tell(step: Step) {
    let Step { name, which, how } = step;
    match name {
        b'l' => {
            let level = [LogLevel::Trace, LogLevel::Debug, LogLevel::Error][which % 3];
            context::log(level, &text(how));
        }
        b'g' => context::progress(
            &text(how),
            u64::MAX >> (which % 64),
            (which % 2 == 0).then_some(which as u64),
        ),
        b'q' => {
            context::remaining_ms();
            context::cancelled();
            context::attempt();
            context::run_id();
            context::log_threshold();
        }
        _ => print!("{}", text(how)),
    }
}
