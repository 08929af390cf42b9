//! A scope goes from the catalogue, or is for fewer than before.

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{Settings, coverage::covers, store};
use crate::{
    audit::{self, Action, Actor, Record},
    config::Families,
    revocation::Subject,
    scopes::{Audience, Catalogue, Entry},
    types::{Fault, Scope, ScopeSet},
};

/// Takes a scope from the apps and keys that may not have it any more, in the caller's transaction: from all if it is
/// gone (`left` is none), from publishable keys if it is not for them. What it returns is to be appended to the
/// revocation log.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn drop_scope(
    connection: &mut AsyncPgConnection,
    name: &str,
    left: Option<&Entry>,
) -> Result<Vec<Subject>, Fault> {
    let (keys, apps) = match left {
        None => store::drop_scope(connection, name).await?,
        Some(entry) if !entry.publishable => {
            (store::drop_publishable_scope(connection, name).await?, Vec::new())
        }
        Some(_) => return Ok(Vec::new()),
    };
    let keys = keys.into_iter().map(Subject::ApiKey);
    Ok(keys.chain(apps.into_iter().map(Subject::App)).collect())
}

/// Waits until nobody is changing an app or making a key, and has whoever begins to wait until the transaction ends. For
/// whoever changes the catalogue, before anything else: apps come before scopes for everybody, and what is granted by a
/// prefix names no row of the catalogue that could be held.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn hold_all_apps(connection: &mut AsyncPgConnection) -> Result<(), Fault> {
    store::hold_all_apps(connection).await
}

/// Takes from apps and keys, in the caller's transaction, what gives them a scope that is for operators to grant from now on:
/// itself, and whatever implies it, in whose place comes all else that it implies. Who granted it is not known, so
/// operators grant it again where it is wanted. What the configuration gives to all keys of a family stays. What it returns is to be appended to the revocation log.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn withhold_scope(
    connection: &mut AsyncPgConnection,
    scope: &Scope,
    catalogue: &Catalogue,
    families: &Families,
    now: OffsetDateTime,
) -> Result<Vec<Subject>, Fault> {
    let given_by = |own: &Scope| covers(own.as_str(), scope.as_str());
    let rest = |own: &Scope| {
        let others = catalogue.0.iter().filter(|entry| {
            entry.audience != Audience::FirstParty
                && covers(own.as_str(), entry.scope.as_str())
                && !given_by(&entry.scope)
        });
        others.map(|entry| entry.scope.clone()).collect::<ScopeSet>()
    };
    let narrowed = |held: &ScopeSet, of_family: &[String]| {
        held.iter().fold(ScopeSet::default(), |kept, own| {
            let is_of_family = of_family.iter().any(|scope| scope == own.as_str());
            kept.union(&if given_by(own) && !is_of_family {
                rest(own)
            } else {
                [own.clone()].into_iter().collect()
            })
        })
    };
    let names = what_gives(scope);
    let mut changed = Vec::new();
    // Apps first, as whoever makes a key takes them.
    for (app, held) in store::apps_with_any(connection, &names).await? {
        store::set_app_scopes(connection, app, &narrowed(&held, &[])).await?;
        changed.push(Subject::App(app));
    }
    for key in store::keys_with_any(connection, &names).await? {
        let family = families.get(&key.family);
        let of_family = family.map_or(&[][..], |family| family.default_scopes.as_slice());
        let kept = narrowed(&key.settings.scopes, of_family);
        if kept != key.settings.scopes {
            let settings = Settings {
                scopes: kept,
                ..key.settings.clone()
            };
            store::change(connection, &key, &settings, key.next_version(now)).await?;
            changed.push(Subject::ApiKey(key.id));
        }
    }
    Ok(changed)
}

/// Records of apps and keys, among these, that lost a scope by that act: their owners look for them, and not for what
/// became of the catalogue.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn records_of_loss(
    connection: &mut AsyncPgConnection,
    lost: &[Subject],
    scope: &str,
    actor: Actor,
    now: OffsetDateTime,
) -> Result<Vec<Record>, Fault> {
    let (mut apps, mut keys) = (Vec::new(), Vec::new());
    for subject in lost {
        match subject {
            Subject::App(id) => apps.push(*id),
            Subject::ApiKey(id) => keys.push(*id),
            Subject::Token(_)
            | Subject::Grant(_)
            | Subject::Session(_)
            | Subject::User(_)
            | Subject::Client(_) => {}
        }
    }
    let of_apps = store::apps_named(connection, &apps).await?;
    let of_apps = of_apps.into_iter().map(|(id, account, name)| {
        Record::done(now, actor, Action::AppPolicyChanged, audit::Subject::App(id))
            .account(account)
            .detail("name", name)
    });
    // One that lost it for two reasons lost it once.
    keys.sort_unstable();
    keys.dedup();
    let found = store::keys(connection, &keys).await?;
    let of_keys = keys.iter().filter_map(|id| found.get(id)).map(|key| {
        Record::done(now, actor, Action::KeyChanged, audit::Subject::ApiKey(key.id))
            .account(key.account_id)
            .detail("name", key.settings.name.as_str())
            .detail("hint", key.hint.as_str())
    });
    Ok(of_apps
        .chain(of_keys)
        .map(|record| record.detail("lost_scope", scope))
        .collect())
}

/// All that covers a scope.
fn what_gives(scope: &Scope) -> Vec<String> {
    let name = scope.as_str();
    let mut names = vec![name.to_owned()];
    if let Some((verb, resource)) = name.split_once(':') {
        names.push(format!("{verb}:*"));
        if matches!(verb, "read" | "write") {
            names.extend([format!("admin:{resource}"), "admin:*".to_owned()]);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_a_scope_is_what_covers_it() {
        let verbs = ["read", "write", "admin", "delete"];
        let all = verbs.map(|verb| ["orders", "invoices", "*"].map(|of| format!("{verb}:{of}")));
        let all: Vec<String> = all
            .into_iter()
            .flatten()
            .chain(["inference".to_owned()])
            .collect();
        for name in &all {
            let mut gives = what_gives(&name.parse().expect("a scope"));
            let mut covering: Vec<_> = all.iter().filter(|own| covers(own, name)).cloned().collect();
            gives.sort();
            gives.dedup();
            covering.sort();
            assert_eq!(gives, covering, "{name}");
        }
    }
}
