//! One request: of every limit, or of none.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join, join_all, try_join_all};

use tokio::time::sleep;
use uuid::Uuid;

use super::{
    Limits, Shared, Span, Stand, Standing, Verdict,
    burst::Burst,
    counted::Counted,
    model::{Kind, Window, whole_seconds},
    part::{Answer, Ask, Look},
    pool::Pool,
};
use crate::types::{AccountId, ApiKeyId, Fault};

/// A limit by the hour or the month.
struct Count {
    span: Span,
    limit: u64,
    window: Window,
    pool: Arc<Pool<Counted>>,
}

/// How often one request may ask: what it has come for may be taken by others each time, but not for ever.
const ROUNDS: usize = 100;

/// Subjects of which something is given back at the same time.
const AT_ONCE: usize = 500;

/// How long to stand back before a round. Two nodes that each hold what the other one wants give it to each other and have
/// again what the other one wants: so after some rounds each waits for a time of its own, in which the other one has all.
fn pause(node: Uuid, round: usize) -> Option<Duration> {
    const AT_ONCE: usize = 3;
    const LONGEST: u64 = 16;

    let late = u64::try_from(round.checked_sub(AT_ONCE)?).ok()?;
    let (_, random) = node.as_u64_pair();
    let drawn = random.wrapping_mul(2 * late + 1).rotate_left(8) % LONGEST;
    Some(Duration::from_millis(drawn))
}

/// What memory says of all limits of a request.
enum Decision {
    Done(Verdict),
    /// These must be asked: the seconds, if true, and those of the counts that are Some.
    Ask(bool, [bool; 3]),
}

/// What the rows have said to this request so far.
#[derive(Default)]
struct Heard {
    /// The seconds have been taken.
    burst_taken: bool,
    burst_refused: Option<Duration>,
    /// The counts of this index cannot be had, so far as is known.
    unproven: [bool; 3],
}

impl Shared {
    pub(super) async fn take(
        &self,
        key: ApiKeyId,
        account: AccountId,
        limits: &Limits,
        cost: u32,
    ) -> Result<Verdict, Fault> {
        if *limits == Limits::default() {
            return Ok(Verdict::Allowed(Standing::default()));
        }
        let subject = self.registry.subject(key.uuid());
        let mut heard = Heard::default();
        for round in 0..ROUNDS {
            if let Some(pause) = pause(self.means.node, round) {
                sleep(pause).await;
            }
            let at = self.means.clock.now();
            let count = |span, limit: Option<std::num::NonZeroU64>| {
                let limit = limit?.get();
                let (kind, window) = match span {
                    Span::Second => return None,
                    Span::Hour => (Kind::Hour, Window::hour(at)),
                    Span::Month | Span::Account => (Kind::Month, Window::month(at)),
                };
                let pool = if span == Span::Account {
                    let account = self.registry.subject(account.uuid());
                    self.registry.window(&account, kind, window.began)
                } else {
                    self.registry.window(&subject, kind, window.began)
                };
                Some(Count {
                    span,
                    limit,
                    window,
                    pool,
                })
            };
            let counts = [
                count(Span::Hour, limits.per_hour),
                count(Span::Month, limits.per_month),
                count(Span::Account, limits.account_per_month),
            ];
            let burst = limits
                .per_second
                .map(|rate| (rate.get(), self.registry.burst(&subject)));
            let (ask_burst, ask_counts) = match self.decide(burst, &counts, cost, &heard) {
                Decision::Done(verdict) => return Ok(verdict),
                Decision::Ask(burst, counts) => (burst, counts),
            };
            // What is taken of the seconds at their row is taken for good, so the others come first.
            if ask_counts.contains(&true) {
                let asked = counts.iter().zip(ask_counts).enumerate();
                let asked =
                    asked.filter_map(|(index, (count, ask))| Some((index, count.as_ref().filter(|_| ask)?)));
                let answers = Box::pin(try_join_all(asked.map(|(index, count)| async move {
                    let ask = Ask {
                        cost,
                        limit: count.limit,
                    };
                    let answer = count.pool.ask(&self.means, ask).await?;
                    Ok::<_, Fault>((index, answer))
                })))
                .await?;
                heard.unproven = [false; 3];
                for (index, answer) in answers {
                    if let Some(unproven) = heard.unproven.get_mut(index) {
                        *unproven = answer == Answer::Unproven;
                    }
                }
            } else if let (true, Some((rate, pool))) = (ask_burst, burst) {
                let ask = Ask {
                    cost,
                    limit: u64::from(rate),
                };
                match Box::pin(pool.ask(&self.means, ask)).await? {
                    Answer::Taken => heard.burst_taken = true,
                    Answer::Refused(wait) => heard.burst_refused = Some(wait),
                    Answer::Look | Answer::Unproven => {}
                }
            }
        }
        Err(Fault::unavailable(
            "the limits of a key could not be settled: others were always quicker",
        ))
    }

    /// Takes if memory says that it may. Locks of more than one pool are taken in the order of [`Span::ALL`].
    fn decide(
        &self,
        burst: Option<(u32, &Arc<Pool<Burst>>)>,
        counts: &[Option<Count>; 3],
        cost: u32,
        heard: &Heard,
    ) -> Decision {
        let mut part = burst.map(|(_, pool)| pool.part());
        let [hour, month, account] = counts;
        let mut parts = [
            hour.as_ref().map(|count| count.pool.part()),
            month.as_ref().map(|count| count.pool.part()),
            account.as_ref().map(|count| count.pool.part()),
        ];
        // Under the locks: whoever waited for them may have lost its lease.
        let now = self.means.now();
        let mut refused: Option<(Span, Duration)> = None;
        let mut refuse = |span, wait| {
            if refused.is_none_or(|(_, longest)| wait > longest) {
                refused = Some((span, wait));
            }
        };
        let mut ask_burst = false;
        if let (Some((rate, _)), Some(part)) = (burst, part.as_mut())
            && !heard.burst_taken
        {
            match (part.look(rate, cost, now), heard.burst_refused) {
                (_, Some(wait)) | (Look::No(wait), None) => refuse(Span::Second, wait),
                (Look::Ask, None) => ask_burst = true,
                (Look::Yes, None) => {}
            }
        }
        let mut ask_counts = [false; 3];
        for (((count, part), ask), unproven) in counts
            .iter()
            .zip(&mut parts)
            .zip(&mut ask_counts)
            .zip(heard.unproven)
        {
            if let (Some(count), Some(part)) = (count, part) {
                let left = count.window.left(now.micros);
                match part.look(count.limit, cost, now.micros, unproven, left) {
                    Look::No(wait) => refuse(count.span, wait),
                    Look::Ask => *ask = true,
                    Look::Yes => {}
                }
            }
        }
        if refused.is_none() && (ask_burst || ask_counts.contains(&true)) {
            return Decision::Ask(ask_burst, ask_counts);
        }
        let takes = refused.is_none() && cost > 0;
        let mut standing = Standing::default();
        let mut stands = standing.stands.iter_mut();
        if let (Some(slot), Some((rate, _)), Some(part)) = (stands.next(), burst, part.as_mut()) {
            if takes && !heard.burst_taken {
                part.take(rate, cost, now);
            }
            let (remaining, reset) = part.remaining(rate, now);
            *slot = Some(Stand {
                span: Span::Second,
                quota: u64::from(rate),
                window: 1,
                remaining,
                reset: whole_seconds(reset),
            });
        }
        for ((count, part), slot) in counts
            .iter()
            .zip(&mut parts)
            .zip(standing.stands.iter_mut().skip(1))
        {
            let (Some(count), Some(part)) = (count, part) else {
                continue;
            };
            if takes {
                part.take(cost);
                if part.is_low() {
                    count.pool.fetch_ahead(&self.means);
                }
            }
            *slot = Some(Stand {
                span: count.span,
                quota: count.limit,
                window: count.window.length(),
                remaining: part.remaining(count.limit),
                reset: whole_seconds(count.window.left(now.micros)),
            });
        }
        Decision::Done(match refused {
            None => Verdict::Allowed(standing),
            Some((over, retry_after)) => Verdict::Refused {
                over,
                retry_after,
                standing,
            },
        })
    }

    /// Gives back what `which` (by when it was last asked) picks of all.
    pub(super) async fn give_back_all(&self, which: impl Fn(i64) -> bool + Sync) -> Result<(), Fault> {
        for some in self.registry.all().chunks(AT_ONCE) {
            let mut given = Vec::with_capacity(some.len());
            for subject in some {
                given.push(self.give_back_of(subject, &which));
            }
            // Without the database each of the others would wait for it in vain.
            join_all(given).await.into_iter().fold(Ok(()), Result::and)?;
        }
        Ok(())
    }

    /// Gives back all of one subject that `which` (by when it was last asked) picks.
    async fn give_back_of(
        &self,
        subject: &super::registry::Subject,
        which: impl Fn(i64) -> bool,
    ) -> Result<(), Fault> {
        use super::part::Part as _;

        let windows: Vec<_> = subject.windows().iter().map(Arc::clone).collect();
        let counted = async {
            for pool in &windows {
                let gives = {
                    let part = pool.part();
                    (part.holds() || pool.is_busy()) && which(part.touched())
                };
                if gives {
                    pool.give_back(&self.means).await?;
                }
            }
            Ok::<(), Fault>(())
        };
        let burst = async {
            let Some(burst) = subject.burst() else {
                return Ok(());
            };
            let gives = {
                let part = burst.part();
                (part.holds() || burst.is_busy()) && which(part.touched())
            };
            if gives {
                burst.give_back(&self.means).await?;
            }
            Ok::<(), Fault>(())
        };
        let (counted, burst) = join(counted, burst).await;
        counted.and(burst)
    }
}
