//! Handlers that misbehave in every way, beside the six that do not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;

use super::counts::{self, Group};
use super::hostile::{self, End, Kind};
use super::{Run, Verdict};
use crate::instance::Instance;
use crate::progress::Progress;
use crate::rows::Rows;
use crate::weir::{self, Stats, Weir};
use crate::{comparison, interrupt, paths, python};

const MIB: u64 = 1 << 20;
const GROWTH: u64 = 64 * MIB;
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) fn run(run: &Run<'_>) -> Result<Verdict> {
    let (hostile, good, warm_up) = if run.quick { (200, 300, 40) } else { (10_000, 5_000, 400) };
    refused_at_load(run.instance)?;

    let since = comparison::moment();
    let folder = handlers(run.instance, hostile::KINDS.iter().map(|kind| kind.name))?;
    let weir = Weir::start(run.instance, &folder)?;
    // What the host grows by once, such as its pools and the first documents, is no answer to hostility.
    let mut sent = Sent::default();
    sent.insert(run, &weir, warm_up, 200, 3)?;
    let before = resident(&weir)?;
    println!("  {} MiB resident after a warm-up of {} hostile deliveries", before / MIB, sent.hostile());
    let peak = sent.insert(run, &weir, hostile, good, 4)?;
    run.settled(sent.rows(), PATIENCE)?;
    let after = resident(&weir)?;
    let stats = weir.stats()?;
    let dropped = weir.metrics("log_lines_dropped")?;
    let log = fs::read_to_string(weir.log())?;
    drop(weir);

    let compared = comparison::compare(run.instance, since)?;
    let wrong = judge(&sent.counts, &counts::parked(run.instance)?, &stats, &dropped, &log);
    ensure!(wrong.is_empty(), "hostile handlers met something else:\n  {}", wrong.join("\n  "));
    let growth = after.saturating_sub(before);
    let deliveries = sent.hostile();
    Ok(Verdict {
        holds: growth <= GROWTH,
        figure: format!(
            "{deliveries} hostile deliveries of {} kinds met what they must and 1 component was refused at load; {} \
             documents of the six handlers equal to the model; the host grew by {:.1} MiB",
            sent.counts.len(),
            compared.total(),
            mib(growth)
        ),
        bound: format!("each stopped by its own limit, every document equal, at most {} MiB", GROWTH / MIB),
        details: json!({
            "deliveries": sent.counts,
            "resident_mib": { "before": mib(before), "after": mib(after), "peak": mib(peak) },
            "log_lines_dropped": dropped,
            "documents": compared.documents,
        }),
    })
}

fn mib(bytes: u64) -> f64 {
    // Of a process's memory, no digit of interest is lost.
    #[allow(clippy::cast_precision_loss)]
    let bytes = bytes as f64;
    (bytes / 1_048_576.0 * 10.0).round() / 10.0
}

/// A folder of the six handlers and some behaviours.
fn handlers<'a>(instance: &Instance, behaviours: impl Iterator<Item = &'a str>) -> Result<PathBuf> {
    let folder = instance.path("handlers");
    paths::remove(&folder)?;
    paths::make(&folder)?;
    for entry in fs::read_dir(paths::handlers()).context("there are no handlers")? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "wasm") {
            copy(&file, &folder)?;
        }
    }
    for name in behaviours {
        copy(&paths::behaviours().join(format!("{name}.wasm")), &folder)?;
    }
    Ok(folder)
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a component has no name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

/// A host does not start with a component that imports what nobody is given, and says what that is.
fn refused_at_load(instance: &Instance) -> Result<()> {
    let (name, import) = hostile::REFUSED_AT_LOAD;
    let folder = handlers(instance, std::iter::once(name))?;
    let daemon = instance.daemon("weir");
    daemon.start(&mut weir::command(instance, &folder))?;
    let begin = Instant::now();
    while daemon.running().is_some() {
        if begin.elapsed() > Duration::from_secs(30) {
            daemon.stop()?;
            bail!("a host started with {name}.wasm in its folder");
        }
        interrupt::sleep(Duration::from_millis(100))?;
    }
    let said = fs::read_to_string(&daemon.log)?;
    ensure!(said.contains(import) && said.contains(name), "the refusal of {name}.wasm does not name {import}:\n{said}");
    println!("  {name}.wasm was refused at load, and {import} named");
    Ok(())
}

/// What was inserted so far.
#[derive(Default)]
struct Sent {
    counts: BTreeMap<&'static str, u64>,
    good: u64,
}

impl Sent {
    fn hostile(&self) -> u64 {
        self.counts.values().sum()
    }

    fn rows(&self) -> u64 {
        self.hostile() + self.good
    }

    /// Inserts hostile rows and good ones side by side, and waits until all are accounted for. Gives the most memory
    /// that the host was seen to hold.
    fn insert(&mut self, run: &Run<'_>, weir: &Weir, hostile: u64, good: u64, seed: u64) -> Result<u64> {
        let counts = hostile::counts(hostile);
        let by_type: BTreeMap<String, u64> = counts.iter().map(|(kind, count)| (kind.event_type(), *count)).collect();
        let by_type = serde_json::to_string(&by_type)?;
        for (kind, count) in counts {
            *self.counts.entry(kind.name).or_default() += count;
        }
        self.good += good;

        let mut progress = Progress::new();
        let mut rows = Rows::insert(run.instance, good, 0, seed)?;
        let seed = seed.to_string();
        let peak = thread::scope(|scope| {
            let arguments = [&*run.instance.environment.postgres, &by_type, &seed];
            let hostile = scope.spawn(move || python::run(&run.instance.parts, "hostile.py", &arguments));
            let mut peak = 0;
            while !(hostile.is_finished() && rows.done()?) {
                peak = peak.max(weir.resident_bytes()?);
                progress.show(weir.stats()?.line(self.rows()));
                interrupt::sleep(Duration::from_millis(200))?;
            }
            hostile.join().map_err(|_| anyhow!("the thread that inserts hostile rows panicked"))??;
            Ok::<_, anyhow::Error>(peak)
        })?;
        let settled = thread::scope(|scope| {
            let settled = scope.spawn(|| weir.settled(self.rows(), PATIENCE, &mut progress));
            let mut peak = peak;
            while !settled.is_finished() {
                peak = peak.max(weir.resident_bytes()?);
                thread::sleep(Duration::from_millis(100));
            }
            settled.join().map_err(|_| anyhow!("the thread that waits for weir panicked"))??;
            Ok::<_, anyhow::Error>(peak)
        })?;
        Ok(settled)
    }
}

/// The host's memory once nothing runs: the median of some seconds.
fn resident(weir: &Weir) -> Result<u64> {
    let mut samples = Vec::new();
    for _ in 0..15 {
        interrupt::sleep(Duration::from_millis(200))?;
        samples.push(weir.resident_bytes()?);
    }
    samples.sort_unstable();
    Ok(samples[samples.len() / 2])
}

/// What did not end as it must, in words; prints a line a kind.
fn judge(
    sent: &BTreeMap<&'static str, u64>,
    parked: &[Group],
    stats: &Stats,
    dropped: &BTreeMap<String, f64>,
    log: &str,
) -> Vec<String> {
    let logged = counts::logged(log);
    let mut wrong = Vec::new();
    for kind in hostile::KINDS {
        let count = sent.get(kind.name).copied().unwrap_or_default();
        let own: Vec<&Group> = parked.iter().filter(|group| group.handler.as_deref() == Some(kind.name)).collect();
        let outcome =
            |name: &str| stats.handlers.get(kind.name).and_then(|counts| counts.get(name)).copied().unwrap_or(0);
        let met = match kind.end {
            End::Dead(reasons) => failed(kind, "dead", reasons, count, &own, &logged),
            End::Parked(reasons) => failed(kind, "parked", reasons, count, &own, &logged),
            End::Committed => exactly(kind, "committed", count, outcome("committed"), &own),
            End::Skipped => exactly(kind, "skipped", count, outcome("skipped"), &own),
            End::CommittedWithLinesDropped => {
                let lines = dropped.get(kind.name).copied().unwrap_or_default();
                exactly(kind, "committed", count, outcome("committed"), &own).and_then(|met| {
                    ensure!(lines > 0.0, "{}: no line of its log was counted as dropped", kind.name);
                    Ok(format!("{met}, {lines:.0} lines dropped"))
                })
            }
        };
        match met {
            Ok(met) => println!("  {:<22} {met}", kind.name),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    let strangers =
        parked.iter().filter(|group| !hostile::KINDS.iter().any(|kind| group.handler.as_deref() == Some(kind.name)));
    wrong.extend(strangers.map(|group| format!("a good handler's delivery was parked: {group:?}")));
    wrong
}

/// All of a kind's deliveries must be parked for one of the reasons, and the log must name each.
fn failed(
    kind: &Kind,
    state: &str,
    reasons: &[&str],
    count: u64,
    own: &[&Group],
    logged: &BTreeMap<(String, String), u64>,
) -> Result<String> {
    let fits = |group: &&&Group| {
        group.state.as_deref() == Some(state) && group.reason.as_deref().is_some_and(|reason| reasons.contains(&reason))
    };
    let met: u64 = own.iter().filter(fits).map(|group| group.count).sum();
    let all: u64 = own.iter().map(|group| group.count).sum();
    ensure!(
        met == count && all == count,
        "{}: {met} of {count} deliveries are {state} for {}, all of its parked ones: {}",
        kind.name,
        reasons.join(" or "),
        serde_json::to_string(own)?
    );
    for group in own {
        let reason = group.reason.clone().unwrap_or_default();
        let lines = logged.get(&(kind.name.to_owned(), reason.clone())).copied().unwrap_or_default();
        ensure!(lines == group.count, "{}: {lines} lines of the log name {reason} and not {}", kind.name, group.count);
    }
    let list: Vec<String> = own
        .iter()
        .map(|group| {
            let limit = group.limit.as_deref().map(|limit| format!(" by {limit}")).unwrap_or_default();
            format!("{} {state}: {}{limit}", group.count, group.reason.as_deref().unwrap_or_default())
        })
        .collect();
    Ok(list.join(", "))
}

fn exactly(kind: &Kind, outcome: &str, count: u64, found: u64, own: &[&Group]) -> Result<String> {
    ensure!(
        found == count && own.is_empty(),
        "{}: {found} of {count} deliveries were {outcome}; parked: {}",
        kind.name,
        serde_json::to_string(own)?
    );
    Ok(format!("{found} {outcome}"))
}
