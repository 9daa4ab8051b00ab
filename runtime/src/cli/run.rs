//! `weir run`: reads the settings and runs the server until a signal asks it to stop.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgMatches, Command, value_parser};

use crate::config::{Setting, Settings, Sources, table};
use crate::{logging, server, shutdown};

const CONFIG: &str = "config";
const EMBEDDED: &str = "embedded";
/// How long the end waits for threads that block.
const LAST: Duration = Duration::from_secs(1);

pub(super) fn command() -> Command {
    let embedded = Arg::new(EMBEDDED).long(EMBEDDED).value_name("FILE").value_parser(value_parser!(PathBuf)).help(
        "For trying handlers: reads the records of a file, one a line as JSON, and no Kafka. Documents go to databases \
             of their own, which end in _embedded and are emptied at each start",
    );
    with_settings(Command::new("run"))
        .arg(embedded)
        .about("Runs the handlers of a folder on the events of a topic")
        .after_help(
            "Every setting is looked for as a flag, in the environment, in .env and in weir.toml, in this order; \
             docs/configuration.md lists them.",
        )
}

/// Adds every setting to a command.
pub(super) fn with_settings(command: Command) -> Command {
    command
        .arg(
            Arg::new(CONFIG)
                .long(CONFIG)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The file to read in place of weir.toml"),
        )
        .args(table().iter().map(flag))
        .args(table().iter().filter(|setting| setting.secret).map(file_flag))
}

/// Installs a provider of cryptography. Two of them are linked, so rustls cannot choose by itself.
pub(super) fn provider() -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("another provider of cryptography has been installed already");
    }
    Ok(())
}

fn flag(setting: &'static Setting) -> Arg {
    let default = setting.default.map_or_else(String::new, |default| format!(" [default: {default}]"));
    let later = if setting.later { " (takes effect in a later version)" } else { "" };
    let help = format!("{} Must be {}{default}{later}", setting.help, setting.allowed);
    let arg = Arg::new(setting.name).long(setting.flag.as_str()).value_name("VALUE").help(help);
    if setting.switch { arg.num_args(0..=1).require_equals(true).default_missing_value("true") } else { arg }
}

/// Makes the `-file` flag of a setting. Ids and names of flags live as long as the program, and there are few of these.
fn file_flag(setting: &'static Setting) -> Arg {
    let id: &'static str = format!("{}_FILE", setting.name).leak();
    let long: &'static str = format!("{}-file", setting.flag).leak();
    Arg::new(id).long(long).value_name("FILE").help(format!("A file that holds {}", setting.name))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let settings = match settings(matches) {
        Ok(settings) => settings,
        Err(error) => {
            super::complain(&error.to_string());
            return ExitCode::from(super::WRONG);
        }
    };
    let served = serve(settings, matches.get_one::<PathBuf>(EMBEDDED));
    let status = match &served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = super::with_causes(error);
            if !logging::log::shows(|| tracing::error!(error = %text, "failed")) {
                super::complain(&text);
            }
            ExitCode::from(super::status(error))
        }
    };
    logging::log::flush(logging::log::LAST_LINES);
    status
}

pub(super) fn settings(matches: &ArgMatches) -> Result<Settings, crate::config::Error> {
    let config = matches.get_one::<PathBuf>(CONFIG).map(PathBuf::as_path);
    Settings::load(&Sources::of_process(flags(matches), config)?)
}

/// Returns the flags that were given, by the settings' names.
pub(super) fn flags(matches: &ArgMatches) -> Vec<(String, String)> {
    // The ids of settings are their names, in capitals. A command's own arguments are in small letters.
    let ids = matches.ids().filter(|id| id.as_str().chars().next().is_some_and(|letter| letter.is_ascii_uppercase()));
    let value = |id: &clap::Id| Some((id.to_string(), matches.get_one::<String>(id.as_str())?.clone()));
    ids.filter_map(value).collect()
}

fn serve(settings: Settings, embedded: Option<&PathBuf>) -> anyhow::Result<()> {
    provider()?;
    logging::log::init(settings.log_format, &settings.log_level)?;
    log_settings(&settings);
    let within = settings.shutdown_timeout + server::GOODBYES;
    let shutdown = shutdown::on_signals(within).context("signals cannot be listened to")?;
    // A handler keeps a thread busy. Kafka, MongoDB and `/readyz` must not wait for it, however few processors there
    // are.
    let threads = thread::available_parallelism().map_or(2, NonZero::get).max(2);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(threads).enable_all().build().context("no runtime can be had")?;
    let result = runtime.block_on(async {
        match embedded {
            Some(file) => Box::pin(server::run_embedded(settings, file, shutdown)).await,
            None => Box::pin(server::run(settings, shutdown)).await,
        }
    });
    logging::log::has_ended();
    // Anything that still waits for Kafka or MongoDB was given up, and must not keep the process alive.
    runtime.shutdown_timeout(LAST);
    result
}

/// Logs which version runs, which settings are not at their default, and which have no effect yet.
fn log_settings(settings: &Settings) {
    let named = settings.origins.iter().map(|origin| (origin.name.to_ascii_lowercase(), origin.value.as_str().into()));
    let handed_on =
        settings.kafka_properties.iter().map(|(name, value)| (format!("kafka.{name}"), value.as_str().into()));
    let given: serde_json::Map<_, _> = named.chain(handed_on).collect();
    let fields = serde_json::Value::Object(given).to_string();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), fields, "starting");
    let unverified = settings.unverified().join(", ");
    if !unverified.is_empty() {
        let why = "anybody who can intercept a connection can pose as the server";
        tracing::warn!(settings = unverified, why, "certificates_not_verified");
    }
    let later: Vec<_> = settings.origins.iter().filter(|origin| origin.later).map(|origin| origin.name).collect();
    if !later.is_empty() {
        let settings = later.join(", ");
        tracing::warn!(settings, why = "they take effect in a later version", "settings_without_effect");
    }
}
