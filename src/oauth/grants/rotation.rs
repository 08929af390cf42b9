use std::time::Duration;

use time::OffsetDateTime;

use super::Grant;
use crate::types::ClientId;

/// What a refresh token that did not simply rotate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Good: the row was only held back by another address or user agent, or by another rotation that was
    /// undone.
    Rotate,
    /// The generation before the current one, again inside the retry window: whoever lost the answer gets
    /// the same successor.
    Repeat,
    /// A generation that was used: somebody has a copy. The grant must go.
    Replay,
    /// Not good, and nothing to conclude from it: expired, revoked, another client's.
    Refuse,
}

/// Judges the refresh token of `generation`, presented by `client` at `now`, against the row of its grant.
#[must_use]
pub fn judge(
    grant: &Grant,
    generation: i32,
    client: ClientId,
    window: Duration,
    now: OffsetDateTime,
) -> Rotation {
    // A stranger who found somebody's old token must not be able to log its owner out (RFC 9700 §4.14).
    if grant.client_id != client || !grant.is_live(now) {
        return Rotation::Refuse;
    }
    if generation == grant.generation {
        return Rotation::Rotate;
    }
    if generation > grant.generation {
        // Genuine, but of a future that the database has lost: it was restored from an older copy.
        return Rotation::Refuse;
    }
    let is_last = generation.checked_add(1) == Some(grant.generation);
    // A clock that stepped back, or another node's that is behind, makes the age negative. That is as little proof
    // of an honest retry as any other age: within a window of zero there is none.
    let age = (now - grant.rotated_at).abs();
    if is_last && age < window {
        Rotation::Repeat
    } else {
        Rotation::Replay
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::types::{GrantId, ScopeSet, SessionId, UserId};

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn client(number: u128) -> ClientId {
        ClientId::from_uuid(Uuid::from_u128(number))
    }

    fn grant(generation: i32, rotated_at: OffsetDateTime) -> Grant {
        Grant {
            id: GrantId::from_uuid(Uuid::nil()),
            client_id: client(1),
            user_id: UserId::from_uuid(Uuid::nil()),
            session_id: SessionId::from_uuid(Uuid::nil()),
            scopes: ScopeSet::default(),
            redirect_host: String::new(),
            authenticated_at: START,
            generation,
            rotated_at,
            refreshes: 0,
            context_mac: Vec::new(),
            context_sealed: Vec::new(),
            created_at: START,
            expires_at: START + Duration::from_secs(1_000),
            revoked_at: None,
        }
    }

    /// A holder of tokens beside the server: what each step must answer follows from when each generation
    /// was first used, and from nothing else.
    #[derive(Clone, Debug)]
    enum Step {
        /// Seconds; the clock may step back.
        Wait(i64),
        Present(usize),
        PresentAsStranger(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (-3_i64..8).prop_map(Step::Wait),
            (0_usize..3).prop_map(Step::Present),
            (0_usize..3).prop_map(Step::PresentAsStranger),
        ];
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        #[test]
        fn every_history_ends_as_the_model_says(steps in steps(), window in 0_u64..12) {
            let window = Duration::from_secs(window);
            let mut now = START;
            let mut row = grant(0, START);
            // The model: when each generation was used for the first time; the last one was not.
            let mut first_use: Vec<OffsetDateTime> = Vec::new();
            let mut revoked = false;
            for step in steps {
                match step {
                    Step::Wait(seconds) => now += time::Duration::seconds(seconds),
                    Step::PresentAsStranger(back) => {
                        let generation = row.generation - i32::try_from(back).unwrap();
                        prop_assert_eq!(judge(&row, generation.max(0), client(2), window, now), Rotation::Refuse);
                    }
                    Step::Present(back) => {
                        let generation = (row.generation - i32::try_from(back).unwrap()).max(0);
                        let used = first_use.get(usize::try_from(generation).unwrap()).copied();
                        let is_last = usize::try_from(generation).unwrap() + 1 == first_use.len();
                        let expected = match used {
                            _ if revoked || now >= row.expires_at => Rotation::Refuse,
                            None => Rotation::Rotate,
                            Some(at) if is_last && at - window < now && now < at + window => Rotation::Repeat,
                            Some(_) => Rotation::Replay,
                        };
                        let judged = judge(&row, generation, client(1), window, now);
                        prop_assert_eq!(judged, expected);
                        match judged {
                            Rotation::Rotate => {
                                first_use.push(now);
                                row.generation += 1;
                                row.rotated_at = now;
                            }
                            Rotation::Replay => {
                                revoked = true;
                                row.revoked_at = Some(now);
                            }
                            Rotation::Repeat | Rotation::Refuse => {}
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_window_of_zero_is_none_though_the_clock_is_behind() {
        for behind in [0, 1, 30, 3_600_000_000] {
            let now = START - time::Duration::microseconds(behind);
            let judged = judge(&grant(1, START), 0, client(1), Duration::ZERO, now);
            assert_eq!(judged, Rotation::Replay, "{behind}");
        }
    }

    #[test]
    fn a_token_from_a_lost_future_is_refused_and_revokes_nothing() {
        assert_eq!(
            judge(&grant(3, START), 4, client(1), Duration::ZERO, START),
            Rotation::Refuse
        );
    }
}
