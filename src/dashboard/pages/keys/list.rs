//! Keys in lists: those of an app that can be used, those that cannot any more, and those that end soon.

use std::collections::HashMap;

use actix_web::HttpResponse;
use time::OffsetDateTime;

use super::{
    super::{
        act::{AppView, AtApp, ToView},
        usage::chart,
        views,
    },
    refused, words,
};
use crate::{
    accounts::{App, Permission},
    keys::{
        Keys,
        usage::{Of, Span, series},
    },
    scopes::catalogue,
    types::{AccountId, ApiKeyId, AppId, Fault},
    web::{Failure, Query, chart::Chart, html, page::Pages},
};

/// Keys on one page.
const KEYS: u32 = 25;

/// What happened in the last 24 hours.
pub(super) async fn traffic(keys: &Keys, of: Of, now: OffsetDateTime) -> Result<Chart, Fault> {
    let mut connection = keys.db.connection().await?;
    let points = series(&mut connection, of, &Span::Day.window(now)).await?;
    Ok(chart("traffic", Span::Day, &points))
}

/// What the page of an app says of its keys.
pub(in super::super) async fn of_app(at: &AtApp) -> Result<views::KeysOfApp, Failure> {
    let (keys, app) = (&at.keys, at.seen.app.id);
    let now = keys.clock.now();
    let policy = keys.policy(app, at.asker()).await.map_err(refused)?;
    let usable = keys.usable_keys(app, at.asker()).await.map_err(refused)?;
    let former = keys
        .former_keys(app, None, 1, at.asker())
        .await
        .map_err(refused)?;
    let catalogue = catalogue(&mut *keys.db.connection().await?).await?;
    let environments: Vec<&str> = policy
        .environments
        .iter()
        .map(|environment| words::environment(*environment))
        .collect();
    Ok(views::KeysOfApp {
        keys: usable
            .iter()
            .map(|key| words::row(keys, app, key, &catalogue))
            .collect(),
        has_former: !former.is_empty(),
        traffic: traffic(keys, Of::App(app), now).await?,
        scopes: words::tags(&policy.scopes, &catalogue, &words::all_legacy(keys)),
        environments: environments.join(", "),
        tier: words::tier(&policy.tier, &keys.config.keys.tiers),
        networks: policy.networks.iter().map(ToString::to_string).collect(),
        can_write: at.seen.may(Permission::WriteKeys),
        can_govern: at.seen.may_govern_keys(),
    })
}

/// The keys of these accounts that end soon.
pub(in super::super) async fn reminders(
    keys: &Keys,
    accounts: &[AccountId],
    apps: &HashMap<AppId, App>,
) -> Result<Vec<views::KeyRow>, Fault> {
    let ending = keys.ending_keys(accounts).await?;
    if ending.is_empty() {
        return Ok(Vec::new());
    }
    let catalogue = catalogue(&mut *keys.db.connection().await?).await?;
    Ok(ending
        .iter()
        .filter_map(|key| {
            let app = apps.get(&key.app_id?)?;
            Some(views::KeyRow {
                app: Some(app.name.clone()),
                ..words::row(keys, app.id, key, &catalogue)
            })
        })
        .collect())
}

/// `/apps/{app}/keys/former?before=…`
pub(in super::super) async fn former(view: AppView<ToView>, query: Query) -> Result<HttpResponse, Failure> {
    let (keys, app) = (&view.keys, view.seen.app.id);
    let before: Option<ApiKeyId> = query
        .0
        .as_ref()
        .ok()
        .and_then(|query| query.text("before").parse().ok());
    let mut found = keys
        .former_keys(app, before, KEYS + 1, view.asker())
        .await
        .map_err(refused)?;
    let most = usize::try_from(KEYS).unwrap_or(usize::MAX);
    let more = found.len() > most;
    found.truncate(most);
    let catalogue = catalogue(&mut *keys.db.connection().await?).await?;
    let path = format!("{}/keys/former", view.seen.path());
    html(&views::FormerKeys {
        frame: view.visitor.frame()?,
        app: view.seen.app_ref(),
        pages: Pages {
            // Reading goes backwards; the way forward is back to the newest.
            newer: before.map(|_| path.clone()),
            older: found
                .last()
                .filter(|_| more)
                .map(|last| format!("{path}?before={}", last.id)),
        },
        keys: found
            .iter()
            .map(|key| words::row(keys, app, key, &catalogue))
            .collect(),
    })
}
