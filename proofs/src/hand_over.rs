//! Three processes of a predecessor are killed between their writes and their commits. Weir takes over their group and
//! their documents in the documented way, and nothing is doubled.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::exactly;
use crate::run::Run;
use crate::verdict::Verdict;
use rig::pipeline::Pipeline;
use rig::{clock, interrupt, paths, process, python};

const PATIENCE: Duration = Duration::from_mins(1);
/// The point at which each process dies.
const DEATHS: [&str; 3] = ["between-handlers", "before-commit", "before-handlers"];

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let events = if run.quick { 1_200 } else { 6_000 };
    let Pipeline { kafka, topic, .. } = run.pipeline();
    let since = clock::now_ms();
    // All three need partitions, so nothing is sent before they share them.
    let mut predecessor = predecessor(run, &(events / 8).to_string())?;
    share(run)?;
    python::run(&run.instance.parts, "plain_backlog.py", &[kafka, topic, &events.to_string(), "61"])?;
    predecessor.iter_mut().try_for_each(killed)?;
    println!("  the predecessor's three processes have died: {}", DEATHS.join(", "));

    let script = in_doubt(run)?;
    let commands: Vec<&str> = script.lines().filter(|line| line.starts_with("weir ")).collect();
    for command in &commands {
        println!("  {command}");
        follow(run, command)?;
    }
    ensure!(commands.len() >= 2, "two processes died after they had written, but the script found this:\n{script}");
    ensure!(script.contains("added to total_users"), "the user who was not counted was not found:\n{script}");

    let weir = run.host(&run.handlers([])?)?;
    run.settled(events, PATIENCE)?;
    let left = weir.stats()?.total_processed;
    weir.stop()?;
    let found = exactly::compare(run, run.pipeline(), since)?;
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

/// Starts the predecessor's processes.
fn predecessor(run: &Run<'_>, after: &str) -> Result<Vec<Ended>> {
    let Pipeline { kafka, mongodb, group, topic, data, .. } = run.pipeline();
    let start = |death| {
        let arguments = [&**kafka, mongodb, group, topic, data, death, after];
        let child = python::command(&run.instance.parts, "predecessor.py", &arguments).spawn();
        Ok(Ended(child.context("cannot start predecessor.py")?))
    };
    DEATHS.into_iter().map(start).collect()
}

/// Waits until all of them are members of the group and have partitions.
fn share(run: &Run<'_>) -> Result<()> {
    let begin = Instant::now();
    while run.block(run.world.kafka.members(&run.pipeline().group))? != Some(DEATHS.len()) {
        let seconds = PATIENCE.as_secs();
        ensure!(begin.elapsed() < PATIENCE, "the predecessor's processes do not share the topic after {seconds} s");
        interrupt::sleep(Duration::from_millis(100))?;
    }
    Ok(())
}

/// Waits until a process has killed itself.
fn killed(process: &mut Ended) -> Result<()> {
    let begin = Instant::now();
    loop {
        if let Some(status) = process.0.try_wait()? {
            ensure!(status.code().is_none(), "predecessor.py was not killed: {status}");
            return Ok(());
        }
        let seconds = PATIENCE.as_secs();
        ensure!(begin.elapsed() < PATIENCE, "a process of the predecessor was not killed within {seconds} s");
        interrupt::sleep(Duration::from_millis(50))?;
    }
}

/// Returns what the documented script prints, once Kafka has noticed that the predecessor is gone.
fn in_doubt(run: &Run<'_>) -> Result<String> {
    let Pipeline { kafka, mongodb, group, topic, data, .. } = run.pipeline();
    let begin = Instant::now();
    loop {
        let mut command = Command::new(&run.instance.parts.python);
        command.arg(paths::root().join("deploy/takeover/in_doubt.py")).arg("--repair");
        command.args(["--kafka", kafka, "--mongodb", mongodb, "--topic", topic, "--group", group, "--database", data]);
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
    let Pipeline { mongodb, group, own, .. } = run.pipeline();
    command.current_dir(&run.world.handlers).args(line.split(' ').skip(1));
    command.env("MONGODB_URI", mongodb).env("KAFKA_GROUP_ID", group).env("WEIR_DATABASE", own);
    process::run(&mut command, line)
}

/// A process that is killed when the value is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
