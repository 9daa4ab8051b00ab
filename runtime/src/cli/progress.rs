//! `weir progress`: shows how far a group has come, and sets from which record it goes on.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::output::{self, Format, table};
use super::run;
use crate::config::Settings;
use crate::logging::log_line::printable as line;
use crate::operations::progress::{self, PartitionProgress};
use weir_core::hint;
use weir_core::store::{PartitionId, Store};

const TOPIC: &str = "topic";
const PARTITION: &str = "partition";
const OFFSET: &str = "offset";
const DRY_RUN: &str = "dry-run";

pub(super) fn command() -> Command {
    let set = Command::new("set")
        .about("Sets the offset at which a partition goes on; a running host sees it within 15 s")
        .arg(
            Arg::new(TOPIC)
                .long(TOPIC)
                .value_name("TOPIC")
                .help("The topic [default: KAFKA_TOPIC, if it names one topic]"),
        )
        .arg(
            Arg::new(PARTITION)
                .long(PARTITION)
                .value_name("NUMBER")
                .required(true)
                .value_parser(value_parser!(i32).range(0..))
                .help("The partition"),
        )
        .arg(
            Arg::new(OFFSET)
                .long(OFFSET)
                .value_name("OFFSET")
                .required(true)
                .value_parser(value_parser!(i64).range(0..))
                .help("The offset of the first record to account for"),
        )
        .arg(
            Arg::new(DRY_RUN)
                .long(DRY_RUN)
                .action(ArgAction::SetTrue)
                .help("Say what would change, and change nothing"),
        );
    let show = Command::new("show").about("Shows each partition's progress");
    Command::new("progress")
        .about("Shows how far the group has come, or sets where a partition goes on")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::with_settings(output::with_output(show)))
        .subcommand(run::with_settings(set))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let Some((verb, matches)) = matches.subcommand() else { return ExitCode::from(super::WRONG) };
    super::with_store(matches, async |store, settings| {
        if verb == "set" {
            set(&store, &settings, matches).await
        } else {
            Format::of(matches).write(&progress::list(&store).await?, shown)
        }
    })
}

#[expect(clippy::ptr_arg, reason = "the type that is written in the other forms")]
pub(super) fn shown(partitions: &Vec<PartitionProgress>) -> String {
    let rows = partitions.iter().map(|of| {
        [
            of.topic.clone(),
            of.partition.to_string(),
            of.next.clone(),
            of.epoch.clone(),
            of.commits.clone(),
            of.start.clone().unwrap_or_else(|| "-".to_owned()),
            line(of.start_because.as_deref().unwrap_or("-")),
            of.owner.clone().unwrap_or_else(|| "nobody".to_owned()),
        ]
    });
    table(["TOPIC", "PARTITION", "NEXT", "EPOCH", "COMMITS", "START", "BECAUSE", "OWNER"], rows)
}

async fn set(store: &Store, settings: &Settings, matches: &ArgMatches) -> anyhow::Result<()> {
    let topic = matches.get_one::<String>(TOPIC).map(String::as_str).or(settings.kafka_topic.only());
    let topic = topic.context("--topic is required when KAFKA_TOPIC names several topics")?;
    let partition = *matches.get_one::<i32>(PARTITION).context("--partition is required")?;
    let offset = *matches.get_one::<i64>(OFFSET).context("--offset is required")?;
    let partition = PartitionId { topic: Arc::from(topic), partition };
    let before = store.progress(&partition).await?;
    let before = before.map_or_else(|| "nothing".to_owned(), |progress| progress.next.to_string());
    let dry = matches.get_flag(DRY_RUN);
    if !dry && !store.set_next(&partition, offset, "weir progress set").await? {
        let fact = format!("{partition}: somebody has claimed it meanwhile, nothing was set");
        bail!(hint::with(&fact, "try again"));
    }
    let word = if dry { "would go" } else { "goes" };
    output::put(&format!("{partition} {word} from {before} to {offset}\n"))
}
