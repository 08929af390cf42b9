//! `/account/sessions`: where a person is signed in.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{
    super::{
        Identity,
        http::{Posted, SignedPost, Visitor},
        views,
    },
    onward::signed_out,
};
use crate::{
    types::SessionId,
    web::{BrowserSettings, Failure, News, html, page::Place},
};

/// `GET /account/sessions`.
pub(super) async fn show(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
) -> Result<HttpResponse, Failure> {
    let own = visitor.require(&request)?;
    let mut sessions: Vec<_> = identity
        .sessions(own.user.id)
        .await?
        .into_iter()
        .map(|listed| views::SessionRow {
            id: listed.session.id.to_string(),
            current: listed.session.id == own.session.id,
            place: Place::of(listed.origin.as_ref()),
            signed_in: listed.session.authenticated_at.into(),
            last_seen: listed.session.last_seen_at.into(),
        })
        .collect();
    sessions.sort_by_key(|row| !row.current);
    html(&views::Sessions {
        frame: visitor.frame()?,
        sessions,
    })
}

/// `POST /account/sessions/end`.
pub(super) async fn end(
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    post: SignedPost,
) -> Result<HttpResponse, Failure> {
    let (own, Posted { visitor, form }) = (&post.own, &*post);
    let id: SessionId = form.text("id").parse().map_err(|_error| Failure::NotFound)?;
    if !identity.end_session(own, id, &visitor.context).await? {
        return Err(Failure::NotFound);
    }
    if id == own.session.id {
        return Ok(News::SignedOut.after(signed_out(&settings, "/sign-in")?));
    }
    Ok(News::SessionEnded.on("/account/sessions"))
}

/// `POST /account/sessions/end-others`.
pub(super) async fn end_others(identity: Data<Identity>, post: SignedPost) -> Result<HttpResponse, Failure> {
    identity
        .end_other_sessions(&post.own, &post.visitor.context)
        .await?;
    Ok(News::SessionsEnded.on("/account/sessions"))
}
