//! `/v1/apps`: the integrations of an account, and what their keys may do.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Path,
};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    answer::{ApiError, Problem},
    body::{Body, Listing, Page, Params, if_match},
    caller::{Called, Caller, ToManageKeys},
    keys::{name, networks},
};
use crate::{
    accounts::{self, App},
    crypto,
    keys::{AppPolicy, KeyError, Reach},
    oauth::clients,
    types::{AccountId, AppId, ClientId, Environment, ScopeSet},
};

/// An app, and what all its keys may do at the most.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AppAnswer {
    #[schema(value_type = String)]
    app_id: AppId,
    #[schema(value_type = String)]
    account_id: AccountId,
    name: String,
    environments: Vec<Environment>,
    /// The most that its keys may have.
    scopes: Vec<String>,
    /// The tier whose limits hold for keys that have none of their own.
    tier: String,
    /// Networks that its keys may be used from; empty is anywhere.
    allowed_ips: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
}

impl AppAnswer {
    fn of(app: App, policy: AppPolicy) -> Self {
        Self {
            app_id: app.id,
            account_id: app.account_id,
            name: app.name,
            environments: policy.environments,
            scopes: policy.scopes.to_strings(),
            tier: policy.tier,
            allowed_ips: policy.networks.iter().map(ToString::to_string).collect(),
            created_at: app.created_at,
        }
    }

    /// What a change is made from (RFC 9110 §8.8.3).
    fn version(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        crypto::encode_base64url(crypto::digest(&text).get(..12).unwrap_or_default())
    }

    fn answer(&self, status: StatusCode) -> HttpResponse {
        HttpResponse::build(status)
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::ETAG, format!("\"{}\"", self.version())))
            .json(self)
    }
}

async fn look(caller: &Caller, id: AppId) -> Result<AppAnswer, ApiError> {
    let (app, policy) = look_in(&mut *caller.keys.db.connection().await?, caller, id).await?;
    Ok(AppAnswer::of(app, policy))
}

async fn look_in(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    id: AppId,
) -> Result<(App, AppPolicy), ApiError> {
    let policy = caller.keys.policy_in(connection, id, caller.asker()).await?;
    let app = accounts::app(connection, id)
        .await?
        .ok_or(ApiError::NotFound("app"))?;
    Ok((app, policy))
}

fn app_id(path: &str) -> Result<AppId, ApiError> {
    path.parse().map_err(|_cause| ApiError::NotFound("app"))
}

/// All apps that the caller may see, newest first
#[utoipa::path(
    get,
    path = "/v1/apps",
    tag = "apps",
    params(
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "Some apps", body = Listing<AppAnswer>),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn list(caller: Called<ToManageKeys>, query: Params) -> Result<HttpResponse, ApiError> {
    let page = Page::of(&query)?;
    let before: Option<AppId> = page.before()?;
    let mut apps = seen(&caller).await?;
    apps.sort_by_key(|app| std::cmp::Reverse(app.id));
    let wanted = usize::try_from(page.most).unwrap_or(usize::MAX).saturating_add(1);
    let mut shown = Vec::new();
    for app in apps
        .into_iter()
        .filter(|app| before.is_none_or(|before| app.id < before))
        .take(wanted)
    {
        match caller.keys.policy(app.id, caller.asker()).await {
            Ok(policy) => shown.push(AppAnswer::of(app, policy)),
            // It went meanwhile.
            Err(KeyError::NoApp) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Listing::of(shown, &page, |app| app.app_id.to_string())))
}

/// The apps that are within the caller's reach.
async fn seen(caller: &Caller) -> Result<Vec<App>, ApiError> {
    let mut connection = caller.keys.db.connection().await?;
    Ok(match caller.asker().reach {
        Reach::App(id) => accounts::app(&mut connection, id).await?.into_iter().collect(),
        Reach::Person(user) => {
            let mut apps = Vec::new();
            for membership in accounts::memberships_of(&mut connection, user).await? {
                apps.extend(accounts::apps_of(&mut connection, membership.account.id).await?);
            }
            apps
        }
        Reach::Everything => Vec::new(),
    })
}

/// An app to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApp {
    #[schema(example = "Billing sync", max_length = 80)]
    name: String,
    /// The account; left out, the person's own.
    #[serde(default)]
    account_id: Option<String>,
}

/// Makes an app
///
/// For people, by an access token or a session: a key belongs to one app and makes no other.
#[utoipa::path(
    post,
    path = "/v1/apps",
    tag = "apps",
    request_body = CreateApp,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again")),
    responses(
        (status = 201, description = "The app", body = AppAnswer),
        (status = 200, description = "The same request had made it before", body = AppAnswer),
        (status = 404, body = Problem, description = "No such account"),
        (status = 409, body = Problem, description = "The account has as many apps as it may have, or the `Idempotency-Key` came with another request"),
    ),
    security(("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn create(
    Called { caller, body, .. }: Called<ToManageKeys, Body<CreateApp>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let asker = caller.asker();
    let Reach::Person(user) = asker.reach else {
        return Err(ApiError::Forbidden);
    };
    let name = name(&body.value.name)?;
    let keys = &caller.keys;
    let once = super::body::once(&request, caller.name(), &body)?;
    let id = AppId::new(&keys.clock, &keys.entropy);
    let mut transaction = keys.db.begin().await?;
    if let Some(made) = keys
        .made_before(&mut transaction, once.as_ref(), &id.to_string())
        .await?
    {
        drop(transaction);
        return Ok(look(&caller, app_id(&made)?).await?.answer(StatusCode::OK));
    }
    let account = match &body.value.account_id {
        Some(text) => text.parse().map_err(|_cause| ApiError::NotFound("account"))?,
        None => accounts::personal_account_of(&mut transaction, user)
            .await?
            .ok_or(ApiError::NotFound("account"))?,
    };
    let most = keys.config.limits.apps_per_account;
    accounts::create_app(
        &mut transaction,
        &keys.clock,
        id,
        (account, most),
        &name,
        asker.by,
    )
    .await
    .map_err(|error| match error {
        accounts::AppError::NotFound => ApiError::NotFound("account"),
        other => ApiError::from(other),
    })?;
    transaction.commit().await?;
    Ok(look(&caller, id).await?.answer(StatusCode::CREATED))
}

/// One app
#[utoipa::path(
    get,
    path = "/v1/apps/{app}",
    tag = "apps",
    params(("app" = String, Path, description = "The app")),
    responses(
        (status = 200, description = "The app; its `ETag` goes into `If-Match` of a change", body = AppAnswer),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn show(caller: Called<ToManageKeys>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    Ok(look(&caller, app_id(&path)?).await?.answer(StatusCode::OK))
}

/// What is to be changed of an app; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeApp {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    environments: Option<Vec<Environment>>,
    /// The most that its keys may have. What is not among them is taken from its keys.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    allowed_ips: Option<Vec<String>>,
}

/// Changes an app
///
/// For people, by an access token or a session: what the keys of an app may do at the most, none of them changes.
#[utoipa::path(
    patch,
    path = "/v1/apps/{app}",
    tag = "apps",
    request_body = ChangeApp,
    params(
        ("app" = String, Path, description = "The app"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the app that the change is made from"),
    ),
    responses(
        (status = 200, description = "The app as it is now", body = AppAnswer),
    ),
    security(("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn change(
    Called { caller, body, .. }: Called<ToManageKeys, Body<ChangeApp>>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = app_id(&path)?;
    let asked = body.value;
    let name = asked.name.as_deref().map(name).transpose()?;
    let scopes: Option<ScopeSet> = asked
        .scopes
        .map(|texts| texts.iter().map(|text| text.parse()).collect::<Result<_, _>>())
        .transpose()
        .map_err(|invalid: crate::types::InvalidScope| ApiError::unsound("scopes", invalid.to_string()))?;
    let networks = asked.allowed_ips.as_deref().map(networks).transpose()?;
    let keys = &caller.keys;
    let mut transaction = keys.db.begin().await?;
    // Held, so that it stays what the caller says that they saw until the change of it is in force.
    accounts::lock_app(&mut transaction, id).await?;
    let (mut app, policy) = look_in(&mut transaction, &caller, id).await?;
    if matches!(caller.asker().reach, Reach::App(_)) {
        return Err(ApiError::Forbidden);
    }
    let version = AppAnswer::of(app.clone(), policy).version();
    if if_match(&request)?.is_some_and(|seen| seen != version) {
        return Err(ApiError::PreconditionFailed);
    }
    if let Some(name) = name.filter(|name| name.as_str() != app.name) {
        app = accounts::rename_app(&mut transaction, &keys.clock, id, &name, caller.asker().by).await?;
    }
    let change = |policy: &mut AppPolicy| {
        if let Some(environments) = asked.environments {
            policy.environments = environments;
        }
        if let Some(scopes) = scopes {
            policy.scopes = scopes;
        }
        if let Some(networks) = networks {
            policy.networks = networks;
        }
    };
    let policy = keys
        .change_policy_within(transaction, id, change, caller.asker())
        .await?;
    Ok(AppAnswer::of(app, policy).answer(StatusCode::OK))
}

/// Deletes an app
///
/// Its clients and keys are good for nothing when this answers. For people, by an access token or a session.
#[utoipa::path(
    delete,
    path = "/v1/apps/{app}",
    tag = "apps",
    params(("app" = String, Path, description = "The app")),
    responses(
        (status = 204, description = "It is gone"),
    ),
    security(("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn delete(
    caller: Called<ToManageKeys>,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = app_id(&path)?;
    look(&caller, id).await?;
    clients::delete_app(&caller.authority, id, caller.asker().by).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An OAuth client of an app.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientAnswer {
    #[schema(value_type = String)]
    client_id: ClientId,
    name: String,
    /// `public` or `confidential`
    kind: &'static str,
    redirect_uris: Vec<String>,
    scopes: Vec<String>,
    disabled: bool,
}

/// The OAuth clients of an app
#[utoipa::path(
    get,
    path = "/v1/apps/{app}/clients",
    tag = "apps",
    params(
        ("app" = String, Path, description = "The app"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "Some clients", body = Listing<ClientAnswer>),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn clients(
    caller: Called<ToManageKeys>,
    path: Path<String>,
    query: Params,
) -> Result<HttpResponse, ApiError> {
    let page = Page::of(&query)?;
    let id = app_id(&path)?;
    look(&caller, id).await?;
    let clients = clients::clients_of_app(&mut *caller.keys.db.connection().await?, id).await?;
    let data = clients
        .into_iter()
        .map(|client| ClientAnswer {
            client_id: client.id,
            kind: client.registration.kind.name(),
            redirect_uris: client
                .registration
                .redirect_uris
                .iter()
                .map(|uri| uri.as_str().to_owned())
                .collect(),
            scopes: client.registration.scopes.to_strings(),
            disabled: client.is_disabled(),
            name: client.registration.name,
        })
        .collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Listing::part_of(data, &page, |client: &ClientAnswer| {
            client.client_id.to_string()
        })))
}
