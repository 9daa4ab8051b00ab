//! `weir failures`: lists the deliveries that did not succeed, shows one of them, and has it tried again or discarded.

use std::fmt::Write as _;
use std::num::NonZero;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::output::{self, Format, table};
use super::{asks, run};
use crate::logging::log_line::printable as line;
use crate::operations::failures::{self, Ask, Asked, Bytes, FailureDetails, MAX_PAGE, Page, Query};
use weir_core::hint;
use weir_core::store::{Action, Store};

const ID: &str = "id";
const LIMIT: &str = "limit";
/// The most characters of a message in a list.
const MESSAGE_CHARS: usize = 80;
/// Names, values and help of the filters.
const FILTERS: [(&str, &str, &str); 5] = [
    ("reason", "REASON", "Only those that failed for this reason, such as must-match"),
    ("handler", "NAME", "Only those of this handler"),
    ("event-type", "TYPE", "Only those of events of this type"),
    ("event-id", "ID", "Only those of this event"),
    ("aggregate-id", "ID", "Only those of this aggregate"),
];

pub(super) fn command() -> Command {
    let filters = FILTERS.map(|(name, value, help)| Arg::new(name).long(name).value_name(value).help(help));
    let limit = Arg::new(LIMIT)
        .long(LIMIT)
        .value_name("NUMBER")
        .value_parser(value_parser!(u16).range(1..=i64::from(MAX_PAGE)))
        .help("How many to list: 1 to 200 [default: 50]");
    let state = Arg::new("state")
        .long("state")
        .value_name("STATE")
        .value_parser(PossibleValuesParser::new(failures::STATES.map(weir_core::store::State::as_str)))
        .help("Only those in this state");
    let is_place = |text: &str| failures::place(text).map(|_| text.to_owned());
    let after = Arg::new("after")
        .long("after")
        .value_name("PLACE")
        .value_parser(is_place)
        .help("Go on behind a page, which ends with its place");
    let list =
        Command::new("list").about("Lists them, the last one first").arg(state).args(filters).arg(limit).arg(after);
    let show = Command::new("show")
        .about("Shows one with its attempts, its log and its record")
        .arg(Arg::new(ID).value_name("ID").required(true).help("The failure's id, from the list"));
    let asked = |name: &'static str, about: &'static str| {
        Command::new(name)
            .about(about)
            .arg(Arg::new(ID).value_name("ID").required(true).help("The failure's id, from the list"))
            .arg(asks::why())
    };
    let retry = asked("retry", "Has a delivery tried again at once, with the events that wait for it after it");
    let discard = asked("discard", "Lets a failure take no effect, and the events that wait for it go on");
    Command::new("failures")
        .about(
            "Shows the deliveries that did not succeed and the records that no handler received, and deals with them",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::with_settings(output::with_output(list)))
        .subcommand(run::with_settings(output::with_output(show)))
        .subcommand(run::with_settings(retry))
        .subcommand(run::with_settings(discard))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let Some((verb, matches)) = matches.subcommand() else { return ExitCode::from(super::WRONG) };
    super::with_store(matches, async |store, _| match verb {
        "show" => show(&store, matches).await,
        "retry" => ask(&store, matches, Action::Retry).await,
        "discard" => ask(&store, matches, Action::Discard).await,
        _ => list(&store, matches).await,
    })
}

async fn ask(store: &Store, matches: &ArgMatches, action: Action) -> anyhow::Result<()> {
    let id = matches.get_one::<String>(ID).context("the id is required")?;
    let asks::Asked { by, why, at_ms } = asks::asked(matches);
    failures::ask(store, id, Ask { action, by, why, at_ms }).await?;
    let what = if action == Action::Retry { "tried again" } else { "discarded" };
    output::put(&format!("{id} is {what} by the host that owns its partition, within seconds\n"))
}

async fn list(store: &Store, matches: &ArgMatches) -> anyhow::Result<()> {
    let given = |name: &str| matches.get_one::<String>(name).cloned();
    let query = Query {
        state: given("state"),
        reason: given("reason"),
        handler: given("handler"),
        event_type: given("event-type"),
        event_id: given("event-id"),
        aggregate_id: given("aggregate-id"),
        limit: matches.get_one::<u16>(LIMIT).copied().and_then(NonZero::new),
        after: given("after"),
    };
    Format::of(matches).write(&failures::list(store, &query).await?, listed)
}

async fn show(store: &Store, matches: &ArgMatches) -> anyhow::Result<()> {
    let id = matches.get_one::<String>(ID).context("the id is required")?;
    let found = failures::show(store, id).await?;
    let none = || hint::with(&format!("the group has no failure {id:?}"), "weir failures list shows them");
    let found = found.with_context(none)?;
    Format::of(matches).write(&found, shown)
}

pub(super) fn listed(page: &Page) -> String {
    let known = |text: &Option<String>| line(text.as_deref().unwrap_or("-"));
    let rows = page.failures.iter().map(|failure| {
        [
            failure.id.clone(),
            failure.parked_at.clone(),
            failure.state.to_owned(),
            failure.reason.clone(),
            known(&failure.handler),
            known(&failure.event_type),
            known(&failure.aggregate_id),
            line(&failure.message).chars().take(MESSAGE_CHARS).collect(),
        ]
    });
    let mut text = table(["ID", "PARKED AT", "STATE", "REASON", "HANDLER", "EVENT TYPE", "AGGREGATE", "MESSAGE"], rows);
    if let Some(next) = &page.next {
        let _ = writeln!(text, "there are more: --after {next}");
    }
    text
}

pub(super) fn shown(details: &FailureDetails) -> String {
    let failure = &details.failure;
    let place = &failure.record;
    let mut text = String::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:14} {}", line(value));
        }
    };
    put("id", Some(&failure.id));
    put("state", Some(failure.state));
    put("reason", Some(&failure.reason));
    put("message", Some(&failure.message));
    put("hint", failure.hint.as_deref());
    put("handler", failure.handler.as_deref());
    put("version", details.version.as_deref());
    put("limit", details.limit.as_deref());
    put("error type", details.error_type.as_deref());
    put("event id", failure.event_id.as_deref());
    put("event type", failure.event_type.as_deref());
    put("aggregate type", failure.aggregate_type.as_deref());
    put("aggregate id", failure.aggregate_id.as_deref());
    put("created at", details.event_created_at.as_deref());
    put("record", Some(&format!("{}[{}] offset {}", place.topic, place.partition, place.offset)));
    put("parked at", Some(&failure.parked_at));
    put("holds", details.holds.then_some("later events of its aggregate wait for it"));
    let asked = |asked: &Asked| format!("{} at {} by {}: {}", asked.action, asked.at, asked.by, asked.why);
    put("requested", details.requested.as_ref().map(asked).as_deref());
    put("discarded", details.discarded.as_ref().map(asked).as_deref());
    for attempt in &details.attempts {
        put("attempt", Some(&format!("{} {}: {}", attempt.at, attempt.reason, attempt.message)));
    }
    for logged in &details.log {
        put("log", Some(&format!("{} {}", logged.level, logged.text)));
    }
    if let Some(trace) = &details.trace {
        for frame in trace.lines() {
            put("trace", Some(frame));
        }
    }
    if let Some(content) = &details.content {
        let bytes = |bytes: &Bytes| match bytes {
            Bytes::Text(text) => text.clone(),
            Bytes::Base64(text) => format!("base64 {text}"),
        };
        put("key", content.key.as_ref().map(bytes).as_deref());
        for header in &content.headers {
            let value = header.value.as_ref().map_or_else(|| "null".to_owned(), bytes);
            put("header", Some(&format!("{}: {value}", bytes(&header.name))));
        }
        put("value", content.value.as_ref().map(bytes).as_deref());
        put("left out", content.left_out_bytes.as_ref().map(|count| format!("{count} bytes")).as_deref());
    }
    text
}
