//! The values of the labels in metrics and statistics.

/// Defines enums whose members have a name as a label.
macro_rules! labels {
    ($( $(#[$doc:meta])+ $name:ident { $( $(#[$member_doc:meta])+ $member:ident = $text:literal, )+ } )+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$member_doc])+ $member, )+
        }

        impl $name {
            pub(super) const NAMES: &[&str] = &[$( $text ),+];

            /// Returns the name in metrics and statistics.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    )+};
}

labels! {
    /// The kind of a Kafka record.
    RecordKind {
        /// An event for the handlers.
        Event = "event",
        /// A change of an outbox row.
        Update = "update",
        /// A deleted outbox row.
        Delete = "delete",
        /// A row of a snapshot, if those are not events.
        Snapshot = "snapshot",
        /// The table was emptied.
        Truncate = "truncate",
        /// A logical message of PostgreSQL's.
        LogicalMessage = "logical_message",
        /// A record without a value.
        Tombstone = "tombstone",
        /// Debezium's heartbeat.
        Heartbeat = "heartbeat",
        /// Debezium's record of a transaction's begin or end.
        TransactionMetadata = "transaction_metadata",
        /// An event with a value that was not sent, because PostgreSQL leaves a value stored apart (TOAST) out of an
        /// update that did not change it.
        Unsent = "unsent",
        /// A record that cannot be read.
        Undecodable = "undecodable",
    }

    /// How an event was accounted for.
    EventResult {
        /// Its deliveries were committed, each with its own outcome.
        Committed = "committed",
        /// The ledger or the batch already had it.
        Duplicate = "duplicate",
        /// No handler wants its type.
        NoHandler = "no_handler",
        /// It ended before any delivery: not decodable, an id conflict, or older than the ledger.
        Dead = "dead",
    }

    /// How a delivery ended.
    Outcome {
        /// Its writes took effect.
        Committed = "committed",
        /// The handler did not want the event.
        Skipped = "skipped",
        /// It waits for a retry.
        Parked = "parked",
        /// It waits for an earlier event of its aggregate.
        Waiting = "waiting",
        /// No attempt will succeed.
        Dead = "dead",
    }

    /// A service whose faults are not a handler's.
    Service {
        /// Kafka.
        Kafka = "kafka",
        /// MongoDB.
        Mongodb = "mongodb",
    }
}
