//! The project's own commands.

mod guests;
mod sync_wit;

use anyhow::Result;
use clap::Parser;

/// The commands of the Weir repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Verb {
    /// Build the six handlers and the behaviours for tests, a component each.
    Guests,
    /// Copy the contract to the packages that need a copy of it.
    SyncWit(sync_wit::Args),
}

#[allow(clippy::print_stdout)]
fn main() -> Result<()> {
    match Verb::parse() {
        Verb::Guests => {
            let built = guests::build()?;
            println!("{}\n{}", built.handlers.display(), built.behaviours.display());
            Ok(())
        }
        Verb::SyncWit(args) => sync_wit::run(&args),
    }
}
