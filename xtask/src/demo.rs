//! `cargo xtask demo`: rows go into PostgreSQL, documents come out in MongoDB, and each is compared with the model.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::comparison::{self, Comparison};
use crate::instance::{Instance, Temporary};
use crate::progress::Progress;
use crate::rows::Rows;
use crate::weir::{Stats, Weir};
use crate::{cargo, guests, interrupt, prerequisites};

const INSTANCE: &str = "demo";
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows to insert.
    #[arg(long, default_value_t = 1000)]
    events: u64,
    /// Rows a second; 0 for as many as go in.
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// What decides the rows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave the pipeline and the documents, to look at them.
    #[arg(long)]
    keep: bool,
}

/// Runs the whole pipeline once, and fails where a document is not what it must be.
pub(crate) fn run(args: &Args) -> Result<()> {
    prerequisites::for_everything()?;
    println!("building weir and the handlers");
    cargo::build_weir()?;
    let handlers = guests::build()?.handlers;
    println!("starting the pipeline");
    let instance = Temporary::up(INSTANCE, args.keep)?;
    let (stats, comparison) = insert_and_compare(&instance.instance, &handlers, args)?;
    report(&stats, &comparison)?;
    if args.keep {
        let there = &instance.instance.environment;
        println!("\nkept: PostgreSQL {}, MongoDB {}", there.postgres, there.mongodb);
        println!("to clean up: cargo xtask down --instance {INSTANCE} --wipe");
    }
    Ok(())
}

fn insert_and_compare(instance: &Instance, handlers: &Path, args: &Args) -> Result<(Stats, Comparison)> {
    let since = comparison::moment();
    let weir = Weir::start(instance, handlers)?;
    println!("weir is ready; inserting {} rows", args.events);
    let begin = Instant::now();
    let mut progress = Progress::new();
    let mut rows = Rows::insert(instance, args.events, args.rate, args.seed)?;
    while !rows.done()? {
        progress.show(&weir.stats()?.lines(rows.inserted()));
        interrupt::sleep(Duration::from_millis(200))?;
    }
    let stats = weir.settled(args.events, PATIENCE, &mut progress)?;
    println!("all processed {:.1} s after the first row was inserted", begin.elapsed().as_secs_f64());
    weir.stop()?;
    Ok((stats, comparison::compare(instance, since)?))
}

fn report(stats: &Stats, comparison: &Comparison) -> Result<()> {
    println!("\ndeliveries by handler");
    stats.by_handler().for_each(|line| println!("{line}"));
    let list = |counts: &BTreeMap<String, u64>| {
        counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    };
    println!("rows: {}", list(&comparison.events));
    println!("one document of {}:\n{}", comparison.total(), serde_json::to_string_pretty(&comparison.shown)?);
    let (total, documents, parked) = (comparison.total(), list(&comparison.documents), comparison.parked);
    println!("\nequal to the model: {total} documents ({documents}), {parked} deliveries parked as they must be");
    Ok(())
}
