//! The real binary against the real services, judged by what MongoDB, Kafka and HTTP show.
//!
//! `cargo xtask test` starts the services and says where they are. Without them each test fails and says so. Every test
//! has a topic, a group, databases and handlers of its own.

mod code_cache;
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
mod retries;
mod slow;
mod stalls;
mod starts;
mod stops;
mod topics;
mod world;
