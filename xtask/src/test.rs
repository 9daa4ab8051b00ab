//! `cargo xtask test`: every test of the workspace, with the services, handlers and the binary that they need.

use anyhow::Result;

use crate::guests;
use rig::cargo::{build_weir_for_proofs, cargo};
use rig::instance::{Instance, Service, Temporary};
use rig::{paths, prerequisites, process, python};

const INSTANCE: &str = "test";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the services running, and say how to use them for single tests.
    #[arg(long)]
    keep: bool,
    /// Use this instance, which stays up, instead of a fresh one.
    #[arg(long)]
    instance: Option<String>,
    /// Arguments that are passed on to `cargo test`, such as a test's name.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds everything, starts the services and runs the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    prerequisites::for_everything()?;
    // Some tests make a host die at a point that only this feature has.
    build_weir_for_proofs()?;
    let built = guests::build()?;
    let temporary = Temporary::shared_or_fresh(args.instance.as_deref(), INSTANCE, args.keep, &Service::ALL)?;
    let there = &temporary.instance.environment;
    let variables = [
        ("WEIR_TEST_KAFKA", there.kafka.clone()),
        ("WEIR_TEST_MONGODB", there.mongodb.clone()),
        ("WEIR_TEST_POSTGRES", there.postgres.clone()),
        ("WEIR_TEST_HANDLERS", built.handlers.display().to_string()),
        ("WEIR_TEST_BEHAVIOURS", built.behaviours.display().to_string()),
        ("WEIR_TEST_BIN", paths::weir().display().to_string()),
    ];
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--features", "weir/proofs"]).envs(variables.clone()).args(&args.rest);
    let done = model(&temporary.instance).and_then(|()| process::run(&mut tests, "the tests"));
    if args.keep {
        println!("\nkept; for single tests:");
        for (name, value) in variables {
            println!("  export {name}='{value}'");
        }
        println!("to clean up: cargo xtask down --instance {} --wipe", there.instance);
    }
    done
}

/// Runs the model's own tests: that it knows the rules, and that a comparison fails when it must.
fn model(instance: &Instance) -> Result<()> {
    process::run(&mut python::command(&instance.parts, "test_model.py", &[]), "the tests of the model")
}
