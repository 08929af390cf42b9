//! `/invitations/accept`: what the link in the mail of an invitation opens. Opening it uses nothing up; its button does.

use actix_web::{HttpResponse, http::StatusCode, web::Data};

use super::{home::label, views};
use crate::{
    config::SignUpMode,
    crypto::Token,
    identity::{
        Identity, JoinError, LinkPurpose, MemberInvitation,
        http::{Posted, Visitor},
        views::LinkExpired,
    },
    web::{Failure, News, Query, html_with},
};

fn bad_link(visitor: &Visitor) -> Result<HttpResponse, Failure> {
    html_with(
        StatusCode::NOT_FOUND,
        &LinkExpired {
            frame: visitor.frame()?,
            purpose: LinkPurpose::Invitation,
        },
    )
}

/// What stands between the visitor and the account.
fn step(identity: &Identity, visitor: &Visitor, invitation: &MemberInvitation) -> views::JoinStep {
    match &visitor.signed_in {
        None => views::JoinStep::SignIn {
            sign_up_open: identity.config.sign_up.mode == SignUpMode::Open,
        },
        Some(own) if own.user.email.key() != invitation.email.key() => views::JoinStep::OtherAddress {
            own: own.user.email.to_string(),
        },
        Some(own) if !own.user.email_verified => views::JoinStep::Verify,
        Some(_) => views::JoinStep::Join,
    }
}

async fn page(identity: &Identity, visitor: &Visitor, token: &Token) -> Result<HttpResponse, Failure> {
    let Some(invitation) = identity.look_at_member_invitation(token).await? else {
        return bad_link(visitor);
    };
    let step = step(identity, visitor, &invitation);
    let status = match step {
        views::JoinStep::Join => StatusCode::OK,
        _ => StatusCode::FORBIDDEN,
    };
    html_with(
        status,
        &views::Join {
            frame: visitor.frame()?,
            account: invitation.account,
            by: invitation.by,
            role: label(invitation.role).to_owned(),
            may: views::what_it_may(invitation.role).to_owned(),
            email: invitation.email.to_string(),
            token: token.expose().to_owned(),
            step,
        },
    )
}

/// `GET /invitations/accept?token=…`
pub(super) async fn show(
    identity: Data<Identity>,
    visitor: Visitor,
    Query(query): Query,
) -> Result<HttpResponse, Failure> {
    let token = Token::presented(query.unwrap_or_default().text("token"));
    page(&identity, &visitor, &token).await
}

/// `POST /invitations/accept`
pub(super) async fn accept(
    identity: Data<Identity>,
    Posted { visitor, form }: Posted,
) -> Result<HttpResponse, Failure> {
    let token = Token::presented(form.text("token"));
    let Some(own) = &visitor.signed_in else {
        return page(&identity, &visitor, &token).await;
    };
    match identity
        .accept_member_invitation(&own.user, &token, &visitor.context)
        .await
    {
        Ok(account) => Ok(News::AccountJoined.on(&format!("/accounts/{account}"))),
        // For the owner of another address the page says so; for everybody else the link is not good.
        Err(JoinError::BadLink | JoinError::Unverified) => page(&identity, &visitor, &token).await,
        Err(JoinError::Fault(fault)) => Err(fault.into()),
    }
}
