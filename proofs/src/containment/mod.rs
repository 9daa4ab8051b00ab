//! Handlers that misbehave in every way, beside the six that do not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use serde_json::json;

use crate::counts::{self, Group};
use crate::hostile::{self, End, Kind};
use crate::run::Run;
use crate::verdict::Verdict;
use rig::progress::Progress;
use rig::rows::Rows;
use rig::weir::{Stats, Weir};
use rig::{comparison, interrupt, python};

const MIB: u64 = 1 << 20;
const GROWTH: u64 = 64 * MIB;
/// The most that the host holds at any time, over what it held before.
const PEAK: u64 = 256 * MIB;
/// The longest deadline of a delivery, in its own time and in MongoDB's, and 30 s: something has to end within it.
const PATIENCE: Duration = Duration::from_secs(1 + 10 + 30);
/// The longest line of the host's log.
const LOG_LINE: usize = 64 << 10;

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let (hostile, good, warm_up) = if run.quick { (1, 300, 1) } else { (10_000, 5_000, 400) };
    for (_, name, says) in hostile::REFUSED_AT_LOAD {
        refused_at_load(run, name, says)?;
    }

    let since = comparison::moment();
    let behaviours: BTreeSet<&str> = hostile::kinds().map(|kind| kind.handler).collect();
    let folder = run.handlers(behaviours)?;
    let weir = run.host(&folder)?;
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
    weir.stop()?;

    let compared = comparison::compare(run.instance, run.pipeline(), since)?;
    let wrong = judge(&sent.counts, &counts::parked(run)?, &stats, &dropped, &log);
    ensure!(wrong.is_empty(), "hostile handlers met something else:\n  {}", wrong.join("\n  "));
    let longest = log.lines().map(str::len).max().unwrap_or_default();
    ensure!(longest <= LOG_LINE, "a line of the host's log has {longest} bytes");
    let (growth, above) = (after.saturating_sub(before), peak.saturating_sub(before));
    let deliveries = sent.hostile();
    Ok(Verdict {
        holds: growth <= GROWTH && above <= PEAK,
        figure: format!(
            "{deliveries} hostile deliveries of {} kinds in {} families met what they must and {} components were \
             refused at load; {} documents of the six handlers equal to the model; the host grew by {:.1} MiB, and by \
             {:.1} MiB at most meanwhile; its longest log line had {longest} bytes",
            sent.counts.len(),
            hostile::FAMILIES.len(),
            hostile::REFUSED_AT_LOAD.len(),
            compared.total(),
            mib(growth),
            mib(above)
        ),
        bound: format!(
            "each stopped by its own limit, every document equal, at most {} MiB, and {} MiB at any time",
            GROWTH / MIB,
            PEAK / MIB
        ),
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

/// A host does not start with this component, and says why.
fn refused_at_load(run: &Run<'_>, name: &str, says: &str) -> Result<()> {
    let folder = run.handlers([name])?;
    let daemon = run.daemon("weir");
    daemon.start(run.command(&folder).env("ADMIN_LISTEN", "127.0.0.1:0"))?;
    let begin = Instant::now();
    while daemon.running().is_some() {
        if begin.elapsed() > Duration::from_secs(30) {
            daemon.stop()?;
            bail!("a host started with {name}.wasm in its folder");
        }
        interrupt::sleep(Duration::from_millis(100))?;
    }
    let said = fs::read_to_string(&daemon.log)?;
    ensure!(said.contains(says) && said.contains(name), "the refusal of {name}.wasm does not say {says:?}:\n{said}");
    println!("  {name}.wasm was refused at load: {says}");
    Ok(())
}

/// What was inserted so far.
#[derive(Default)]
struct Sent {
    counts: BTreeMap<String, u64>,
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
        let kinds = counts.iter().map(|(kind, count)| kind.rows(*count)).collect::<Result<Vec<_>>>()?;
        let kinds = serde_json::to_string(&kinds)?;
        for (kind, count) in counts {
            *self.counts.entry(kind.name()).or_default() += count;
        }
        self.good += good;

        let mut progress = Progress::default();
        let mut rows = Rows::insert(run.instance, run.pipeline(), good, 0, seed)?;
        let seed = seed.to_string();
        let peak = thread::scope(|scope| {
            let arguments = [&*run.pipeline().postgres, &kinds, &seed];
            let hostile = scope.spawn(move || python::run(&run.instance.parts, "hostile.py", &arguments));
            let mut peak = 0;
            while !(hostile.is_finished() && rows.done()?) {
                peak = peak.max(weir.resident_bytes()?);
                progress.show(&weir.stats()?.lines(self.rows()));
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
    sent: &BTreeMap<String, u64>,
    parked: &[Group],
    stats: &Stats,
    dropped: &BTreeMap<String, f64>,
    log: &str,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let names: BTreeSet<String> = hostile::kinds().map(Kind::name).collect();
    for (family, kind) in
        hostile::FAMILIES.iter().flat_map(|family| family.kinds.iter().map(|kind| (family.name, kind)))
    {
        let name = kind.name();
        let count = sent.get(&name).copied().unwrap_or_default();
        let own: Vec<&Group> = parked.iter().filter(|group| group.aggregate_type.as_ref() == Some(&name)).collect();
        let outcomes = stats.handlers.get(kind.handler);
        let outcome = |name: &str| outcomes.and_then(|counts| counts.get(name)).copied().unwrap_or_default();
        let lines = dropped.get(kind.handler).copied().unwrap_or_default();
        let met = match kind.end {
            End::Dead(reasons) => failed("dead", reasons, count, &own),
            End::Parked(reasons) => failed("parked", reasons, count, &own),
            End::Committed => exactly("committed", count, outcome("committed"), &own),
            End::Skipped => exactly("skipped", count, outcome("skipped"), &own),
            End::CommittedWithLinesDropped if lines == 0.0 => {
                Err("no line of its log was counted as dropped".to_owned())
            }
            End::CommittedWithLinesDropped => exactly("committed", count, outcome("committed"), &own)
                .map(|met| format!("{met}, {lines:.0} lines dropped")),
        };
        match met {
            Ok(met) => println!("  {family:<24} {name:<36} {met}"),
            Err(error) => wrong.push(format!("{family}: {name}: {error}")),
        }
    }
    let strange = |group: &&Group| group.aggregate_type.as_ref().is_none_or(|name| !names.contains(name));
    wrong.extend(parked.iter().filter(strange).map(|group| format!("nothing of this may be parked: {group:?}")));
    wrong.extend(unlike_the_log(parked, log));
    wrong
}

/// All of a kind's deliveries must be parked, for one of the reasons.
fn failed(state: &str, reasons: &[&str], count: u64, own: &[&Group]) -> Result<String, String> {
    let fits = |group: &&Group| {
        group.state.as_deref() == Some(state) && group.reason.as_deref().is_some_and(|reason| reasons.contains(&reason))
    };
    let found: u64 = own.iter().map(|group| group.count).sum();
    if found != count || !own.iter().all(fits) {
        let reasons = reasons.join(" or ");
        return Err(format!("all of {count} deliveries must be {state} for {reasons}; parked are {own:#?}"));
    }
    let each = own.iter().map(|group| {
        let limit = group.limit.as_deref().map(|limit| format!(" by {limit}")).unwrap_or_default();
        format!("{} {state} for {}{limit}", group.count, group.reason.as_deref().unwrap_or_default())
    });
    Ok(each.collect::<Vec<_>>().join(", "))
}

fn exactly(outcome: &str, count: u64, found: u64, own: &[&Group]) -> Result<String, String> {
    if found != count || !own.is_empty() {
        return Err(format!("all of {count} deliveries must be {outcome}, and {found} are; parked are {own:#?}"));
    }
    Ok(format!("{found} {outcome}"))
}

/// The log must name each parked delivery with what stopped it.
fn unlike_the_log(parked: &[Group], log: &str) -> Vec<String> {
    let logged = counts::logged(log);
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    for group in parked {
        let key = (group.handler.clone().unwrap_or_default(), group.reason.clone().unwrap_or_default());
        *expected.entry(key).or_default() += group.count;
    }
    let keys: BTreeSet<_> = logged.keys().chain(expected.keys()).collect();
    keys.into_iter()
        .filter(|key| logged.get(*key) != expected.get(*key))
        .map(|key| {
            let count = |of: &BTreeMap<_, u64>| of.get(key).copied().unwrap_or_default();
            format!("{} parked for {}: {}, and in the log {}", key.0, key.1, count(&expected), count(&logged))
        })
        .collect()
}
