//! The sandbox from outside: components go in, results of calls come out. No service is needed.

mod behaviours;
mod bounds;
mod calls;
mod executor;
mod fixture;
mod limits;
mod load;
mod proposals;
mod traces;
mod wasi;
