//! What this node has counted of reports, for its metrics.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// What became of a report.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Taken,
    /// It was not signed by whom it says.
    Unsigned,
    /// It came before.
    Again,
    /// It could not be dealt with, and will come again.
    Failed,
}

impl Fate {
    const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unsigned => "unsigned",
            Self::Again => "again",
            Self::Failed => "failed",
        }
    }
}

/// One number: of a metric, with its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// `leak_reports` or `leak_finds`.
    pub metric: &'static str,
    pub labels: [(&'static str, &'static str); 2],
    pub number: u64,
}

type Labels = (&'static str, [(&'static str, &'static str); 2]);

#[derive(Default)]
pub(super) struct Tally(Mutex<BTreeMap<Labels, u64>>);

impl Tally {
    pub(super) fn report(&self, source: &'static str, fate: Fate) {
        self.add(("leak_reports", [("source", source), ("fate", fate.name())]));
    }

    /// `kind` and `outcome` are those of what was found, or `none` and `false_positive`.
    pub(super) fn find(&self, kind: &'static str, outcome: &'static str) {
        self.add(("leak_finds", [("kind", kind), ("outcome", outcome)]));
    }

    fn add(&self, labels: Labels) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(labels).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Vec<Count> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|((metric, labels), number)| Count {
                metric,
                labels: *labels,
                number: *number,
            })
            .collect()
    }
}
