//! The person who pauses handlers, and handlers that another host has found to fail again and again.

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};

use super::{STORM, Shared, World};
use crate::kernel::lock;
use crate::kinds::{COUNTS, FRAGILE, READS, TOTALS};
use crate::mongo::id_bytes;
use crate::stops::{HANDLERS, is_paused};

/// How often the person looks whether a pause has ended.
const LOOKS: Duration = Duration::from_secs(5);

impl World {
    /// Has some handlers stopped during the storm.
    pub(super) fn stop_handlers(world: &Shared) {
        let kernel = lock(world).kernel.clone();
        for handler in [COUNTS, READS, TOTALS, FRAGILE] {
            if kernel.chance(100) {
                let paused = Arc::clone(world);
                kernel.after(kernel.between(1_000, 35_000), move || Self::pause_handler(&paused, handler));
            } else if kernel.chance(60) {
                let tripped = Arc::clone(world);
                kernel.after(kernel.between(1_000, 35_000), move || lock(&tripped).trip(handler));
            }
        }
    }

    fn pause_handler(world: &Shared, handler: i32) {
        let it = lock(world);
        let kernel = it.kernel.clone();
        if it.set_stopped(handler, doc! { "paused": { "at": DateTime::from_millis(0), "by": "p", "why": "w" } }) {
            kernel.count("fault: somebody pauses a handler");
        }
        drop(it);
        let resumed = Arc::clone(world);
        kernel.after(kernel.between(1_000, 70_000), move || Self::resume_handler(&resumed, handler));
    }

    /// Ends a pause, and looks later whether MongoDB has kept that. During the storm, a failover may still undo it.
    fn resume_handler(world: &Shared, handler: i32) {
        let it = lock(world);
        let kernel = it.kernel.clone();
        let found = lock(&it.mongo).all(HANDLERS);
        if found.iter().any(|known| known.get_i32("_id").ok() == Some(handler) && is_paused(known)) {
            it.set_stopped(handler, doc! {});
        } else if kernel.now() >= STORM {
            kernel.count("outcome: a paused handler goes on");
            return;
        }
        drop(it);
        let again = Arc::clone(world);
        kernel.after(LOOKS, move || Self::resume_handler(&again, handler));
    }

    fn trip(&self, handler: i32) {
        let at = DateTime::from_millis(0);
        let tripped = doc! { "at": at, "version": "v", "reason": "trap", "message": "" };
        if self.set_stopped(handler, doc! { "tripped": tripped }) {
            self.kernel.count("fault: a handler has tripped");
        }
    }

    /// Writes what stops a handler. Returns whether MongoDB has taken it.
    fn set_stopped(&self, handler: i32, stopped: Document) -> bool {
        let document = doc! { "_id": handler, "stopped": stopped };
        lock(&self.mongo)
            .write((Arc::from(HANDLERS), id_bytes(&Bson::Int32(handler))), Some(Arc::new(document)), None)
            .is_ok()
    }
}
