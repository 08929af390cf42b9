//! `/account/activity`: the trail of a person and of the accounts that they belong to.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{
    super::{Identity, http::Visitor, views},
    onward::query,
};
use crate::{
    accounts,
    audit::{self, Action, Entry, Filter},
    types::UserId,
    web::{
        Failure, Query, browser_in_words, html,
        page::{Choice, Pages},
    },
};

const RECORDS: usize = 50;

/// What to filter by: the first words of actions.
const KINDS: &[(&str, &str)] = &[
    ("", "Everything"),
    ("session", "Signing in and out"),
    ("consent", "Connected apps"),
    ("grant", "Sign-ins by connected apps"),
    ("app", "Your apps"),
    ("client", "Clients of your apps"),
    ("member", "Members of your accounts"),
    ("account", "Your accounts"),
    ("email", "E-mail address"),
    ("password", "Password"),
];

/// `GET /account/activity?action=…&before=…`.
pub(super) async fn show(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let own = visitor.require(&request)?;
    let parameters = query(parameters);
    let action = Some(parameters.text("action")).filter(|action| !action.is_empty());
    let before: Option<i64> = parameters.text("before").parse().ok();
    let mut connection = identity.db.connection().await?;
    let accounts = accounts::memberships_of(&mut connection, own.user.id)
        .await?
        .into_iter()
        .map(|membership| membership.account.id)
        .collect();
    let filter = Filter {
        readers: Some((own.user.id, accounts)),
        action: action.map(str::to_owned),
        before,
        ..Filter::default()
    };
    let page = audit::trail(&mut connection, &filter, RECORDS).await?;
    let path = |before: Option<i64>| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(action) = action {
            query.append_pair("action", action);
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        format!("/account/activity?{}", query.finish())
    };
    html(&views::Activity {
        frame: visitor.frame()?,
        actions: KINDS
            .iter()
            .map(|(value, label)| Choice::new(*value, *label, action.unwrap_or_default() == *value))
            .collect(),
        records: page
            .entries
            .iter()
            .map(|entry| record(entry, own.user.id))
            .collect(),
        pages: Pages {
            // Reading goes backwards; the way forward is back to the newest.
            newer: before.map(|_| path(None)),
            older: page.next.map(|next| path(Some(next))),
        },
    })
}

fn record(entry: &Entry, reader: UserId) -> views::ActivityRecord {
    let what = Action::ALL
        .iter()
        .find(|action| action.name() == entry.action)
        .map_or(entry.action.as_str(), |action| action.sentence());
    let hidden = entry.is_by_another(reader);
    views::ActivityRecord {
        reference: entry.reference(),
        at: entry.at.into(),
        what: what.to_owned(),
        more: more(entry),
        browser: entry
            .user_agent
            .as_deref()
            .filter(|_| !hidden)
            .map(browser_in_words),
        address: entry.address.clone().filter(|_| !hidden),
        refused: entry.refused,
    }
}

/// The details that mean something to a person.
fn more(entry: &Entry) -> Option<String> {
    let words: Vec<&str> = [
        "what",
        "name",
        "account",
        "app",
        "hint",
        "found_at",
        "scope",
        "lost_scope",
        "reason",
        "email",
        "role",
    ]
    .into_iter()
    .filter_map(|detail| entry.details.get(detail)?.as_str())
    .filter(|text| !text.is_empty())
    .collect();
    (!words.is_empty()).then(|| words.join(" · "))
}
