//! Weir's core: everything that decides, and what it decides on. It knows no runtime, no client and no WebAssembly, so
//! that the simulation can run it.
//!
//! - [`event`]: a Kafka record becomes an outbox event; pure.
//! - [`consumer`]: a member of a group: assignment, claims, queue, offsets.
//! - [`delivery`]: a batch: run, decide (pure), commit, park.
//! - [`call`]: what goes into a call of a handler and how it ended; where core and sandbox meet.
//! - [`documents`]: what a handler may ask of MongoDB, as reads and writes in BSON; pure.
//! - [`store`]: what is kept in MongoDB, and the transactions that change it.
//! - [`telemetry`]: metrics, statistics and health.
//! - [`cut`]: texts of others, cut to a bound; [`hint`]: the form of a text that says what is wrong.
//! - [`clock`]: the host's time; [`failpoint`], [`seeded`]: what proofs switch on.

pub mod call;
pub mod clock;
pub mod consumer;
pub mod cut;
pub mod delivery;
pub mod documents;
pub mod event;
pub mod failpoint;
pub mod hint;
pub mod seeded;
pub mod store;
pub mod telemetry;
