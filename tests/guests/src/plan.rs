//! The ways to plan.

use std::hint::black_box;

use crate::bindings::exports::flow::connector::connector::{Direction, Egress};
use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::bindings::flow::connector::types::{Call, Error};
use crate::describe::HUGE;
use crate::options::{Misbehaviour, Planning, parse};
use crate::{network, raw};

/// What a call will reach, or says that it will.
///
/// # Errors
/// When the options cannot be read, and as the behaviour wants it.
///
/// # Panics
/// When it shall.
pub fn plan(endpoint: Option<String>, call: &Call) -> Result<Vec<Egress>, Error> {
    if endpoint.is_none_or(|name| name != "misbehave") {
        return Ok(Vec::new());
    }
    let options: Misbehaviour = parse(&call.options)?;
    match options.plan {
        Planning::Honest => {}
        Planning::Loop => spin(),
        Planning::Panic => panic!("I have no plan"),
        Planning::AnyAddress => return Ok(vec![egress("*", 80)]),
        Planning::Many => {
            let host =
                |number: u64| format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
            return Ok((0..options.count)
                .map(|number| egress(&host(number), 80))
                .collect());
        }
        Planning::Huge => return Ok(vec![egress(&"x".repeat(HUGE), 80)]),
        Planning::NoText => return Ok(vec![egress(&raw::no_text(), 80)]),
        Planning::CallImport => context::log(LogLevel::Error, "I am planning"),
        Planning::Dial => network::dial(&options.address)?,
    }
    let planned = options.planned.iter();
    Ok(planned.map(|(host, port)| egress(host, *port)).collect())
}

fn spin() {
    let mut round = 0_u64;
    while black_box(round) < u64::MAX {
        round += 1;
    }
}

fn egress(host: &str, port: u16) -> Egress {
    Egress {
        host: host.to_owned(),
        first_port: port,
        last_port: port,
        direction: Direction::Connect,
        secondary: false,
        reason: "because".to_owned(),
    }
}
