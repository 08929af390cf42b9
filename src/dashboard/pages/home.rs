//! All apps, and a new one.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{keys as of_keys, refused, views};
use crate::{
    accounts::{self, AppError, Membership, Permission, Role},
    audit::By,
    identity::http::{Posted, SignedIn, SignedPost, Visitor},
    keys::Keys,
    oauth::{Authority, clients},
    types::{AccountId, AppId, DisplayName},
    web::{
        Failure, News, html, html_with,
        page::{Choice, Field},
        see_other,
    },
};

pub(super) fn label(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Developer => "Developer",
        Role::Admin => "Admin",
        Role::Owner => "Owner",
    }
}

/// `/`, where whoever signed in without a destination ends up
pub(super) async fn start() -> HttpResponse {
    see_other("/apps")
}

/// `/apps`
pub(super) async fn list(
    authority: Data<Authority>,
    keys: Data<Keys>,
    request: HttpRequest,
    visitor: Visitor,
) -> Result<HttpResponse, Failure> {
    let user = visitor.require(&request)?.user.id;
    let memberships = accounts::memberships_of(&mut *authority.db.connection().await?, user).await?;
    let ids: Vec<AccountId> = memberships.iter().map(|own| own.account.id).collect();
    let mut live = HashMap::new();
    for account in &ids {
        live.extend(keys.count_by_app(*account).await?);
    }
    let mut accounts = Vec::new();
    let mut all_apps = HashMap::new();
    let mut connection = authority.db.connection().await?;
    for Membership { account, role } in memberships {
        let counts = clients::count_by_app(&mut connection, account.id).await?;
        let apps = accounts::apps_of(&mut connection, account.id).await?;
        all_apps.extend(apps.iter().map(|app| (app.id, app.clone())));
        accounts.push(views::AccountApps {
            id: account.id.to_string(),
            name: account.name,
            role: label(role).to_owned(),
            can_edit: role.may(Permission::WriteApps),
            apps: apps
                .into_iter()
                .map(|app| views::AppRow {
                    id: app.id.to_string(),
                    clients: counts.get(&app.id).copied().unwrap_or_default(),
                    keys: live.get(&app.id).copied().unwrap_or_default(),
                    name: app.name,
                    created: app.created_at.into(),
                })
                .collect(),
        });
    }
    drop(connection);
    let slot = keys.default_key(user).await?;
    html(&views::Home {
        frame: visitor.frame()?,
        accounts,
        ending: of_keys::reminders(&keys, &ids, &all_apps).await?,
        default_key: slot.filter(|slot| slot.key.is_none()).map(|slot| slot.scope),
        issuer: authority.issuer.to_string(),
    })
}

/// The accounts in which the visitor may make apps, the personal one first.
async fn own_accounts(authority: &Authority, own: &SignedIn) -> Result<Vec<Membership>, Failure> {
    let mut all = accounts::memberships_of(&mut *authority.db.connection().await?, own.user.id).await?;
    all.retain(|membership| membership.role.may(Permission::WriteApps));
    if all.is_empty() {
        return Err(Failure::Forbidden);
    }
    if !own.user.email_verified {
        return Err(Failure::AddressUnverified);
    }
    Ok(all)
}

fn form(
    authority: &Authority,
    visitor: &Visitor,
    name: Field,
    accounts: &[Membership],
    chosen: Option<AccountId>,
) -> Result<views::NewApp, Failure> {
    Ok(views::NewApp {
        frame: visitor.frame()?,
        form_id: visitor.form_id(AppId::new(&authority.clock, &authority.entropy).uuid())?,
        name,
        accounts: accounts
            .iter()
            .map(|Membership { account, .. }| {
                Choice::new(account.id.to_string(), &account.name, chosen == Some(account.id))
            })
            .collect(),
    })
}

/// `/apps/new`
pub(super) async fn ask_for_app(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
) -> Result<HttpResponse, Failure> {
    let accounts = own_accounts(&authority, visitor.require(&request)?).await?;
    html(&form(&authority, &visitor, Field::default(), &accounts, None)?)
}

/// `POST /apps/new`
pub(super) async fn create_app(
    authority: Data<Authority>,
    post: SignedPost,
) -> Result<HttpResponse, Failure> {
    let Posted { visitor, form: sent } = &*post;
    let accounts = own_accounts(&authority, &post.own).await?;
    let account = match sent.text("account") {
        "" => accounts.first().map(|membership| membership.account.id),
        id => Some(id.parse().or(Err(Failure::NotFound))?),
    }
    .ok_or(Failure::Forbidden)?;
    let typed = sent.text("name");
    let name: DisplayName = match typed.parse() {
        Ok(name) => name,
        Err(error) => {
            let field = Field::of(typed).with_error(format!("{error}"));
            let page = form(&authority, visitor, field, &accounts, Some(account))?;
            return html_with(StatusCode::BAD_REQUEST, &page);
        }
    };
    let mut transaction = authority.db.begin().await?;
    let id = visitor.id_in(sent).map_or_else(
        || AppId::new(&authority.clock, &authority.entropy),
        AppId::from_uuid,
    );
    let made = accounts::create_app(
        &mut transaction,
        &authority.clock,
        id,
        (account, authority.config.limits.apps_per_account),
        &name,
        By::user(post.own.user.id, &visitor.context),
    )
    .await;
    match made {
        Ok(_) => transaction.commit().await?,
        Err(AppError::Again) => {}
        Err(AppError::TooMany(most)) => {
            drop(transaction);
            let words =
                format!("This account has {most} apps, the most that are allowed here. Delete one first.");
            let field = Field::of(typed).with_error(words);
            let page = form(&authority, visitor, field, &accounts, Some(account))?;
            return html_with(StatusCode::BAD_REQUEST, &page);
        }
        Err(error) => return Err(refused(error)),
    }
    Ok(News::AppMade.on(&format!("/apps/{id}")))
}
