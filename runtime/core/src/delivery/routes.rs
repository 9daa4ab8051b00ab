//! The identity of a handler, apart from its code. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::policy::RetryPolicy;

/// A handler as deliveries, markers and parked documents know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Assigned once. An event's handlers run in the order of their ids.
    pub id: i32,
    /// Rises when the handler's documents are rebuilt.
    pub generation: i32,
    /// Its name, unique in its team.
    pub name: Arc<str>,
    /// The digest of the active version.
    pub version: Arc<str>,
    /// The line that it belongs to: the lowest id of the handlers that may write a common collection with it.
    pub line: i32,
    /// How its failed deliveries are tried again.
    pub policy: RetryPolicy,
}

/// The handlers of each event type, in the order in which they run.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    by_type: HashMap<Arc<str>, Vec<Arc<Identity>>>,
    by_id: HashMap<i32, Arc<Identity>>,
}

impl Routes {
    /// Registers a handler for an event type.
    pub fn register(&mut self, event_type: &str, handler: &Arc<Identity>) {
        self.by_id.insert(handler.id, Arc::clone(handler));
        let handlers = self.by_type.entry(Arc::from(event_type)).or_default();
        if handlers.iter().all(|known| known.id != handler.id) {
            handlers.push(Arc::clone(handler));
            handlers.sort_by_key(|handler| handler.id);
        }
    }

    /// Returns the handlers of an event type, which are none if no handler wants it.
    #[must_use]
    pub fn handlers(&self, event_type: &str) -> &[Arc<Identity>] {
        self.by_type.get(event_type).map_or(&[], Vec::as_slice)
    }

    /// Returns every handler, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Identity>> {
        self.by_id.values()
    }

    /// Returns the names of the handlers of a line, in the order of their ids.
    #[must_use]
    pub fn of_line(&self, line: i32) -> Vec<Arc<str>> {
        let mut of_line: Vec<&Arc<Identity>> = self.by_id.values().filter(|handler| handler.line == line).collect();
        of_line.sort_by_key(|handler| handler.id);
        of_line.into_iter().map(|handler| Arc::clone(&handler.name)).collect()
    }

    /// Whether all handlers are of one line.
    #[must_use]
    pub fn is_one_line(&self) -> bool {
        let mut lines = self.by_id.values().map(|handler| handler.line);
        let first = lines.next();
        lines.all(|line| Some(line) == first)
    }

    /// Returns the handler with this internal id and generation, if it is active.
    #[must_use]
    pub fn handler(&self, id: i32, generation: i32) -> Option<&Arc<Identity>> {
        self.by_id.get(&id).filter(|handler| handler.generation == generation)
    }
}

/// Returns the line of each handler, by its place in `grants`. Handlers that may write a common collection, directly or
/// through others, share a line, which is named by the lowest id among them.
#[must_use]
pub fn lines(grants: &[(i32, Vec<Arc<str>>)]) -> Vec<i32> {
    let mut lines: Vec<i32> = grants.iter().map(|(id, _)| *id).collect();
    loop {
        let mut lowest: HashMap<&str, i32> = HashMap::new();
        for (line, (_, collections)) in lines.iter().zip(grants) {
            for collection in collections {
                let entry = lowest.entry(collection).or_insert(*line);
                *entry = (*entry).min(*line);
            }
        }
        let joined: Vec<i32> = lines
            .iter()
            .zip(grants)
            .map(|(line, (_, collections))| {
                collections.iter().map(|collection| lowest[&**collection]).min().map_or(*line, |low| low.min(*line))
            })
            .collect();
        if joined == lines {
            return lines;
        }
        lines = joined;
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples_test::handler;
    use super::*;

    fn grants(table: &[(i32, &[&str])]) -> Vec<(i32, Vec<Arc<str>>)> {
        table.iter().map(|(id, names)| (*id, names.iter().map(|name| Arc::from(*name)).collect())).collect()
    }

    #[test]
    fn handlers_that_write_a_common_collection_share_a_line() {
        let table =
            grants(&[(1, &["users"]), (2, &["statistics"]), (3, &["users", "a"]), (5, &["b"]), (4, &["a", "b"])]);
        assert_eq!(lines(&table), [1, 2, 1, 1, 1]);
    }

    #[test]
    fn a_handler_that_writes_nothing_stands_alone() {
        assert_eq!(lines(&grants(&[(7, &[]), (8, &[])])), [7, 8]);
    }

    #[test]
    fn an_events_handlers_run_in_the_order_of_their_ids() {
        let mut routes = Routes::default();
        for id in [3, 1, 2, 1] {
            routes.register("UserCreated", &handler(id, "h"));
        }
        let ids: Vec<i32> = routes.handlers("UserCreated").iter().map(|handler| handler.id).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert!(routes.handlers("Other").is_empty());
    }
}
