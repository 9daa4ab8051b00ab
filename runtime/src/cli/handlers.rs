//! `weir handlers`: lists the handlers that hosts have loaded, shows one of them, and pauses it or lets it go on.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command};

use super::output::{self, Format, table};
use super::{asks, run};
use crate::logging::log_line::printable as line;
use crate::operations::handlers::{self, Decision, Handler, HandlerDetails, Verb};
use weir_core::hint;
use weir_core::store::{Decided, Store};

const NAME: &str = "name";
/// The digits of a version that tell it from others.
const VERSION_DIGITS: usize = 12;

pub(super) fn command() -> Command {
    let list = Command::new("list").about("Lists them in the order in which they run");
    let named = |verb: &'static str, about: &'static str| {
        let name = Arg::new(NAME).value_name("NAME").required(true).help("The handler's name, from the list");
        Command::new(verb).about(about).arg(name)
    };
    let show = named("show", "Shows one with what stops it and what is parked for it");
    let pause = named("pause", "Has the events of its line wait until it is resumed");
    let resume = named("resume", "Ends a pause, and has what waits handled in its order");
    let reset = named("reset", "Lets a handler that has tripped run again at once");
    Command::new("handlers")
        .about("Shows the handlers that hosts have loaded, pauses them and lets them go on")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run::with_settings(output::with_output(list)))
        .subcommand(run::with_settings(output::with_output(show)))
        .subcommand(run::with_settings(pause.arg(asks::why())))
        .subcommand(run::with_settings(resume.arg(asks::why())))
        .subcommand(run::with_settings(reset.arg(asks::why())))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let Some((verb, matches)) = matches.subcommand() else { return ExitCode::from(super::WRONG) };
    super::with_store(matches, async |store, _| match verb {
        "show" => show(&store, matches).await,
        "pause" => act(&store, matches, Verb::Pause, "is paused").await,
        "resume" => act(&store, matches, Verb::Resume, "goes on").await,
        "reset" => act(&store, matches, Verb::Reset, "goes on").await,
        _ => Format::of(matches).write(&handlers::list(&store).await?, listed),
    })
}

async fn act(store: &Store, matches: &ArgMatches, verb: Verb, what: &str) -> anyhow::Result<()> {
    let name = matches.get_one::<String>(NAME).context("the name is required")?;
    let asks::Asked { by, why, at_ms } = asks::asked(matches);
    let stopped = handlers::act(store, name, verb, &Decided { at_ms, by, why }).await?;
    let still = stopped.iter().filter(|_| verb != Verb::Pause);
    let still: Vec<String> = still.map(|handler| format!("{} is {}", handler.name, handler.state)).collect();
    output::put(&if still.is_empty() {
        format!("{name} {what} on every host within two seconds\n")
    } else {
        format!("done, but the line of {name} stays stopped, because {}\n", still.join(" and "))
    })
}

async fn show(store: &Store, matches: &ArgMatches) -> anyhow::Result<()> {
    let name = matches.get_one::<String>(NAME).context("the name is required")?;
    let none = || hint::with(&format!("no handler {name:?} was ever loaded"), "weir handlers list shows them");
    let found = handlers::show(store, name).await?.with_context(none)?;
    Format::of(matches).write(&found, shown)
}

#[expect(clippy::ptr_arg, reason = "the type that is written in the other forms")]
pub(super) fn listed(handlers: &Vec<Handler>) -> String {
    let rows = handlers.iter().map(|handler| {
        [
            handler.id.to_string(),
            handler.team.clone(),
            handler.name.clone(),
            handler.line.map_or_else(|| "-".to_owned(), |line| line.to_string()),
            handler.state.to_owned(),
            handler.generation.to_string(),
            handler.version.chars().take(VERSION_DIGITS).collect(),
            line(&handler.events.join(", ")),
        ]
    });
    table(["ID", "TEAM", "NAME", "LINE", "STATE", "GENERATION", "VERSION", "EVENTS"], rows)
}

pub(super) fn shown(details: &HandlerDetails) -> String {
    let handler = &details.handler;
    let mut text = String::new();
    let mut put = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:14} {}", line(value));
    };
    put("id", &handler.id.to_string());
    put("team", &handler.team);
    put("name", &handler.name);
    if let Some(of) = handler.line {
        put("line", &of.to_string());
    }
    put("state", handler.state);
    let decided = |decision: &Decision| format!("at {} by {}: {}", decision.at, decision.by, decision.why);
    if let Some(paused) = &details.paused {
        put("paused", &decided(paused));
    }
    if let Some(tripped) = &details.tripped {
        put("tripped", &format!("at {} {}: {}", tripped.at, tripped.reason, tripped.message));
    }
    if let Some(ended) = &details.ended {
        put("went on", &decided(ended));
    }
    for count in &details.failures {
        put("failures", &format!("{} {}, the oldest since {}", count.count, count.state, count.oldest));
    }
    put("generation", &handler.generation.to_string());
    put("version", &handler.version);
    put("events", &handler.events.join(", "));
    put("description", &handler.description);
    text
}
