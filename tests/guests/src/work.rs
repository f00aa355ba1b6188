//! Work without end, and what ends all work.

use std::hint::black_box;
use std::process;

use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::bindings::flow::connector::exchange::Writer;
use crate::bindings::flow::connector::types::Error;
use crate::honest::{begin, fill, metadata, write};
use crate::options::seen;

/// Never ends, and never calls the host.
pub fn spin() {
    let mut round = 0_u64;
    while black_box(round) < u64::MAX {
        round += 1;
    }
}

/// Never ends, asks the host all the time whether it should, and does not listen.
pub fn spin_in_calls() {
    loop {
        black_box(context::cancelled());
    }
}

/// Finishes one payload, writes half of another, and never ends.
///
/// # Errors
/// What the host answers.
pub fn spin_in_payload() -> Result<(), Error> {
    if let Some(writer) = begin(&metadata("whole.txt"))? {
        fill(&writer, b"whole")?;
        Writer::finish(writer)?;
    }
    if let Some(writer) = begin(&metadata("half.txt"))? {
        let body = writer.body();
        write(&body, b"half")?;
        context::log(LogLevel::Info, "half is written");
        spin();
    }
    Ok(())
}

/// Calls itself until the stack is used up.
pub fn recurse() {
    fn deeper(depth: u64) -> u64 {
        let room = black_box([depth; 64]);
        if depth == u64::MAX {
            0
        } else {
            deeper(depth + 1) + room[0]
        }
    }
    black_box(deeper(0));
}

/// Panics.
///
/// # Panics
/// Always.
pub fn panic() {
    panic!("I have had enough")
}

/// Ends the program, as if all were well.
pub fn exit() {
    process::exit(0)
}

/// Takes memory and gives none back, until there is no more; then it traps.
pub fn allocate() {
    loop {
        std::mem::forget(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Begins payloads and finishes none.
///
/// # Errors
/// What the host answers, with the number of payloads that it took before.
pub fn exhaust_handles(count: u64) -> Result<(), Error> {
    let mut writers = Vec::new();
    for number in 0..count {
        match begin(&metadata(&number.to_string())) {
            Ok(writer) => writers.extend(writer),
            Err(error) => return Err(seen(format!("after {number}: {}", error.message))),
        }
    }
    Ok(())
}
