//! One key: what it is, what is left of its limits, its traffic, its settings; and its successor, with the traffic of both.

use actix_web::{HttpResponse, http::StatusCode};
use time::{Duration, OffsetDateTime};

use super::{
    super::{
        act::{AtKey, KeyAct, KeyView, ToView, ToWriteKeys},
        usage::{request_row, rotation as rotation_chart},
        views,
    },
    form::{self, Offer},
    list::traffic,
    refused, words,
};
use crate::{
    accounts::Permission,
    keys::{
        ApiKey, AppPolicy, KeyError, KeyState, Keys,
        limits::{Span as Limit, Stand},
        usage::{Of, Point, Span, last_requests, names_of_keys, series},
    },
    scopes::{Catalogue, catalogue},
    web::{
        Failure, News,
        chart::Meter,
        html, html_with,
        page::{Moment, Notice, Place},
    },
};

/// The latest requests that are on the page itself.
const REQUESTS: usize = 5;

const TO_MEND: &str = "Nothing was saved. What is to be mended is marked in the settings below.";
const OVERTAKEN: &str = "Somebody changed this key while the page was open, so nothing was saved. The page shows it as it is now, and the settings below are as you typed them: saved again, they take the place of what is there.";

/// What is needed to speak of a key and to offer what it could be.
struct Ground {
    policy: AppPolicy,
    catalogue: Catalogue,
}

impl Ground {
    async fn of(at: &AtKey) -> Result<Self, Failure> {
        Ok(Self {
            policy: at
                .keys
                .policy(at.seen.app.id, at.asker())
                .await
                .map_err(refused)?,
            catalogue: catalogue(&mut *at.keys.db.connection().await?).await?,
        })
    }

    fn offer<'a>(&'a self, at: &'a AtKey) -> Offer<'a> {
        Offer {
            keys: &at.keys,
            asker: at.asker(),
            policy: &self.policy,
            catalogue: &self.catalogue,
            key: Some(&at.key),
        }
    }
}

fn tombstone(key: &ApiKey, now: OffsetDateTime) -> Option<views::Tombstone> {
    match (key.state(now), key.revoked) {
        (KeyState::Revoked(at), reason) => Some(views::Tombstone {
            at: at.into(),
            why: reason.map_or("", |(_, reason)| reason.sentence()).to_owned(),
            revoked: true,
        }),
        (KeyState::Expired(at), _) => Some(views::Tombstone {
            at: at.into(),
            why: if key.successor_id.is_some() {
                "Its time beside its successor is over"
            } else {
                "Its time is over"
            }
            .to_owned(),
            revoked: false,
        }),
        (KeyState::Live | KeyState::Overlapping(_), _) => None,
    }
}

fn meter(stand: &Stand, now: OffsetDateTime) -> Meter {
    let label = match stand.span {
        Limit::Second => "This second",
        Limit::Hour => "This hour",
        Limit::Month => "This month",
        Limit::Account => "This month, all keys of the account together",
    };
    let reset = Duration::seconds(i64::try_from(stand.reset).unwrap_or(i64::MAX));
    let more = match (stand.span, now.checked_add(reset)) {
        (Limit::Hour | Limit::Month | Limit::Account, Some(at)) => {
            format!("All of it is there again at {}.", Moment::from(at))
        }
        (Limit::Second, _) | (_, None) => String::new(),
    };
    let used = stand.quota.saturating_sub(stand.remaining);
    Meter::new(label, used, stand.quota, &more)
}

async fn meters(keys: &Keys, key: &ApiKey, policy: &AppPolicy) -> Result<Vec<Meter>, Failure> {
    let now = keys.clock.now();
    if !key.is_usable(now) {
        return Ok(Vec::new());
    }
    let standing = keys.standing(key, policy).await?;
    Ok(standing.iter().map(|stand| meter(stand, now)).collect())
}

/// A key and its successor, one of which is the page's.
async fn rotation(at: &AtKey, old: &ApiKey, new: &ApiKey) -> Result<views::Rotation, Failure> {
    let now = at.keys.clock.now();
    let window = Span::Day.window(now);
    let (of_old, of_new) = {
        let mut connection = at.keys.db.connection().await?;
        (
            series(&mut connection, Of::Key(old.id), &window).await?,
            series(&mut connection, Of::Key(new.id), &window).await?,
        )
    };
    let side = |role: &str, key: &ApiKey, points: &[Point]| views::RotatedKey {
        role: role.to_owned(),
        path: at.path_of(key.id),
        hint: key.hint.clone(),
        state: words::state(key.state(now)),
        requests: points
            .iter()
            .fold(0, |sum, point| point.count.requests.saturating_add(sum)),
        last_used: key.last_used_at.map(Into::into),
        own: key.id == at.key.id,
    };
    let can_retire = old.is_usable(now) && at.seen.may_govern_keys();
    Ok(views::Rotation {
        at: old.rotated_at.map(Into::into),
        keys: [side("Old key", old, &of_old), side("Successor", new, &of_new)],
        chart: rotation_chart(&format!("rotation-{}", old.id), Span::Day, &of_old, &of_new),
        ends: old.settings.expires_at.map(Into::into),
        retire: can_retire.then(|| format!("{}/retire", at.path_of(old.id))),
    })
}

/// The rotations that a key was in: it took the place of one, and another one took its own.
async fn rotations(at: &AtKey) -> Result<Vec<views::Rotation>, Failure> {
    let names = names_of_keys(&mut *at.keys.db.connection().await?, Of::App(at.seen.app.id)).await?;
    let key = &at.key;
    let mut all = Vec::new();
    let find = async |id| at.keys.key(id, at.asker()).await.map_err(refused);
    if let Some(successor) = key.successor_id {
        all.push(rotation(at, key, &find(successor).await?).await?);
    }
    for old in names.iter().filter(|name| name.successor == Some(key.id)) {
        all.push(rotation(at, &find(old.id).await?, key).await?);
    }
    Ok(all)
}

async fn page(at: &AtKey, ground: &Ground, form: Option<views::KeyForm>) -> Result<views::KeyPage, Failure> {
    let (keys, key, seen) = (&at.keys, &at.key, &at.seen);
    let now = keys.clock.now();
    let usable = key.is_usable(now);
    let can_write = usable && seen.may(Permission::WriteKeys);
    let requests = {
        let mut connection = keys.db.connection().await?;
        last_requests(&mut connection, key.id, None, REQUESTS).await?
    };
    let last_place = keys.last_used_from(key);
    Ok(views::KeyPage {
        frame: at.visitor.frame()?,
        app: seen.app_ref(),
        id: key.id.to_string(),
        row: words::row(keys, seen.app.id, key, &ground.catalogue),
        family: Some(key.family.clone()).filter(|_| keys.config.keys.families.iter().nth(1).is_some()),
        created: key.created_at.into(),
        last_place: last_place.map(|origin| Place::of(Some(&origin))),
        networks: key.settings.networks.iter().map(ToString::to_string).collect(),
        tombstone: tombstone(key, now),
        rotations: rotations(at).await?,
        limits: meters(keys, key, &ground.policy).await?,
        traffic: traffic(keys, Of::Key(key.id), now).await?,
        usage: format!("{}/usage?key={}", seen.path(), key.id),
        requests: requests.requests.into_iter().map(request_row).collect(),
        settings: can_write.then(|| views::KeySettings {
            form: form.unwrap_or_else(|| ground.offer(at).filled(&key.settings)),
            version: key.version(),
        }),
        can_revoke: key.revoked.is_none() && seen.may_govern_keys(),
        can_rotate: can_write && key.successor_id.is_none(),
    })
}

/// `/apps/{app}/keys/{key}`
pub(in super::super) async fn show(view: KeyView<ToView>) -> Result<HttpResponse, Failure> {
    let ground = Ground::of(&view).await?;
    html(&page(&view, &ground, None).await?)
}

/// `POST /apps/{app}/keys/{key}`
pub(in super::super) async fn save(act: KeyAct<ToWriteKeys>) -> Result<HttpResponse, Failure> {
    let ground = Ground::of(&act).await?;
    let offer = ground.offer(&act);
    let version = Some(act.form.text("version")).filter(|version| !version.is_empty());
    let (status, notice, typed) = match offer.read(&act.form) {
        Err(typed) if version.is_some_and(|version| version != act.key.version()) => {
            (StatusCode::CONFLICT, OVERTAKEN, *typed)
        }
        Err(typed) => (StatusCode::BAD_REQUEST, TO_MEND, *typed),
        Ok(settings) => {
            let change = |own: &mut crate::keys::Settings| *own = settings;
            match act.keys.change(act.key.id, version, change, act.asker()).await {
                Ok(_) => return Ok(act.back(News::KeySaved)),
                Err(KeyError::Over(_)) => return Ok(act.back(News::KeyOver)),
                Err(KeyError::Changed) => (StatusCode::CONFLICT, OVERTAKEN, offer.typed(&act.form)),
                Err(KeyError::Unsound { field, problem }) => {
                    let mut typed = offer.typed(&act.form);
                    if !form::mark(&mut typed, field, &problem) {
                        return Err(Failure::BadRequest(words::sentence(&problem)));
                    }
                    (StatusCode::BAD_REQUEST, TO_MEND, typed)
                }
                Err(error) => return Err(refused(error)),
            }
        }
    };
    let mut page = page(&act, &ground, Some(typed)).await?;
    if page.settings.is_none() {
        return Ok(act.back(News::KeyOver));
    }
    page.frame.notice = Some(Notice::danger(notice));
    html_with(status, &page)
}
