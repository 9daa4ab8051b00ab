//! Three processes of a predecessor are killed between their writes and their commits; Weir takes over their group and
//! their documents by the documented way, and nothing is doubled.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::exactly;
use crate::run::Run;
use crate::verdict::Verdict;
use rig::instance::{Service, TOPIC};
use rig::weir::{self, Weir};
use rig::{comparison, interrupt, paths, process, python};

const PATIENCE: Duration = Duration::from_mins(1);
/// Where each process dies.
const DEATHS: [&str; 3] = ["between-handlers", "before-commit", "before-handlers"];

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let events = if run.quick { 1_200 } else { 6_000 };
    let there = &run.instance.environment;
    // All three are to have partitions, so the group waits for its members before it gives the first one everything.
    run.instance.make_groups_patient();
    run.instance.stop(Service::Kafka)?;
    run.instance.start(Service::Kafka)?;
    let since = comparison::moment();
    let total = events.to_string();
    python::run(&run.instance.parts, "plain_backlog.py", &[&there.kafka, TOPIC, &total, "61"])?;
    predecessor(run, &(events / 8).to_string())?;
    println!("  the predecessor's three processes have died: {}", DEATHS.join(", "));

    let script = in_doubt(run)?;
    let commands: Vec<&str> = script.lines().filter(|line| line.starts_with("weir ")).collect();
    for command in &commands {
        println!("  {command}");
        follow(run, command)?;
    }
    ensure!(commands.len() >= 2, "two processes died after they had written, and this was found:\n{script}");
    ensure!(script.contains("added to total_users"), "the user who was not counted was not found:\n{script}");

    let weir = Weir::start(run.instance, &run.built.handlers)?;
    run.settled(events, PATIENCE)?;
    let left = weir.stats()?.total_processed;
    weir.stop()?;
    let found = exactly::compare(run, &there.mongodb, since)?;
    Ok(Verdict {
        holds: found.holds() && left > 0 && left < events,
        figure: format!(
            "{} of {events} events were the predecessor's, {} in doubt and written; {} documents compared, {} differences, \
             {} parked",
            events - left,
            commands.len(),
            found.documents.values().sum::<u64>(),
            found.differences,
            found.parked
        ),
        bound: "every document equal to the model, nothing parked".to_owned(),
        details: json!({ "script": script, "found": found }),
    })
}

/// Runs the predecessor's processes until each has killed itself.
fn predecessor(run: &Run<'_>, after: &str) -> Result<()> {
    let there = &run.instance.environment;
    let mut children = Vec::new();
    for death in DEATHS {
        let arguments = [&*there.kafka, &there.mongodb, weir::GROUP, TOPIC, death, after];
        let child = python::command(&run.instance.parts, "predecessor.py", &arguments).spawn();
        children.push(Ended(child.context("cannot start predecessor.py")?));
    }
    let begin = Instant::now();
    for child in &mut children {
        loop {
            if let Some(status) = child.0.try_wait()? {
                ensure!(status.code().is_none(), "predecessor.py was not killed: {status}");
                break;
            }
            if begin.elapsed() > PATIENCE {
                bail!("a process of the predecessor was not killed within {} s", PATIENCE.as_secs());
            }
            interrupt::sleep(Duration::from_millis(50))?;
        }
    }
    Ok(())
}

/// What the documented script prints, once Kafka has seen that the predecessor is gone.
fn in_doubt(run: &Run<'_>) -> Result<String> {
    let there = &run.instance.environment;
    let begin = Instant::now();
    loop {
        let mut command = Command::new(&run.instance.parts.python);
        command.arg(paths::root().join("deploy/takeover/in_doubt.py")).arg("--repair");
        command.args(["--kafka", &there.kafka, "--mongodb", &there.mongodb]);
        match process::output(&mut command, "in_doubt.py") {
            Err(error) if error.to_string().contains("members") && begin.elapsed() < PATIENCE => {
                interrupt::sleep(Duration::from_secs(1))?;
            }
            said => return said,
        }
    }
}

/// Runs a command of the script.
fn follow(run: &Run<'_>, line: &str) -> Result<()> {
    let mut command = Command::new(paths::weir());
    command.current_dir(run.instance.path("")).args(line.split(' ').skip(1));
    command.env("MONGODB_URI", &run.instance.environment.mongodb).env("KAFKA_GROUP_ID", weir::GROUP);
    process::run(&mut command, line)
}

/// A process that ends when the value goes.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
