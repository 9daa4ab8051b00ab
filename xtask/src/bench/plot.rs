//! Plots for README: SVG, drawn by hand, readable on a light and on a dark background.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Report;
use super::figures::Latency;
use rig::measure::stage::Way;

const WIDTH: f64 = 720.0;
const INK: &str = "#7a869a";
const COLOURS: [&str; 2] = ["#2f81f7", "#e3902b"];

/// Returns all plots for which there are figures, by file name.
pub(super) fn all(report: &Report) -> BTreeMap<&'static str, String> {
    let mut plots = BTreeMap::new();
    if report.ways.len() > 1 {
        plots.insert("throughput.svg", throughput(report));
    }
    if !report.latency.is_empty() {
        plots.insert("latency.svg", latency(&report.latency));
    }
    plots
}

/// Draws a bar for each way.
fn throughput(report: &Report) -> String {
    let found = Way::ALL.iter().filter_map(|way| Some((*way, report.rate(&way.name())?)));
    let bars: Vec<(Way, f64)> = found.collect();
    let most = bars.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let mut body = String::new();
    let mut y = 34.0;
    for (way, rate) in &bars {
        let width = (rate / most * (WIDTH - 330.0)).max(1.0);
        let colour = if matches!(way, Way::Weir { .. }) { COLOURS[0] } else { INK };
        let _ = write!(
            body,
            r#"<text x="235" y="{:.0}" text-anchor="end">{}</text><rect x="245" y="{:.0}" width="{width:.1}" height="18" fill="{colour}"/><text x="{:.0}" y="{:.0}">{rate:.0}</text>"#,
            y + 13.0,
            label(*way),
            y,
            251.0 + width,
            y + 13.0
        );
        y += 26.0;
    }
    svg(y + 6.0, "events per second, median of interleaved runs", &body)
}

fn label(way: Way) -> String {
    match way {
        Way::Ceiling { hot: true } => "MongoDB alone, same batches".to_owned(),
        Way::Ceiling { hot: false } => "MongoDB alone, no hot document".to_owned(),
        Way::ByHand => "written by hand, Python".to_owned(),
        Way::Other => "another build".to_owned(),
        Way::Weir { hosts, hot } => {
            let hosts = if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") };
            format!("Weir, {hosts}{}", if hot { "" } else { ", no hot document" })
        }
    }
}

/// Draws the share of samples by the time within which they arrived, for each rate.
fn latency(found: &[Latency]) -> String {
    const SHARES: [(usize, &str); 5] = [(0, "0"), (500, "50 %"), (900, "90 %"), (990, "99 %"), (999, "99.9 %")];
    let most = found.iter().map(|latency| latency.within_ms(999)).fold(1.0, f64::max);
    // Shares are spaced by their distance from 1, so that the end is visible.
    let x = |per_mille: f64| 60.0 + (-(1.0 - per_mille / 1_000.4).log10() / 3.4) * (WIDTH - 120.0);
    let y = |ms: f64| 300.0 - ms / most * 240.0;
    let mut body = String::new();
    for (share, text) in SHARES {
        #[allow(clippy::cast_precision_loss, reason = "a place in a picture")]
        let at = x(share as f64);
        let _ = write!(
            body,
            r#"<line x1="{at:.1}" x2="{at:.1}" y1="60" y2="300" stroke="{INK}" stroke-opacity="0.3"/><text x="{at:.1}" y="318" text-anchor="middle">{text}</text>"#
        );
    }
    for step in 0..=4 {
        let ms = most * f64::from(step) / 4.0;
        let _ = write!(body, r#"<text x="52" y="{:.1}" text-anchor="end">{ms:.0}</text>"#, y(ms) + 4.0);
    }
    for (latency, colour) in found.iter().zip(COLOURS) {
        let mut points = String::new();
        for share in 0..1_000_u32 {
            let ms = latency.within_ms(share as usize);
            let _ = write!(points, "{:.1},{:.1} ", x(f64::from(share)), y(ms));
        }
        let _ = write!(body, r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>"#);
    }
    for (place, (latency, colour)) in found.iter().zip(COLOURS).enumerate() {
        let down = if place == 0 { 50 } else { 34 };
        let _ = write!(
            body,
            r#"<text x="{:.0}" y="{down}" fill="{colour}" text-anchor="end">{:.0} events/s</text>"#,
            WIDTH - 60.0,
            latency.rate
        );
    }
    svg(330.0, "milliseconds from PostgreSQL's commit to MongoDB's majority, by share of events", &body)
}

fn svg(height: f64, title: &str, body: &str) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" font-family="sans-serif" font-size="13" fill="{INK}"><text x="12" y="20">{title}</text>{body}</svg>
"#
    )
}
