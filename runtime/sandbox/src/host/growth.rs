//! The memory and the table elements that an instance holds, each counted over all its memories or tables.
//!
//! A denied growth traps instead of returning the -1 that WebAssembly allows. So a handler that cannot go on is stopped
//! at the point at which it asked for too much, and the error names the limit.
//!
//! A growth that was allowed counts for good, even if it then fails. wasmtime reports some failures without having
//! asked before, so giving the last growth back would be a way around the limit.

use wasmtime::ResourceLimiter;

use weir_core::call::{Stop, StopKind};

/// The limits of one instance, how much of them it uses, and what was denied.
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
}

impl Quantity {
    /// Records a growth, or returns the total that would exceed the limit.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), u64> {
        let total = self.held.saturating_add((desired as u64).saturating_sub(current as u64));
        if total > self.limit {
            return Err(total);
        }
        self.held = total;
        Ok(())
    }
}

impl Growth {
    pub(crate) fn new(memory_bytes: u64, table_elements: u64) -> Self {
        let quantity = |limit| Quantity { limit, held: 0 };
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
            return Ok(false);
        }
        self.memory.grow(current, desired).map(|()| true).map_err(|total| {
            let limit = self.memory.limit;
            let message = format!("memory_bytes: asked for {total} bytes over all memories, the limit is {limit}");
            self.deny(StopKind::Memory, message)
        })
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.tables.grow(current, desired).map(|()| true).map_err(|total| {
            let limit = self.tables.limit;
            let message = format!("table_elements: asked for {total} elements over all tables, the limit is {limit}");
            self.deny(StopKind::Table, message)
        })
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
    fn a_growth_that_failed_stays_counted() {
        let mut growth = Growth::new(100, 10);
        assert!(growth.table_growing(0, 6, None).expect("within the limit"));
        // wasmtime does this for some kinds of tables: it reports a failure without having asked before.
        growth.table_grow_failed(wasmtime::Error::msg("no")).expect("taken note of");
        growth.table_grow_failed(wasmtime::Error::msg("no")).expect("taken note of");
        growth.table_growing(6, 11, None).expect_err("nothing was given back");
    }

    #[test]
    fn the_modules_own_maximum_is_the_guests_to_see() {
        let mut growth = Growth::new(100, 10);
        assert!(!growth.memory_growing(0, 200, Some(150)).expect("answered, not trapped"));
        assert_eq!(growth.denied, None);
    }
}
