//! Calls of the exchange, and of the streams of bodies.

use crate::bindings::flow::connector::exchange::{self, Offer, Outcome, Reader, Writer};
use crate::raw;
use crate::sequence::{Held, Step, values};

impl Held {
    pub(super) fn exchange(&mut self, step: Step) {
        let Step { name, which, how } = step;
        match name {
            b'b' => {
                if let Ok(Offer::Accept(writer)) = exchange::begin(&values::metadata(which, how)) {
                    self.writers.keep(writer);
                }
            }
            b'B' => self.outputs.0.extend(self.writers.get(which).map(Writer::body)),
            b'f' => {
                if let Some(writer) = self.writers.take(which) {
                    self.finish(writer);
                }
            }
            b'a' => {
                if let Some(writer) = self.writers.take(which) {
                    Writer::abort(writer, &values::fault(how));
                }
            }
            b'd' => drop(self.writers.take(which)),
            b'r' => exchange::report(&values::metadata(which, how).id, &values::fault(how)),
            b'V' => self.forged(step),
            _ => self.reader(step),
        }
    }

    fn finish(&mut self, writer: Writer) {
        if Writer::finish(writer).is_ok() {
            self.accepted += 1;
        }
    }

    fn reader(&mut self, step: Step) {
        let Step { name, which, how } = step;
        if name == b'n' {
            if let Ok(Some(reader)) = exchange::next() {
                self.readers.keep(reader);
            }
            return;
        }
        if let b's' | b'D' = name {
            let Some(reader) = self.readers.take(which) else {
                return;
            };
            if name == b's' {
                let outcome = outcome(&reader, how);
                Reader::settle(reader, &outcome);
            }
            return;
        }
        let Some(reader) = self.readers.get(which) else {
            return;
        };
        match name {
            b'M' => drop(reader.metadata()),
            b'O' => drop(reader.options()),
            _ => {
                if let Ok(Some(body)) = reader.body() {
                    self.inputs.keep(body);
                }
            }
        }
    }

    /// Uses a handle by its number: another's, one of another type, or none.
    fn forged(&mut self, step: Step) {
        let number = u32::try_from(step.which + 1).unwrap_or(1);
        match step.how % 6 {
            0 => self.finish(raw::writer(number)),
            1 => Writer::abort(raw::writer(number), &values::fault(1)),
            2 => self.outputs.keep(raw::writer(number).body()),
            3 => Reader::settle(raw::reader(number), &Outcome::Consume),
            4 => drop(raw::reader(number).metadata()),
            _ => drop(raw::stream(number)),
        }
    }

    pub(super) fn stream(&mut self, step: Step) {
        let Step { name, which, how } = step;
        let output = self.outputs.get(which);
        let input = self.inputs.get(which);
        match (name, output, input) {
            (b'w', Some(output), _) => drop(output.write(&values::bytes(how))),
            (b'W', Some(output), _) => drop(output.blocking_write_and_flush(&values::bytes(how))),
            (b'c', Some(output), _) => drop(output.check_write()),
            (b'h', Some(output), _) => drop(output.blocking_flush()),
            (b'z', Some(output), _) => drop(output.write_zeroes(values::size(how) as u64)),
            (b'i', Some(output), Some(input)) => drop(output.splice(input, values::size(how) as u64)),
            (b'p', _, Some(input)) => drop(input.read(values::size(how) as u64)),
            (b'P', _, Some(input)) => drop(input.blocking_read(u64::MAX >> (how % 64))),
            (b'k', _, Some(input)) => drop(input.blocking_skip(values::size(how) as u64)),
            (b'u', Some(output), _) if how % 2 == 0 => self.waits.keep(output.subscribe()),
            (b'u', _, Some(input)) => {
                let wait = input.subscribe();
                wait.block();
                self.waits.keep(wait);
            }
            _ => {}
        }
    }
}

fn outcome(reader: &Reader, how: usize) -> Outcome {
    match how % 5 {
        0 => Outcome::Pass(reader.metadata()),
        1 => Outcome::Pass(values::metadata(how, how / 5)),
        2 => {
            let mut metadata = reader.metadata();
            metadata.content_type = Some(values::text(how / 5));
            Outcome::Pass(metadata)
        }
        3 => Outcome::Consume,
        _ => Outcome::Fail(values::fault(how / 5)),
    }
}
