//! The table.

use std::fmt::Write as _;

use crate::load::Loaded;

#[derive(Default)]
pub(crate) struct Table {
    limits: String,
    rows: String,
    facts: String,
}

fn milliseconds(time: std::time::Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1_000.0)
}

impl Table {
    pub(crate) fn limit(&mut self, name: &str, loaded: &Loaded) {
        let line = format!(
            "| {name} | {:.0} | {} | {} |",
            loaded.rate,
            milliseconds(loaded.p50),
            milliseconds(loaded.p99)
        );
        eprintln!("{line}");
        let _ = writeln!(self.limits, "{line}");
    }

    /// A row beside its limit; `goal` is the least ratio of the two that we want.
    pub(crate) fn row(&mut self, work: &str, loaded: &Loaded, limit: &Loaded, goal: f64) {
        let ratio = loaded.rate / limit.rate;
        let cpu = loaded
            .cpu
            .map_or_else(|| "–".to_owned(), |cpu| format!("{:.0}", cpu.as_secs_f64() * 1e6));
        let line = format!(
            "| {work} | {:.0} | {} | {} | {cpu} | **{ratio:.2}** | {goal:.2} | {} |",
            loaded.rate,
            milliseconds(loaded.p50),
            milliseconds(loaded.p99),
            if ratio >= goal { "yes" } else { "no" }
        );
        eprintln!("{line}");
        let _ = writeln!(self.rows, "{line}");
    }

    pub(crate) fn fact(&mut self, what: &str, is: &str, goal: &str) {
        let line = format!("| {what} | {is} | {goal} |");
        eprintln!("{line}");
        let _ = writeln!(self.facts, "{line}");
    }

    /// Puts the tables between the markers in `docs/performance.md`; what is written around them stays.
    pub(crate) fn write(&self) {
        const BEGIN: &str = "<!-- made by `make bench`: begin -->";
        const END: &str = "<!-- made by `make bench`: end -->";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
        let page = std::fs::read_to_string(path).expect("docs/performance.md");
        let (before, rest) = page.split_once(BEGIN).expect("the marker where the tables begin");
        let (_, after) = rest.split_once(END).expect("the marker where the tables end");
        let tables = format!(
            "{BEGIN}\n\n| limit of the machine | a second | p50 ms | p99 ms |\n| --- | --- | --- | --- |\n{}\n\
             | work | a second | p50 ms | p99 ms | server CPU µs | of its limit | goal | reached |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n{}\n\
             | figure | measured | goal |\n| --- | --- | --- |\n{}\n{END}",
            self.limits, self.rows, self.facts
        );
        std::fs::write(path, format!("{before}{tables}{after}")).expect("written");
    }
}
