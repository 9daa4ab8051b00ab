//! `weir-bench`: the program that `cargo xtask bench` measures with. Each verb writes one line of JSON.

// A program for another program prints to stdout.
#![allow(clippy::print_stdout)]

mod ceiling;
mod drop;
mod empty_call;
mod latency;
mod processes;
mod watch;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write the mix into MongoDB in batches, without Kafka and handlers.
    Ceiling(ceiling::Args),
    /// Watch hosts work through a backlog, from the first commit to the last.
    Watch(watch::Args),
    /// Insert rows at a rate, and time them from their commit to a change stream.
    Latency(latency::Args),
    /// Drop databases.
    Drop(drop::Args),
    /// Call a handler that does nothing, each time in a fresh instance.
    EmptyCall,
}

#[tokio::main]
async fn main() -> Result<()> {
    let said = match Line::parse().verb {
        Verb::Ceiling(args) => ceiling::run(&args).await?,
        Verb::Watch(args) => watch::run(&args).await?,
        Verb::Latency(args) => latency::run(&args).await?,
        Verb::Drop(args) => drop::run(&args).await?,
        Verb::EmptyCall => empty_call::run().await?,
    };
    println!("{said}");
    Ok(())
}
