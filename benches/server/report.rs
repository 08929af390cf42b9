//! The table.

use std::fmt::Write as _;

use crate::load::Loaded;

#[derive(Default)]
pub(crate) struct Table {
    /// Each with all that was measured of it beside the rows.
    limits: Vec<(&'static str, Loaded)>,
    rows: String,
    facts: String,
}

/// Half of the requests, and 99 of 100; milliseconds, and the servers' processor time in microseconds.
fn times(loaded: &Loaded) -> String {
    let [p50, p99] = loaded
        .percentiles([50, 99])
        .map(|time| format!("{:.2}", time.as_secs_f64() * 1_000.0));
    let cpu = loaded
        .cpu()
        .map_or_else(|| "–".to_owned(), |cpu| format!("{:.1}", cpu.as_secs_f64() * 1e6));
    format!("{p50} | {p99} | {cpu}")
}

impl Table {
    /// A row, and its limit as measured beside it; `goal` is the least ratio of the two that we want.
    pub(crate) fn row(
        &mut self,
        work: &str,
        limit: &'static str,
        (of_limit, loaded): (Loaded, Loaded),
        goal: f64,
    ) {
        let ratio = loaded.rate() / of_limit.rate();
        let line = format!(
            "| {work} | {:.0} | {} | {:.0} | **{ratio:.2}** | {goal:.2} | {} |",
            loaded.rate(),
            times(&loaded),
            of_limit.rate(),
            if ratio >= goal { "yes" } else { "no" }
        );
        eprintln!("{line}");
        let _ = writeln!(self.rows, "{line}");
        match self.limits.iter_mut().find(|(name, _)| *name == limit) {
            Some((_, all)) => all.add(of_limit),
            None => self.limits.push((limit, of_limit)),
        }
    }

    pub(crate) fn show_limits(&self) {
        eprint!("{}", self.limits());
    }

    fn limits(&self) -> String {
        self.limits
            .iter()
            .fold(String::new(), |mut lines, (name, loaded)| {
                let _ = writeln!(lines, "| {name} | {:.0} | {} |", loaded.rate(), times(loaded));
                lines
            })
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
            "{BEGIN}\n\n| limit of the machine | a second | p50 ms | p99 ms | server CPU µs |\n| --- | --- | --- | --- | --- |\n{}\n\
             | work | a second | p50 ms | p99 ms | server CPU µs | its limit beside it | ratio | goal | reached |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{}\n\
             | figure | measured | goal |\n| --- | --- | --- |\n{}\n{END}",
            self.limits(),
            self.rows,
            self.facts
        );
        std::fs::write(path, format!("{before}{tables}{after}")).expect("written");
    }
}
