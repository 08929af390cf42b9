//! The end of a key is told ahead, and when it has come.

use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{Keys, store};
use crate::{types::Fault, webhooks::EventType};

/// How many days ahead, the last one first.
const DAYS_AHEAD: [i32; 3] = [1, 3, 14];

/// The last reminder for which it is too late, of a key whose end has just been set: what ends tomorrow because somebody
/// has said so today needs none.
pub(super) fn passed(end: Option<OffsetDateTime>, now: OffsetDateTime) -> Option<i32> {
    let end = end?;
    DAYS_AHEAD
        .into_iter()
        .find(|days| end <= now + Duration::days(i64::from(*days)))
}

impl Keys {
    /// Tells of up to `batch` keys that end soon, or have ended; one event for each of 14, 3 and 1 days ahead and the end
    /// itself, however often this runs. Returns how many.
    pub(super) async fn remind(&self, now: OffsetDateTime, batch: i64) -> Result<usize, Fault> {
        let mut transaction = self.db.begin().await?;
        let due = store::take_reminders(&mut transaction, now, batch).await?;
        let ids: Vec<_> = due.iter().map(|(id, _)| *id).collect();
        let keys = store::keys(&mut transaction, &ids).await?;
        let events: Vec<_> = due
            .iter()
            .filter_map(|(id, days)| {
                let key = keys.get(id)?;
                match days {
                    0 => key.event(EventType::KeyExpired, now, &json!({})),
                    days => key.event(EventType::KeyExpiring, now, &json!({"days": days})),
                }
            })
            .collect();
        crate::webhooks::enqueue_all(&mut transaction, &self.clock, &self.entropy, &events).await?;
        transaction.commit().await?;
        Ok(due.len())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_new_end_is_past_the_reminders_that_would_come_at_once() {
        let now = datetime!(2026-06-01 12:00 UTC);
        let passed = |hours| super::passed(Some(now + Duration::hours(hours)), now);
        assert_eq!(passed(1), Some(1));
        assert_eq!(passed(24), Some(1));
        assert_eq!(passed(25), Some(3));
        assert_eq!(passed(72), Some(3));
        assert_eq!(passed(14 * 24), Some(14));
        assert_eq!(passed(14 * 24 + 1), None);
        assert_eq!(super::passed(None, now), None);
    }
}
