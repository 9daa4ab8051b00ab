//! `cargo xtask demo`: rows go into PostgreSQL, documents come out in MongoDB, and each is compared with the model.
//!
//! If Java or Maven is missing, there can be no PostgreSQL, Debezium and Kafka. The demo then says so, and runs the
//! records that they would have made on Weir's embedded Kafka.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::guests;
use rig::comparison::{self, Comparison};
use rig::instance::{Environment, Instance, Outbox, Service, Temporary};
use rig::pipeline::Pipeline;
use rig::progress::Progress;
use rig::rows::Rows;
use rig::weir::{Stats, Weir};
use rig::{cargo, clock, interrupt, paths, prerequisites, python};

const INSTANCE: &str = "demo";
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows to insert.
    #[arg(long, default_value_t = 1000)]
    events: u64,
    /// Rows per second; 0 for as many as possible.
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// The seed that decides the rows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave the pipeline and the documents, to look at them.
    #[arg(long)]
    keep: bool,
    /// Use this instance, which stays up, instead of a fresh one.
    #[arg(long)]
    instance: Option<String>,
    /// Run without PostgreSQL, Debezium and Kafka, as on a machine that lacks Java or Maven.
    #[arg(long)]
    embedded: bool,
}

/// Runs the whole pipeline once. Fails if a document is not what it must be.
pub(crate) fn run(args: &Args) -> Result<()> {
    let lacks = prerequisites::lacks_of_java();
    if args.embedded || !lacks.is_empty() {
        return run_embedded(args, &lacks);
    }
    prerequisites::for_everything()?;
    println!("building weir and the handlers");
    cargo::build_weir()?;
    let handlers = guests::build()?.handlers;
    println!("starting the pipeline");
    let temporary = Temporary::shared_or_fresh(args.instance.as_deref(), INSTANCE, args.keep, &Service::ALL)?;
    let instance = &temporary.instance;
    let pipeline = pipeline(instance, args);
    // Others may have used the documented outbox of a shared instance.
    let _outbox = if args.instance.is_some() {
        instance.make_topic(&pipeline.topic)?;
        Some(Outbox::make(instance, &pipeline)?)
    } else {
        None
    };
    let (stats, comparison) = insert_and_compare(instance, &pipeline, &handlers, args)?;
    report(&stats, &comparison)?;
    if args.keep {
        let there = &instance.environment;
        println!("\nkept: PostgreSQL {}, MongoDB {}", there.postgres, there.mongodb);
        println!("to clean up: cargo xtask down --instance {} --wipe", instance.environment.instance);
    }
    Ok(())
}

/// Runs the part that needs neither Java nor Maven: records from a file, an embedded Kafka, a real MongoDB.
fn run_embedded(args: &Args, lacks: &[String]) -> Result<()> {
    if !lacks.is_empty() {
        println!("this machine lacks:\n  - {}", lacks.join("\n  - "));
    }
    println!(
        "so this is not the whole pipeline: no PostgreSQL, no Debezium, and no Kafka but the one that Weir embeds for \
         trying handlers; MongoDB is real"
    );
    prerequisites::for_embedded()?;
    println!("building weir and the handlers");
    cargo::build_weir()?;
    let handlers = guests::build()?.handlers;
    let temporary = match args.instance.as_deref() {
        Some(shared) => Temporary::shared_or_fresh(Some(shared), INSTANCE, true, &[Service::Mongod])?,
        None => Temporary::mongod(INSTANCE, args.keep)?,
    };
    let instance = &temporary.instance;
    let records = instance.path("records.jsonl");
    let (events, seed, file) = (args.events.to_string(), args.seed.to_string(), records.to_string_lossy());
    python::run(&instance.parts, "generate.py", &["--records", &file, "--events", &events, "--seed", &seed])?;
    println!("{} records that Debezium would have made are in {file}", args.events);

    let since = clock::now_ms();
    let pipeline = pipeline(instance, args);
    let mut command = pipeline.command(&paths::weir(), &handlers);
    let port = instance.environment.ports.admin;
    let weir = Weir::launch(instance.daemon("weir"), port, command.arg("--embedded").arg(&records))?;
    weir.ready(PATIENCE)?;
    let stats = weir.settled(args.events, PATIENCE, &mut Progress::default())?;
    weir.stop()?;
    report(&stats, &comparison::compare_embedded(instance, &pipeline, &records, since)?)?;
    if args.keep {
        println!("\nkept: MongoDB {}, databases ending in _embedded", instance.environment.mongodb);
        println!("to clean up: cargo xtask down --instance {} --wipe", instance.environment.instance);
    }
    Ok(())
}

/// Returns the documented names on the demo's own instance, and fresh names on a shared one.
fn pipeline(instance: &Instance, args: &Args) -> Pipeline {
    let of = if args.instance.is_some() {
        |there: &Environment| Pipeline::fresh(there, "demo")
    } else {
        Pipeline::documented
    };
    of(&instance.environment)
}

fn insert_and_compare(
    instance: &Instance,
    pipeline: &Pipeline,
    handlers: &Path,
    args: &Args,
) -> Result<(Stats, Comparison)> {
    let since = clock::now_ms();
    let weir = Weir::start(instance, pipeline, handlers)?;
    println!("weir is ready; inserting {} rows", args.events);
    let begin = Instant::now();
    let mut progress = Progress::default();
    let mut rows = Rows::insert(instance, pipeline, args.events, args.rate, args.seed)?;
    while !rows.done()? {
        progress.show(&weir.stats()?.lines(rows.inserted()));
        interrupt::sleep(Duration::from_millis(200))?;
    }
    let stats = weir.settled(args.events, PATIENCE, &mut progress)?;
    println!("all processed {:.1} s after the first row was inserted", begin.elapsed().as_secs_f64());
    weir.stop()?;
    Ok((stats, comparison::compare(instance, pipeline, since)?))
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
    println!(
        "\nequal to the model: {total} documents ({documents}), {parked} deliveries parked, as many as in the model"
    );
    Ok(())
}
