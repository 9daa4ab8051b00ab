//! The table of promises, one row each.

use anyhow::Result;
use rig::instance::Service;

use crate::run::Run;
use crate::verdict::{Started, Verdict};
use crate::{
    containment, culprit, decoding, exactly_once, faults, hand_over, hostile_records, isolation, latency, ledger_floor,
    outage, reads, recovery, reference, secured, simulated, stalls, throughput,
};

/// A promise and what proves it.
pub(crate) struct Proof {
    pub(crate) name: &'static str,
    /// The promise in one sentence.
    pub(crate) promise: &'static str,
    pub(crate) way: Way,
}

/// What proves a promise.
pub(crate) enum Way {
    /// Weir itself in a world of the proof's own, with these services, which the proofs of a run share. With Connect,
    /// the world has an outbox of its own as well.
    Real(&'static [Service], fn(&Run<'_>) -> Result<Verdict>),
    /// The same on an instance that is stopped afterwards, for a proof that harms its services.
    Apart(&'static [Service], fn(&Run<'_>) -> Result<Verdict>),
    /// Weir itself with services that the proof starts, which does not count towards its time.
    Own(fn() -> Result<Started>),
    /// Something that needs no service. The argument says whether to run the quick form.
    Alone(fn(bool) -> Result<Verdict>),
}

/// Enough for a proof that writes records to Kafka itself.
const WITHOUT_OUTBOX: [Service; 2] = [Service::Kafka, Service::Mongod];

/// Every proof, in the order of `--list`.
pub(crate) const PROOFS: &[Proof] = &[
    Proof {
        name: "decoding",
        promise: "every recorded Debezium record decodes to what the inserted row contains",
        way: Way::Alone(|_| decoding::run()),
    },
    Proof {
        name: "reference",
        promise: "a row inserted by SQL produces its documents once, and updating or deleting the row changes nothing",
        way: Way::Real(&Service::ALL, reference::run),
    },
    Proof {
        name: "containment",
        promise: "a handler that misbehaves is stopped by a limit, and harms neither the host nor another handler",
        way: Way::Real(&Service::ALL, containment::run),
    },
    Proof {
        name: "hostile-records",
        promise: "no record ends or holds up the host or changes silently, and none of up to 32 MiB loses a byte",
        way: Way::Real(&WITHOUT_OUTBOX, hostile_records::run),
    },
    Proof {
        name: "outage",
        promise: "an outage of Kafka or MongoDB changes no document and costs no delivery an attempt",
        way: Way::Real(&Service::ALL, outage::run),
    },
    Proof {
        name: "stalls",
        promise: "whatever stalls, a host answers probes and signals, parks nothing, and goes on by itself afterwards",
        way: Way::Apart(&WITHOUT_OUTBOX, stalls::run),
    },
    Proof {
        name: "exactly-once",
        promise: "each event takes effect once and in its aggregate's order, whatever is killed or sent twice",
        way: Way::Real(&WITHOUT_OUTBOX, exactly_once::run),
    },
    Proof {
        name: "faults",
        promise: "each event takes effect once and in order, whatever stalls, restarts or loses a connection",
        way: Way::Real(&[Service::Kafka], faults::run),
    },
    Proof {
        name: "recovery",
        promise: "when a host dies or is stopped, another soon takes over; a stop makes no delivery run again",
        way: Way::Real(&WITHOUT_OUTBOX, recovery::run),
    },
    Proof {
        name: "reads",
        promise: "reading, changing and writing back a document loses no update; the reference mix runs in batches",
        way: Way::Real(&WITHOUT_OUTBOX, reads::run),
    },
    Proof {
        name: "hand-over",
        promise: "if a predecessor was killed between its writes and its commit, Weir goes on and doubles nothing",
        way: Way::Real(&WITHOUT_OUTBOX, hand_over::run),
    },
    Proof {
        name: "culprit",
        promise: "a write that always fails is found in its batch and parked alone, and costs the rest one transaction",
        way: Way::Real(&WITHOUT_OUTBOX, culprit::run),
    },
    Proof {
        name: "ledger-floor",
        promise: "whatever the retention is, nothing is doubled and nothing is refused that a new group may read",
        way: Way::Real(&WITHOUT_OUTBOX, ledger_floor::run),
    },
    Proof {
        name: "simulation",
        promise: "the same holds in any order of things: faults from seeds, a simulated Kafka, MongoDB and clock, a model",
        way: Way::Alone(simulated::seeds),
    },
    Proof {
        name: "seeded-bugs",
        promise: "the simulation finds errors: with a seeded bug, the promise that it breaks fails in a seed that passes without",
        way: Way::Alone(simulated::bugs),
    },
    Proof {
        name: "secured",
        promise: "TLS, logins and certificates work with the rights of deploy/roles, and every refusal is reported",
        way: Way::Own(secured::start),
    },
    Proof {
        name: "throughput",
        promise: "one host comes near what MongoDB allows, and far above a consumer written by hand",
        way: Way::Real(&WITHOUT_OUTBOX, throughput::run),
    },
    Proof {
        name: "isolation",
        promise: "a handler that misbehaves holds up no handler of another line, and loses nothing once it is replaced",
        way: Way::Real(&WITHOUT_OUTBOX, isolation::run),
    },
    Proof {
        name: "latency",
        promise: "a committed row soon is a readable document, with every commit synced to the disk",
        way: Way::Real(&Service::ALL, latency::run),
    },
];
