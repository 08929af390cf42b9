//! `/v1/scopes`: the catalogue.

use actix_web::{HttpResponse, http::header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::ApiError,
    body::{Listing, Page, Params},
    caller::{Called, ToLook},
};
use crate::scopes::catalogue;

/// A scope that keys and clients can have.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScopeAnswer {
    #[schema(example = "read:orders")]
    name: String,
    /// What it lets do, in a person's words.
    description: String,
    sensitive: bool,
    /// Whether publishable keys may have it.
    publishable: bool,
    /// `any`, `confidential` or `first_party`: which OAuth clients may ask for it. Those of the last kind are for operators
    /// to grant to apps.
    audience: &'static str,
}

/// The scopes that there are
#[utoipa::path(
    get,
    path = "/v1/scopes",
    tag = "apps",
    params(
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "Some scopes", body = Listing<ScopeAnswer>),
    ),
    security(("key" = []), ("oauth" = []), ("session" = [])),
)]
pub(super) async fn list(caller: Called<ToLook>, query: Params) -> Result<HttpResponse, ApiError> {
    let page = Page::of(&query)?;
    let catalogue = catalogue(&mut *caller.keys.db.connection().await?).await?;
    let data = catalogue
        .0
        .into_iter()
        .map(|entry| ScopeAnswer {
            name: entry.scope.to_string(),
            description: entry.description.to_string(),
            sensitive: entry.sensitive,
            publishable: entry.publishable,
            audience: entry.audience.name(),
        })
        .collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Listing::part_of(data, &page, |scope: &ScopeAnswer| {
            scope.name.clone()
        })))
}
