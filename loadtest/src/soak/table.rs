//! The soak as Markdown.

use std::fmt::Write as _;

use super::{Point, Report};
use crate::limits::{FLAT_GROWTH_MAX, SOAK_POINTS_SHOWN};
use crate::report;
use crate::subjects::PROXY;

pub(super) fn markdown(all: &Report) -> String {
    let run = &all.run;
    let mut text = report::machine(&all.machine);
    let share = 100.0 * run.cpu_s(PROXY) / run.seconds;
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "- {}\n- `{}`: {:.0} s; gateway on core {}, client and services on core {}; the gateway used {share:.1} % of its core\n{}",
        all.gateway,
        all.command,
        run.seconds,
        all.cores.proxy,
        all.cores.others,
        report::disturbance(std::iter::once(run.disturbance()))
    );
    let _ = writeln!(
        text,
        "- services ended and began anew: {} said goodbye, {} were killed",
        all.restarts.drained, all.restarts.killed
    );
    let events = &all.events;
    let failed: u64 = events.failures.iter().map(|(_, count)| count).sum();
    let _ = writeln!(
        text,
        "- {} event streams at a time, each for {} s: {} opened, {} left, {} ended with their service, {failed} failed; {:.1} MB",
        all.event_streams,
        all.event_lasts_s,
        events.opened,
        events.left,
        events.ended,
        events.bytes as f64 / 1e6
    );
    text.push_str("\n| requests | answered | failed | not answered or sent | connections | p50 ms | p99 ms | max ms |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for group in &run.groups {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.2} | {:.2} | {:.1} |",
            group.name,
            group.answered,
            group.failed,
            group.unanswered + group.unsent,
            group.connects,
            group.latency.p50_us / 1e3,
            group.latency.p99_us / 1e3,
            group.latency.max_us / 1e3
        );
    }
    let reasons = run.groups.iter().flat_map(|group| &group.failures);
    for (reason, count) in reasons.chain(&events.failures) {
        let _ = writeln!(text, "\n- {count} × {reason}");
    }
    let _ = writeln!(
        text,
        "\n| gateway's | median | largest | slope a minute | growth in the last two thirds | flat up to (or {:.0} %) | flat |\n| --- | --- | --- | --- | --- | --- | --- |",
        FLAT_GROWTH_MAX * 100.0
    );
    for trend in &all.trends {
        let _ = writeln!(
            text,
            "| {}{} | {:.1} | {:.1} | {:+.3} | {:+.2} | {:.1} | {} |",
            trend.what,
            if trend.unit.is_empty() {
                String::new()
            } else {
                format!(", {}", trend.unit)
            },
            trend.median,
            trend.largest,
            trend.slope_a_minute,
            trend.growth,
            trend.growth_max,
            if trend.is_flat { "yes" } else { "no" }
        );
    }
    let shown = shown(&all.points);
    let row = |title: &str, value: &dyn Fn(&Point) -> String| {
        let cells: Vec<String> = shown.iter().map(|point| value(point)).collect();
        format!("| {title} | {} |\n", cells.join(" | "))
    };
    text.push('\n');
    text.push_str(&row("at s", &|point| format!("{:.0}", point.at_s)));
    let _ = writeln!(text, "|{}", " --- |".repeat(shown.len() + 1));
    text.push_str(&row("MiB", &|point| {
        format!("{:.1}", point.resident_kib as f64 / 1024.0)
    }));
    text.push_str(&row("descriptors", &|point| point.descriptors.to_string()));
    text.push_str(&row("threads", &|point| point.threads.to_string()));
    text
}

/// Some of them, evenly spread, the first and the last among them.
fn shown(points: &[Point]) -> Vec<&Point> {
    let last = points.len().saturating_sub(1);
    let count = points.len().min(SOAK_POINTS_SHOWN);
    (0..count)
        .filter_map(|at| points.get(at * last / (count - 1).max(1)))
        .collect()
}
