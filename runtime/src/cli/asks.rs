//! What every command asks for that changes something: who, when and why.

use clap::{Arg, ArgMatches};

use crate::clock::HostClock;
use weir_core::clock::Clock as _;

const WHY: &str = "why";

/// Who asks for something, when and why.
pub(super) struct Asked {
    pub(super) by: String,
    pub(super) why: String,
    pub(super) at_ms: i64,
}

/// Returns the parameter for the reason.
pub(super) fn why() -> Arg {
    Arg::new(WHY).long(WHY).value_name("TEXT").required(true).help("The reason, which is kept")
}

/// Returns what the command line says, and the time.
pub(super) fn asked(matches: &ArgMatches) -> Asked {
    Asked {
        by: std::env::var("USER").unwrap_or_else(|_| "somebody on the command line".to_owned()),
        why: matches.get_one::<String>(WHY).cloned().unwrap_or_default(),
        at_ms: HostClock::default().now_ms(),
    }
}
