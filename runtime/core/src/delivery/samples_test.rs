//! What the tests of a batch are made from.

use std::sync::Arc;

use super::entry::Ledger;
use super::policy::RetryPolicy;
use super::routes::Identity;
use crate::event::Event;
use crate::store::PartitionId;

pub(super) fn ledger(retention_ms: i64) -> Ledger {
    Ledger { group: Arc::from("group"), source: Arc::from("default"), retention_ms }
}

pub(super) fn partition() -> PartitionId {
    PartitionId { topic: Arc::from("outbox"), partition: 0 }
}

/// Returns a handler with a line of its own.
pub(super) fn handler(id: i32, name: &str) -> Arc<Identity> {
    let policy = RetryPolicy::default();
    Arc::new(Identity { id, generation: 1, name: name.into(), version: "v".into(), line: id, policy })
}

pub(super) fn event(id: &str, created_at_ms: i64) -> Event {
    Event {
        id: id.to_owned(),
        sequence: None,
        event_type: "T".to_owned(),
        aggregate_type: String::new(),
        aggregate_id: "a".to_owned(),
        payload: "{}".to_owned(),
        created_at_ms,
        row_created_at_us: Some(created_at_ms * 1_000),
        headers: Vec::new(),
        columns: "{}".to_owned(),
        says_op: true,
    }
}
