//! `/operator/invitations`: for operators only; to others there is no such page.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::super::{
    Identity, Invitation, InviteError, LinkPurpose,
    http::{Posted, SignedPost, Visitor},
    links::in_words,
    views,
};
use crate::{
    config::SignUpMode,
    types::{Email, InvalidEmail, LinkId},
    web::{Failure, News, html, html_with, page::Field},
};

async fn view(visitor: &Visitor, identity: &Identity, email: Field) -> Result<views::Invite, Failure> {
    let row = |invitation: Invitation| views::InvitationRow {
        id: invitation.id.to_string(),
        email: invitation.email.to_string(),
        sent: invitation.sent_at.into(),
        expires: invitation.expires_at.into(),
    };
    let mode = identity.config.sign_up.mode;
    Ok(views::Invite {
        frame: visitor.frame()?,
        email,
        good_for: in_words(identity.link_lifetime(LinkPurpose::Invitation)),
        by_invitation: mode == SignUpMode::Invitation,
        closed: mode == SignUpMode::Closed,
        invitations: identity.invitations().await?.into_iter().map(row).collect(),
    })
}

/// `GET /operator/invitations`.
pub(super) async fn show(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
) -> Result<HttpResponse, Failure> {
    visitor.operator(&request)?;
    html(&view(&visitor, &identity, Field::default()).await?)
}

/// `POST /operator/invitations`.
pub(super) async fn invite(identity: Data<Identity>, post: SignedPost) -> Result<HttpResponse, Failure> {
    let own = post.own.operator()?;
    let Posted { visitor, form } = &*post;
    let typed = form.text("email");
    let error = match typed.parse::<Email>() {
        Err(error @ InvalidEmail) => error.to_string(),
        Ok(email) => match identity.invite(&own.user, &email, &visitor.context).await {
            Ok(()) => return Ok(News::Invited.on("/operator/invitations")),
            Err(error @ InviteError::Taken) => error.to_string(),
            Err(InviteError::Forbidden) => return Err(Failure::NotFound),
            Err(InviteError::Fault(fault)) => return Err(fault.into()),
        },
    };
    let view = view(visitor, &identity, Field::of(typed).with_error(error)).await?;
    html_with(StatusCode::BAD_REQUEST, &view)
}

/// `POST /operator/invitations/withdraw`.
pub(super) async fn withdraw(identity: Data<Identity>, post: SignedPost) -> Result<HttpResponse, Failure> {
    let own = post.own.operator()?;
    let id: LinkId = post.form.text("id").parse().or(Err(Failure::NotFound))?;
    let done = identity
        .withdraw_invitation(&own.user, id, &post.visitor.context)
        .await?;
    let news = if done {
        News::InvitationWithdrawn
    } else {
        News::NoInvitation
    };
    Ok(news.on("/operator/invitations"))
}
