//! Charts as SVG, made here: no script draws them and no style is in them. Places along the time are in percent and heights
//! in pixels, so that a chart is as wide as its room and its words keep their size. What a chart shows is also in a table
//! below it.

use std::fmt;

use askama::Template;

/// Pixels from the highest grid line to the ground.
const HEIGHT: u64 = 180;
/// Grid lines above the ground, at the most.
const LINES: u64 = 5;
/// Times that are named below, at the most.
const TICKS: usize = 6;

/// What the parts of a bar look like: a class of the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Accent,
    Second,
    Warning,
    Danger,
}

impl Look {
    /// As the style sheet knows it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accent => "accent",
            Self::Second => "second",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }
}

/// One unit of time, and how much there was in it of each layer.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Below the chart, where there is room for it: "09:00".
    pub tick: String,
    /// In full: "24 Nov 2026, 09:00".
    pub label: String,
    /// From the ground up; as many as there are layers.
    pub parts: Vec<u64>,
}

/// Stacked bars over time.
#[derive(Template)]
#[template(path = "web/chart.html")]
pub struct Chart {
    /// Begins the ids of its parts: one of its own for each chart of a page.
    id: String,
    title: String,
    description: String,
    layers: Vec<Layer>,
    lines: Vec<Line>,
    columns: Vec<Column>,
    ticks: Vec<Tick>,
    rows: Vec<Row>,
}

struct Layer {
    name: String,
    look: Look,
    total: String,
}

struct Line {
    y: u64,
    label: String,
}

struct Column {
    x: String,
    width: String,
    /// Where its parts begin, which are narrower.
    inner_x: String,
    inner_width: String,
    words: String,
    parts: Vec<Part>,
}

struct Part {
    y: String,
    height: String,
    look: Look,
}

struct Tick {
    x: String,
    label: String,
    /// Whether it is left out where room is scarce.
    extra: bool,
}

struct Row {
    label: String,
    parts: Vec<String>,
}

impl Chart {
    /// `layers` from the ground up; `bars` oldest first.
    #[must_use]
    pub fn new(id: &str, title: &str, layers: &[(&str, Look)], bars: &[Bar]) -> Self {
        let highest = bars.iter().map(Bar::total).max().unwrap_or_default();
        let step = step(highest);
        let top = highest.div_ceil(step).max(1).saturating_mul(step);
        let count = bars.len().max(1);
        let every = count.div_ceil(TICKS);
        let layers: Vec<Layer> = layers
            .iter()
            .enumerate()
            .map(|(place, (name, look))| {
                let parts = bars.iter().filter_map(|bar| bar.parts.get(place));
                Layer {
                    name: (*name).to_owned(),
                    look: *look,
                    total: grouped(parts.fold(0_u64, |sum, part| sum.saturating_add(*part))),
                }
            })
            .collect();
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            description: description(&layers, bars),
            lines: (0..=top / step)
                .map(|line| Line {
                    y: HEIGHT - scaled(line.saturating_mul(step), top, HEIGHT),
                    label: short(line.saturating_mul(step)),
                })
                .collect(),
            columns: bars
                .iter()
                .enumerate()
                .map(|(place, bar)| Column {
                    x: percent(place * 10, count * 10),
                    width: percent(1, count),
                    inner_x: percent(place * 10 + 1, count * 10),
                    inner_width: percent(8, count * 10),
                    words: bar.words(&layers),
                    parts: bar.stacked(&layers, top),
                })
                .collect(),
            ticks: bars
                .iter()
                .enumerate()
                .filter(|(place, _)| place % every == 0)
                .map(|(place, bar)| Tick {
                    x: percent(place * 2 + 1, count * 2),
                    label: bar.tick.clone(),
                    extra: (place / every) % 2 == 1,
                })
                .collect(),
            rows: bars
                .iter()
                .filter(|bar| bar.total() > 0)
                .map(|bar| Row {
                    label: bar.label.clone(),
                    parts: bar.parts.iter().map(|part| grouped(*part)).collect(),
                })
                .collect(),
            layers,
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Bar {
    fn total(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
    }

    fn words(&self, layers: &[Layer]) -> String {
        let parts: Vec<String> = layers
            .iter()
            .zip(&self.parts)
            .filter(|(_, part)| **part > 0)
            .map(|(layer, part)| format!("{}: {}", layer.name, grouped(*part)))
            .collect();
        if parts.is_empty() {
            format!("{}: none", self.label)
        } else {
            format!("{}\n{}", self.label, parts.join("\n"))
        }
    }

    /// What there is anything of can be seen, however little it is.
    fn stacked(&self, layers: &[Layer], top: u64) -> Vec<Part> {
        let mut ground = HEIGHT * 100;
        let mut parts = Vec::new();
        for (layer, part) in layers.iter().zip(&self.parts) {
            if *part == 0 {
                continue;
            }
            let height = scaled(*part, top, HEIGHT * 100).max(150);
            ground = ground.saturating_sub(height);
            parts.push(Part {
                y: hundredths(ground),
                height: hundredths(height),
                look: layer.look,
            });
        }
        parts
    }
}

fn description(layers: &[Layer], bars: &[Bar]) -> String {
    let totals: Vec<String> = layers
        .iter()
        .map(|layer| format!("{}: {}", layer.name, layer.total))
        .collect();
    let busiest = bars
        .iter()
        .max_by_key(|bar| bar.total())
        .filter(|bar| bar.total() > 0)
        .map(|bar| format!(" Most in one bar: {}, at {}.", grouped(bar.total()), bar.label))
        .unwrap_or_default();
    format!("{}.{busiest} The table below has all of it.", totals.join(", "))
}

/// How much of a limit is used, as a bar; in words, what is left.
#[derive(Template)]
#[template(path = "web/meter.html")]
pub struct Meter {
    label: String,
    used: u64,
    limit: u64,
    /// When it begins anew, or whatever else is to be said.
    more: String,
}

impl Meter {
    #[must_use]
    pub fn new(label: &str, used: u64, limit: u64, more: &str) -> Self {
        Self {
            label: label.to_owned(),
            used,
            limit,
            more: more.to_owned(),
        }
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    fn width(&self) -> String {
        share(self.used, self.limit)
    }

    fn look(&self) -> Look {
        let tenths = scaled(self.used, self.limit, 10);
        match tenths {
            0..=7 => Look::Accent,
            8..=9 => Look::Warning,
            _ => Look::Danger,
        }
    }
}

/// `part` of `whole`, in percent, as widths are written: "12.5%". Never more than all.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    format!("{}%", hundredths(scaled(part, whole, 10_000).min(10_000)))
}

/// `value` of `top`, on a scale of `length`.
fn scaled(value: u64, top: u64, length: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(length) / u128::from(top.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn percent(part: usize, whole: usize) -> String {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let thousandths = scaled(number(part), number(whole), 100_000);
    format!("{}.{:03}%", thousandths / 1_000, thousandths % 1_000)
}

fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

/// The smallest of 1, 2, 5, 10, 20, 50 … of which [`LINES`] reach `highest`.
fn step(highest: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for times in [1, 2, 5] {
            let step = unit.saturating_mul(times);
            if step == u64::MAX || highest.div_ceil(step) <= LINES {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// "12,345"
#[must_use]
pub fn grouped(number: impl fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In full as long as it is not too long for a heading, then short: "12.3M".
#[must_use]
pub fn brief(number: u64) -> String {
    if number < 10_000_000 {
        grouped(number)
    } else {
        short(number)
    }
}

/// "12.3k": in four or five characters.
#[must_use]
pub fn short(number: u64) -> String {
    let (unit, letter) = match number {
        0..1_000 => return number.to_string(),
        1_000..1_000_000 => (1_000, "k"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        1_000_000_000..1_000_000_000_000 => (1_000_000_000, "bn"),
        _ => (1_000_000_000_000, "tn"),
    };
    let tenths = number / (unit / 10);
    if tenths >= 1_000 || tenths.is_multiple_of(10) {
        format!("{}{letter}", tenths / 10)
    } else {
        format!("{}.{}{letter}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_long() {
        for (number, long, in_short) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1_000, "1,000", "1k"),
            (12_345, "12,345", "12.3k"),
            (999_999, "999,999", "999k"),
            (2_500_000, "2,500,000", "2.5M"),
            (7_000_000_000, "7,000,000,000", "7bn"),
        ] {
            assert_eq!(
                (grouped(number).as_str(), short(number).as_str()),
                (long, in_short)
            );
        }
    }

    #[test]
    fn a_heading_is_short_only_where_it_must_be() {
        assert_eq!(brief(9_999_999), "9,999,999");
        assert_eq!(brief(12_345_678), "12.3M");
    }

    #[test]
    fn grid_lines_are_round_numbers_that_reach_the_highest_bar() {
        for (highest, expected) in [(0, 1), (1, 1), (5, 1), (9, 2), (11, 5), (99, 20), (1_001, 500)] {
            assert_eq!(step(highest), expected, "{highest}");
        }
        assert!(step(u64::MAX) >= u64::MAX / LINES);
    }

    #[test]
    fn a_bar_is_as_high_as_its_number_and_what_is_little_is_seen() {
        let bar = |parts: &[u64]| Bar {
            tick: "09:00".to_owned(),
            label: "24 Nov 2026, 09:00".to_owned(),
            parts: parts.to_vec(),
        };
        let layers = [("Accepted", Look::Accent), ("Refused", Look::Danger)];
        let chart = Chart::new("c", "Requests", &layers, &[bar(&[50_000, 1]), bar(&[0, 0])]);
        let heights: Vec<Vec<&str>> = chart
            .columns
            .iter()
            .map(|column| column.parts.iter().map(|part| part.height.as_str()).collect())
            .collect();
        assert_eq!(heights, [vec!["150.00", "1.50"], vec![]]);
        assert_eq!(chart.lines.last().unwrap().label, "60k");
        assert_eq!(
            chart.rows.len(),
            1,
            "the table leaves out what there was nothing of"
        );
        let svg = chart.render().unwrap();
        assert!(
            !svg.contains("style=") && svg.contains("Accepted: 50,000"),
            "{svg}"
        );
    }

    #[test]
    fn a_meter_never_shows_more_than_all() {
        assert_eq!(share(1, 8), "12.50%");
        assert_eq!(share(9, 8), "100.00%");
        assert_eq!(share(0, 0), "0.00%");
        let over = Meter::new("This hour", 12, 10, "");
        assert_eq!((over.left(), over.look()), (0, Look::Danger));
        assert_eq!(Meter::new("This hour", 8, 10, "").look(), Look::Warning);
    }
}
