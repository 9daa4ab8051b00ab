//! What Weir costs, compared with what MongoDB allows and what people write by hand.
//!
//! All ways run in one go, one after the other and round after round, on one backlog and one instance, because a figure
//! of another hour or machine says nothing about a ratio. `cargo xtask bench` and the proofs `throughput` and `latency`
//! use this code.

pub mod figures;
pub mod profile;
pub mod stage;

use std::path::PathBuf;

use anyhow::Result;

use crate::{cargo, paths};
use stage::Programs;

/// If the bare ceiling is below this many events per second, the machine is not quiet and a run is void.
pub const QUIET: f64 = 12_000.0;
/// The same for the consumer written by hand.
pub const QUIET_BY_HAND: f64 = 100.0;
/// Rows per second at which latency is measured.
pub const RATES: [u64; 2] = [50, 200];

/// Builds what is measured.
pub fn programs(optimised: bool) -> Result<Programs> {
    let of: fn(&str) -> PathBuf = if optimised {
        println!("building weir and its measures, optimised");
        cargo::build_release()?;
        paths::release
    } else {
        cargo::build_weir_for_proofs()?;
        paths::debug
    };
    Ok(Programs { weir: of("weir"), tool: of("weir-bench"), other: None })
}
