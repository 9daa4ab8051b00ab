//! What an instance holds of memory and tables, over all of them together.
//!
//! A denied growth is a trap, not the -1 that WebAssembly allows: a handler that cannot go on is stopped where it asked
//! for too much, and the limit is named.

use wasmtime::ResourceLimiter;

use super::{Stop, StopKind};

/// The limits of one instance, what it has of them, and what was denied.
#[derive(Debug)]
pub(crate) struct Growth {
    memory: Quantity,
    tables: Quantity,
    /// The first growth that was denied.
    pub(super) denied: Option<Stop>,
}

#[derive(Debug)]
struct Quantity {
    limit: u64,
    held: u64,
    last: u64,
}

impl Quantity {
    /// Takes note of a growth, or gives the total that would pass the limit.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), u64> {
        self.last = (desired as u64).saturating_sub(current as u64);
        let total = self.held.saturating_add(self.last);
        if total > self.limit {
            return Err(total);
        }
        self.held = total;
        Ok(())
    }

    fn undo(&mut self) {
        self.held -= std::mem::take(&mut self.last);
    }
}

impl Growth {
    pub(crate) fn new(memory_bytes: u64, table_elements: u64) -> Self {
        let quantity = |limit| Quantity { limit, held: 0, last: 0 };
        Self { memory: quantity(memory_bytes), tables: quantity(table_elements), denied: None }
    }

    fn deny(&mut self, kind: StopKind, message: String) -> wasmtime::Error {
        let error = wasmtime::Error::msg(message.clone());
        self.denied.get_or_insert(Stop { kind, message, backtrace: None });
        error
    }
}

impl ResourceLimiter for Growth {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.memory.last = 0;
            return Ok(false);
        }
        self.memory.grow(current, desired).map(|()| true).map_err(|total| {
            let limit = self.memory.limit;
            let message = format!("memory_bytes: asked for {total} bytes over all memories, the limit is {limit}");
            self.deny(StopKind::Memory, message)
        })
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.undo();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.tables.last = 0;
            return Ok(false);
        }
        self.tables.grow(current, desired).map(|()| true).map_err(|total| {
            let limit = self.tables.limit;
            let message = format!("table_elements: asked for {total} elements over all tables, the limit is {limit}");
            self.deny(StopKind::Table, message)
        })
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.tables.undo();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together_and_the_limit_is_named() {
        let mut growth = Growth::new(100, 10);
        assert!(growth.memory_growing(0, 60, None).expect("within the limit"));
        assert!(growth.memory_growing(0, 40, None).expect("within the limit"));
        growth.memory_growing(40, 41, None).expect_err("over the limit");
        let denied = growth.denied.expect("recorded");
        assert_eq!(denied.kind, StopKind::Memory);
        assert!(denied.message.starts_with("memory_bytes: "), "{}", denied.message);
    }

    #[test]
    fn a_growth_that_failed_is_given_back() {
        let mut growth = Growth::new(100, 10);
        assert!(growth.table_growing(0, 10, None).expect("within the limit"));
        growth.table_grow_failed(wasmtime::Error::msg("no")).expect("taken note of");
        assert!(growth.table_growing(0, 10, None).expect("within the limit again"));
    }

    #[test]
    fn the_modules_own_maximum_is_the_guests_to_see() {
        let mut growth = Growth::new(100, 10);
        assert!(!growth.memory_growing(0, 200, Some(150)).expect("answered, not trapped"));
        assert_eq!(growth.denied, None);
    }
}
