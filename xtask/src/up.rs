//! `cargo xtask up`: the pipeline on this machine.

use std::time::Instant;

use anyhow::Result;

use rig::instance::{self, Instance};
use rig::prerequisites;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A pipeline of its own, whose ports are picked when it is first made.
    #[arg(long, default_value = instance::DEFAULT)]
    instance: String,
}

/// Starts what does not run, and says where everything is.
pub(crate) fn run(args: &Args) -> Result<()> {
    prerequisites::for_services()?;
    let instance = Instance::open(&args.instance)?;
    let begin = Instant::now();
    instance.up()?;
    let there = &instance.environment;
    println!("up in {:.1} s; logs and data are in {}", begin.elapsed().as_secs_f64(), instance.path("").display());
    println!("  PostgreSQL  {}", there.postgres);
    println!("  Kafka       {}", there.kafka);
    println!("  Connect     {}", there.connect);
    println!("  MongoDB     {}", there.mongodb);
    println!("for weir: export KAFKA_BOOTSTRAP_SERVERS={} MONGODB_URI='{}'", there.kafka, there.mongodb);
    Ok(())
}
