//! What is told apart in metrics and statistics: the values of their labels.

/// An enum whose members have a name as a label.
macro_rules! labels {
    ($( $(#[$doc:meta])+ $name:ident { $( $(#[$member_doc:meta])+ $member:ident = $text:literal, )+ } )+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$member_doc])+ $member, )+
        }

        impl $name {
            pub(super) const NAMES: &[&str] = &[$( $text ),+];

            /// The name in metrics and statistics.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    )+};
}

labels! {
    /// What a record of Kafka's turned out to be.
    RecordKind {
        /// An event for the handlers.
        Event = "event",
        /// A change of an outbox row.
        Update = "update",
        /// A deleted outbox row.
        Delete = "delete",
        /// A row of a snapshot, where those are no events.
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
        /// An event of which a value was not sent, as PostgreSQL does with what a change left as it was.
        Unsent = "unsent",
        /// A record that cannot be read.
        Undecodable = "undecodable",
    }

    /// How an event was accounted for.
    EventResult {
        /// Its deliveries were committed, each with its own outcome.
        Committed = "committed",
        /// The ledger or the batch knew it already.
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
        /// It waits to be tried again.
        Parked = "parked",
        /// No attempt will succeed.
        Dead = "dead",
    }

    /// A service whose faults are nobody's doing.
    Service {
        /// Kafka.
        Kafka = "kafka",
        /// MongoDB.
        Mongodb = "mongodb",
    }
}
