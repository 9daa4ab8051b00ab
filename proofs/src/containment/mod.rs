//! Handlers that misbehave in every way, next to the six that do not.

mod calls;
mod code;
mod judge;
mod kind;
mod load;
mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::json;

use crate::counts;
use crate::run::Run;
use crate::verdict::Verdict;
use judge::Outcome;
use kind::{Family, Kind};
use rig::instance::ports;
use rig::progress::Progress;
use rig::rows::Rows;
use rig::weir::Weir;
use rig::{clock, comparison, interrupt, python};

const MIB: u64 = 1 << 20;
const GROWTH: u64 = 64 * MIB;
/// The most that the host may hold at any time over what it held before.
const PEAK: u64 = 256 * MIB;
/// The longest time without progress. A delivery that must be stopped has by default its own time (1 s) and MongoDB's
/// (10 s); 30 s are added to that.
const PATIENCE: Duration = Duration::from_secs(1 + 10 + 30);
/// A host compiles some ninety components before it is ready, which takes half a minute of processor time.
const READY: Duration = Duration::from_mins(5);
/// The longest line of the host's log.
const LOG_LINE: usize = 64 << 10;

fn families() -> impl Iterator<Item = &'static Family> {
    code::FAMILIES.iter().chain(calls::FAMILIES)
}

/// Returns the kinds of every family. The quick form has those of each family's first guest only, because each guest
/// takes half a second to compile.
fn kinds(quick: bool) -> Vec<&'static Kind> {
    let first = |family: &'static Family, kind: &Kind| kind.handler == family.kinds[0].handler;
    families().flat_map(|family| family.kinds.iter().filter(move |kind| !quick || first(family, kind))).collect()
}

pub(crate) fn run(run: &Run<'_>) -> Result<Verdict> {
    let (hostile, good, warm_up) = if run.quick { (1, 300, 1) } else { (10_000, 5_000, 2_000) };
    load::all_are_refused(run)?;

    let since = clock::now_ms();
    let kinds = kinds(run.quick);
    let behaviours: BTreeSet<&str> = kinds.iter().map(|kind| kind.handler).collect();
    let folder = run.handlers(behaviours)?;
    scene::prepare(run, &folder)?;
    let weir = Weir::launch(run.daemon("weir"), ports::more(1)?[0], &mut run.command(&folder))?;
    weir.ready(READY)?;
    // Some growth happens once, such as that of pools, of the first documents and of the first large reply. It has
    // nothing to do with hostility. Growth that the same deliveries cause again does.
    let mut sent = Sent::default();
    sent.insert(run, &weir, kind::counts(&kinds, warm_up), 200, 3)?;
    let before = resident(&weir, run.quick)?;
    println!("  {} MiB resident after a warm-up of {} hostile deliveries", before / MIB, sent.hostile());
    weir.forget_peak()?;
    sent.insert(run, &weir, kind::counts(&kinds, hostile), good, 4)?;
    let peak = weir.peak_bytes()?;
    let after = resident(&weir, run.quick)?;
    scene::no_cursor_is_left(run)?;
    let stats = weir.stats()?;
    let dropped = weir.metrics("log_lines_dropped")?;
    let log = fs::read_to_string(weir.log())?;
    weir.stop()?;

    let compared = comparison::compare(run.instance, run.pipeline(), since)?;
    let parked = counts::parked(run)?;
    let outcome = Outcome { sent: &sent.counts, parked: &parked, stats: &stats, dropped: &dropped, log: &log };
    let wrong = outcome.flaws();
    ensure!(wrong.is_empty(), "hostile handlers did not end as they must:\n  {}", wrong.join("\n  "));
    let longest = log.lines().map(str::len).max().unwrap_or_default();
    ensure!(longest < LOG_LINE, "a line of the host's log has {longest} bytes");
    let (growth, above) = (after.saturating_sub(before), peak.saturating_sub(before));
    let deliveries = sent.hostile();
    Ok(Verdict {
        holds: growth <= GROWTH && above <= PEAK,
        figure: format!(
            "{deliveries} hostile deliveries of {} kinds in {} families ended as they must, {} components were \
             refused at load; {} documents of the six handlers equal to the model; the host grew by {:.1} MiB, and by \
             {:.1} MiB at most meanwhile; no cursor was left; its longest log line had {longest} bytes",
            sent.counts.len(),
            families().count(),
            load::REFUSED.len(),
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
    // No digit that matters of a process's memory is lost.
    #[allow(clippy::cast_precision_loss)]
    let bytes = bytes as f64;
    (bytes / 1_048_576.0 * 10.0).round() / 10.0
}

/// What has been inserted so far.
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

    /// Inserts hostile and good rows together, and waits until all are accounted for.
    fn insert(&mut self, run: &Run<'_>, weir: &Weir, counts: Vec<(Kind, u64)>, good: u64, seed: u64) -> Result<()> {
        let rows = counts.iter().map(|(kind, count)| kind.rows(*count)).collect::<Result<Vec<_>>>()?;
        let rows = serde_json::to_string(&rows)?;
        for (kind, count) in counts {
            *self.counts.entry(kind.name()).or_default() += count;
        }
        self.good += good;

        let mut progress = Progress::default();
        let mut good = Rows::insert(run.instance, run.pipeline(), good, 0, seed)?;
        let seed = seed.to_string();
        thread::scope(|scope| {
            let arguments = [&*run.pipeline().postgres, &rows, &seed];
            let hostile = scope.spawn(move || python::run(&run.instance.parts, "hostile.py", &arguments));
            while !(hostile.is_finished() && good.done()?) {
                progress.show(&weir.stats()?.lines(self.rows()));
                interrupt::sleep(Duration::from_millis(200))?;
            }
            hostile.join().map_err(|_| anyhow!("the thread that inserts hostile rows panicked"))?
        })?;
        weir.settled(self.rows(), PATIENCE, &mut progress)?;
        run.settled(self.rows(), PATIENCE)?;
        Ok(())
    }
}

/// Returns the host's memory once nothing runs: the median of some samples.
fn resident(weir: &Weir, quick: bool) -> Result<u64> {
    let count = if quick { 5 } else { 15 };
    let mut samples = Vec::new();
    for _ in 0..count {
        interrupt::sleep(Duration::from_millis(200))?;
        samples.push(weir.resident_bytes()?);
    }
    samples.sort_unstable();
    Ok(samples[samples.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_is_json_and_every_name_its_own() {
        let names: BTreeSet<String> = kinds(false).into_iter().map(Kind::name).collect();
        assert_eq!(names.len(), kinds(false).len());
        for kind in kinds(false) {
            kind.rows(1).expect("the payload is JSON");
        }
    }

    #[test]
    fn every_family_has_two_guests() {
        let mut guests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for family in families() {
            guests.entry(family.name).or_default().extend(family.kinds.iter().map(|kind| kind.handler));
        }
        for refused in load::REFUSED {
            guests.entry(refused.family).or_default().insert(refused.name);
        }
        for (family, guests) in guests {
            assert!(guests.len() >= 2, "{family} has only {guests:?}");
        }
    }
}
