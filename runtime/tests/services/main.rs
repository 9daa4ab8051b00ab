//! The real binary against the real services: what MongoDB, Kafka and HTTP show of it.
//!
//! `cargo xtask test` brings the services up and says where they are; without that each test fails and says so. Every
//! test has a topic, a group, databases and handlers of its own.

mod crashes;
mod dead;
mod embedded;
mod ends;
mod failures;
mod format;
mod leases;
mod life;
mod once;
mod outage;
mod owners;
mod proxy;
mod reads;
mod records;
mod refused;
mod stalls;
mod starts;
mod topics;
mod world;
