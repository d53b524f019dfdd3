//! What was measured, for people: medians and the spread over runs, and how many times the minimal relay it is.

use std::fmt::Write as _;

use super::load::Figures;
use super::subject::Subject;

/// All runs of one subject with so many calls.
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) calls: u32,
    pub(crate) runs: Vec<Figures>,
}

impl Row {
    fn of(&self, figure: impl Fn(&Figures) -> f64) -> [f64; 3] {
        let mut figures: Vec<f64> = self.runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        // Of an even number, the middle two have one between them.
        let median = f64::midpoint(at(figures.len().saturating_sub(1) / 2), at(figures.len() / 2));
        [median, at(0), at(figures.len().saturating_sub(1))]
    }

    /// CPU per call-second: the median.
    fn cpu_ms(&self) -> f64 {
        self.of(|run| run.cpu_ms)[0]
    }
}

/// The table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| subject | calls | CPU ms per call-second (least–most) | × relay | KiB per call | caller → model ms p50 / p99 / p99.9 | model → caller ms p50 / p99 / p99.9 | the load: CPU, lateness p99 |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows.iter().filter(|row| !row.runs.is_empty()) {
        let relay = rows.iter().find(|other| {
            other.subject == Subject::Relay && other.calls == row.calls && !other.runs.is_empty()
        });
        let ratio = relay.map_or("–".to_owned(), |relay| format!("{:.2}", row.cpu_ms() / relay.cpu_ms()));
        let [cpu, least, most] = row.of(|run| run.cpu_ms);
        let [kib, ..] = row.of(Figures::kib_per_call);
        let ms = |us: fn(&Figures) -> [u32; 3]| -> String {
            let quantiles = [0, 1, 2].map(|index| row.of(|run| f64::from(us(run)[index]) / 1_000.0)[0]);
            quantiles.map(|ms| format!("{ms:.2}")).join(" / ")
        };
        let up = ms(|run| [run.up.delay_us.p50, run.up.delay_us.p99, run.up.delay_us.p999]);
        let down = ms(|run| [run.down.delay_us.p50, run.down.delay_us.p99, run.down.delay_us.p999]);
        let [load, ..] = row.of(|run| run.load_percent);
        let [late, ..] = row.of(|run| f64::from(run.late_us.p99) / 1_000.0);
        let _into_memory = writeln!(
            out,
            "| {} | {} | {cpu:.2} ({least:.2}–{most:.2}) | {ratio} | {kib:.1} | {up} | {down} | {load:.0} %, {late:.1} ms |",
            row.subject.name(),
            row.calls,
        );
    }
    for row in rows {
        for doubt in row.runs.iter().filter_map(Figures::doubt) {
            let _into_memory = writeln!(out, "! {} with {} calls: {doubt}", row.subject.name(), row.calls);
        }
    }
    out
}
