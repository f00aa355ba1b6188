//! How deeply a YAML file is nested.

use saphyr::Marker;
use saphyr_parser::{Event, Parser};
use std::collections::HashMap;

/// The most levels. Flows have about ten.
pub(super) const MOST: usize = 64;

/// A sequence or mapping that is open.
#[derive(Default)]
struct Open {
    anchor: usize,
    /// Levels below it, so far.
    height: usize,
}

/// Where a text is nested more deeply than [`MOST`], aliases filled in. What cannot be read ends the search: whoever
/// reads it will say so.
pub(super) fn exceeded(text: &str) -> Option<Marker> {
    let mut open = vec![Open::default()];
    let mut heights: HashMap<usize, usize> = HashMap::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let height = match event {
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push(Open { anchor, height: 0 });
                0
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { anchor, height } = open.pop()?;
                heights.insert(anchor, height + 1);
                height + 1
            }
            Event::Alias(anchor) => heights.get(&anchor).copied().unwrap_or_default(),
            _ => 0,
        };
        let around = open.last_mut()?;
        around.height = around.height.max(height);
        // The first is the document itself.
        if open.len() - 1 + height > MOST {
            return Some(span.start);
        }
    }
    None
}
