//! The table for people.

use std::fmt::Write as _;

use super::Report;
use super::figures::{Latency, Measure, median};

/// One run, in a line.
pub(super) fn run(name: &str, measure: &Measure) -> String {
    format!("{name:<12} {:>7.0} events/s in {:>5.1} s", measure.rate(), measure.seconds)
}

/// One rate, in a line.
pub(super) fn latency(latency: &Latency) -> String {
    format!(
        "at {:>3.0} events/s: p50 {:.1} ms, p90 {:.1}, p99 {:.1}, most {:.1}, of {} samples",
        latency.rate,
        latency.within_ms(500),
        latency.within_ms(900),
        latency.within_ms(990),
        latency.within_ms(1_000),
        latency.samples
    )
}

/// The whole report.
pub(super) fn all(report: &Report) -> String {
    let mut text = String::new();
    if !report.ways.is_empty() {
        let head = "way           events/s  (fewest to most)  of the ceiling  CPU s of 10k events: client, mongod, kafka  peak MiB";
        let _ = writeln!(text, "{head}");
    }
    for (name, measures) in &report.ways {
        let of = |figure: &dyn Fn(&Measure) -> f64| median(measures.iter().map(figure)).unwrap_or(0.0);
        let client = if name.starts_with("weir") || name.starts_with("other") { "weir" } else { "client" };
        let rates = || measures.iter().map(Measure::rate);
        let (least, most) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
        let rate = of(&Measure::rate);
        let ceiling = if name.ends_with("-cold") { "ceiling-cold" } else { "ceiling" };
        let share = report.rate(ceiling).map_or_else(|| "-".to_owned(), |ceiling| format!("{:.2}", rate / ceiling));
        let _ = writeln!(
            text,
            "{name:<12}  {rate:>8.0}  {:>16}  {share:>14}  {:>28.2} {:>7.2} {:>6.2}  {:>8.0}",
            format!("({least:.0} to {most:.0})"),
            of(&|measure| measure.cpu_of_10k(client)),
            of(&|measure| measure.cpu_of_10k("mongod")),
            of(&|measure| measure.cpu_of_10k("kafka")),
            of(&|measure| measure.peak_mib(client)),
        );
    }
    for found in &report.latency {
        let _ = writeln!(text, "from commit to document {}", latency(found));
    }
    if let Some(call) = &report.empty_call {
        let with = if call.pagemap_scan { "with" } else { "without" };
        let _ = writeln!(text, "an empty call in a fresh instance: {:.1} µs ({with} PAGEMAP_SCAN)", call.median_us);
    }
    for why in &report.void {
        let _ = writeln!(text, "VOID: {why}");
    }
    text
}
