//! The files under `/static/`.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header as _, IfNoneMatch},
    web::{self, Bytes, Data, ServiceConfig},
};

use crate::{
    crypto::{digest, encode_base64url},
    web::{
        Failure,
        assets::{ASSETS, Asset},
    },
};

/// For how long browsers ask no question; after that, whether it has changed. Names stay the same from one
/// version of the server to the next, so this is how long a page may wear an old style sheet after an update.
const CACHE: &str = "public, max-age=3600, stale-while-revalidate=86400";

/// Every file with the tag of its content.
pub(super) struct Assets(HashMap<&'static str, (Asset, EntityTag)>);

impl Assets {
    pub(super) fn new() -> Self {
        Self(
            ASSETS
                .iter()
                .map(|asset| {
                    let digest = digest(asset.bytes);
                    let short = digest.first_chunk::<16>().map_or(digest.as_slice(), |own| own);
                    (
                        asset.name,
                        (*asset, EntityTag::new_strong(encode_base64url(short))),
                    )
                })
                .collect(),
        )
    }
}

pub(super) fn routes(routes: &mut ServiceConfig) {
    routes.service(web::resource("/static/{name}").route(web::get().to(asset)));
}

async fn asset(
    request: HttpRequest,
    name: web::Path<String>,
    assets: Data<Assets>,
) -> Result<HttpResponse, Failure> {
    let (asset, tag) = assets.0.get(name.as_str()).ok_or(Failure::NotFound)?;
    let known = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    };
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((header::CACHE_CONTROL, CACHE))
        .insert_header(header::ETag(tag.clone()));
    Ok(if known {
        answer.finish()
    } else {
        answer
            .content_type(asset.content_type)
            .body(Bytes::from_static(asset.bytes))
    })
}
