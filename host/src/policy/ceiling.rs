//! The limits that the engine asks about: memory, tables, instances.

use super::bounds::Bounds;
use wasmtime::ResourceLimiter;

/// Memories and tables of one component. Few have more than one of each; their sizes count together.
const MOST_EACH: usize = 16;

/// What a Store asks before something grows.
pub(crate) struct Ceiling {
    bounds: Bounds,
    memory: usize,
    table_elements: usize,
}

impl Ceiling {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            memory: 0,
            table_elements: 0,
        }
    }
}

/// Adds the growth to what there is, unless that would be more than the limit.
fn grow(all: &mut usize, current: usize, desired: usize, limit: u64) -> bool {
    let grown = all.saturating_add(desired.saturating_sub(current));
    let fits = grown as u64 <= limit;
    if fits {
        *all = grown;
    }
    fits
}

impl ResourceLimiter for Ceiling {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let limit = self.bounds.limits().memory.0;
        let fits = grow(&mut self.memory, current, desired, limit);
        if !fits {
            self.bounds.reached("memory");
        }
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let limit = self.bounds.limits().table_elements;
        let fits = grow(&mut self.table_elements, current, desired, limit);
        if !fits {
            self.bounds.reached("table_elements");
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        usize::try_from(self.bounds.limits().instances).unwrap_or(usize::MAX)
    }

    fn tables(&self) -> usize {
        MOST_EACH
    }

    fn memories(&self) -> usize {
        MOST_EACH
    }
}
