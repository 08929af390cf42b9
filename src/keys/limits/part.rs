//! What hours and months ([`Counted`](super::counted::Counted)) and seconds ([`Burst`](super::burst::Burst)) have in
//! common: a row that nodes share, and each node's part of it. No I/O, so that tests can try every order of events.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// Who holds something: a node, and which of the parts of the same allowance that it had in turn. What an earlier part
/// left behind counts as used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) node: Uuid,
    pub(super) part: u64,
}

/// What time it is for a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Since 1970.
    pub(super) micros: i64,
    /// Of the node's lease on the revocation log, while that is fresh: the same for as long as it was so without a break.
    pub(super) term: Option<u64>,
}

/// What a request that waits wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) cost: u32,
    pub(super) limit: u64,
}

/// What memory says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Yes,
    No(Duration),
    /// The row must be asked.
    Ask,
}

/// What the row said of a request that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Look again: memory knows now.
    Look,
    /// It has been taken, for this request.
    Taken,
    /// No.
    Refused(Duration),
    /// No, so far as is known: a node that may hold some did not answer in time.
    Unproven,
}

/// One node's part of an allowance.
pub(super) trait Part: Send + 'static {
    type Row: Clone + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync;
    /// What a changed row means for the part, once the change is made.
    type Effect: Send;

    fn new(holder: Holder) -> Self;

    /// What the row shall become so that `asks` can be answered. With none, more is taken ahead. `dead` are nodes that
    /// are gone: what they hold is used. Until the change is made, the part goes on with what it has, or is frozen.
    fn plan(&mut self, row: &Self::Row, now: Now, asks: &[Ask], dead: &[Uuid]) -> (Self::Row, Self::Effect);

    /// The row is what was planned. One answer for each ask; None if others hold what it wants.
    fn apply(&mut self, row: &Self::Row, effect: Self::Effect, now: Now, asks: &[Ask])
    -> Vec<Option<Answer>>;

    /// The answer to an ask that others did not answer in time.
    fn unproven(&self, ask: Ask) -> Answer;

    /// Nodes that may hold what they have not used.
    fn others(row: &Self::Row, node: Uuid) -> Vec<Uuid>;

    /// Freezes the part, and says what the row becomes without it; None if there is nothing to give back.
    fn give_back(&mut self, row: &Self::Row, now: Now) -> Option<Self::Row>;

    /// What was given back is gone from here too.
    fn given_back(&mut self);

    /// Whether the row may name it.
    fn holds(&self) -> bool;

    /// When it was last asked, in microseconds since 1970.
    fn touched(&self) -> i64;
}
