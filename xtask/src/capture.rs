//! `cargo xtask capture`: the records that the real Debezium writes, for the fixtures that decoding is tested with.
//!
//! `rig/python/captures.py` says what to record. A capture is worth nothing without expectations, and those are written
//! by hand from the rows that are inserted there.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use rig::instance::{Service, Temporary};
use rig::{paths, prerequisites, process, python};

const INSTANCE: &str = "capture";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The captures to record; all if none is named.
    names: Vec<String>,
    /// Record only those of one Debezium.
    #[arg(long)]
    only: Option<Series>,
    /// The folder to write to, instead of the fixtures.
    #[arg(long)]
    into: Option<PathBuf>,
    /// Leave the services running.
    #[arg(long)]
    keep: bool,
}

/// A release series of Debezium.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Series {
    /// The series that the local services run.
    Current,
    /// 2.4, the predecessor's series.
    Old,
}

/// Records captures, first with one Debezium and then with the other.
pub(crate) fn run(args: &Args) -> Result<()> {
    prerequisites::for_services()?;
    let mut temporary = Temporary::up_with(INSTANCE, args.keep, &[Service::Postgres, Service::Kafka])?;
    for series in [Series::Current, Series::Old] {
        if args.only.is_none_or(|only| only == series) {
            record(&mut temporary, series, args)?;
        }
    }
    Ok(())
}

fn record(temporary: &mut Temporary, series: Series, args: &Args) -> Result<()> {
    let instance = &mut temporary.instance;
    let set = match series {
        Series::Current => "current",
        Series::Old => {
            instance.parts = instance.parts.clone().with_old_debezium()?;
            "old"
        }
    };
    instance.stop(Service::Connect)?;
    instance.start_worker()?;
    let fixtures = || paths::root().join("runtime/tests/fixtures/captures");
    let folder = args.into.clone().unwrap_or_else(fixtures);
    paths::make(&folder)?;
    let there = &instance.environment;
    let settings = json!({
        "postgres": there.postgres, "kafka": there.kafka, "connect": there.connect, "connector": instance.connector()?,
        "set": set, "names": args.names, "folder": folder,
    });
    println!("{set}:");
    process::run(&mut python::command(&instance.parts, "capture.py", &[&settings.to_string()]), "the recording")
}
