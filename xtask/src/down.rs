//! `cargo xtask down`: stops what `up` started.

use anyhow::Result;

use rig::instance;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The pipeline to stop.
    #[arg(long, default_value = instance::DEFAULT)]
    instance: String,
    /// Remove its data and logs too.
    #[arg(long)]
    wipe: bool,
}

/// Stops the services, and skips those that do not run.
pub(crate) fn run(args: &Args) -> Result<()> {
    instance::down(&args.instance, args.wipe)
}
