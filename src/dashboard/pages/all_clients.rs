//! `/operator/clients`: the clients of everybody, from where an operator comes to the one to vouch for or to shut out. For
//! everybody but operators there is no such page.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::views;
use crate::{
    identity::http::Visitor,
    oauth::{
        Authority,
        clients::{self, Found},
    },
    web::{
        Failure, Query, html,
        page::{Field, Pages},
    },
};

/// Clients on one page.
const CLIENTS: u32 = 50;

fn row(client: Found) -> views::FoundClient {
    views::FoundClient {
        path: format!("/apps/{}/clients/{}", client.app, client.id),
        client_id: client.id.to_string(),
        name: client.name,
        app: client.app_name,
        created: client.created_at.into(),
        publisher: client.publisher,
        publisher_verified: client.publisher_verified,
        first_party: client.first_party,
        disabled: client.disabled,
        shut_out: client.shut_out,
    }
}

fn page_path(search: &str, number: u32) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if !search.is_empty() {
        query.append_pair("q", search);
    }
    query.append_pair("page", &number.to_string());
    format!("/operator/clients?{}", query.finish())
}

/// `/operator/clients?q=…&page=…`; pages count from 0.
pub(super) async fn list(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    query: Query,
) -> Result<HttpResponse, Failure> {
    visitor.operator(&request)?;
    let text = |name| query.0.as_ref().map_or("", |query| query.text(name));
    let search = text("q").trim();
    let number: u32 = text("page").parse().unwrap_or_default();
    let skipped = number.saturating_mul(CLIENTS);
    let mut connection = authority.db.connection().await?;
    let mut found = clients::find(&mut connection, search, skipped, CLIENTS.saturating_add(1)).await?;
    let size = usize::try_from(CLIENTS).unwrap_or(usize::MAX);
    let more = found.len() > size;
    found.truncate(size);
    html(&views::AllClients {
        frame: visitor.frame()?,
        search: Field::of(search),
        pages: Pages {
            newer: number.checked_sub(1).map(|newer| page_path(search, newer)),
            older: more.then(|| page_path(search, number.saturating_add(1))),
        },
        clients: found.into_iter().map(row).collect(),
    })
}
