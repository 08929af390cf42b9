//! `/operator/invitations`: for operators only; to others there is no such page.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{
    super::{
        Identity, InviteError, LinkPurpose,
        http::{SignedIn, Visitor},
        links::in_words,
        views,
    },
    notices::notice,
    onward::{fields, query},
};
use crate::{
    config::SignUpMode,
    types::{Email, InvalidEmail},
    web::{Failure, Form, Query, html, html_with, page::Field, see_other},
};

fn operator<'v>(visitor: &'v Visitor, request: &HttpRequest) -> Result<&'v SignedIn, Failure> {
    let own = visitor.require(request)?;
    if own.user.operator {
        Ok(own)
    } else {
        Err(Failure::NotFound)
    }
}

fn view(visitor: &Visitor, identity: &Identity, email: Field) -> Result<views::Invite, Failure> {
    let mode = identity.config.sign_up.mode;
    Ok(views::Invite {
        frame: visitor.frame()?,
        email,
        good_for: in_words(identity.link_lifetime(LinkPurpose::Invitation)),
        by_invitation: mode == SignUpMode::Invitation,
        closed: mode == SignUpMode::Closed,
    })
}

/// `GET /operator/invitations`.
pub(super) async fn show(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    operator(&visitor, &request)?;
    let mut view = view(&visitor, &identity, Field::default())?;
    view.frame.notice = notice(&query(parameters));
    html(&view)
}

/// `POST /operator/invitations`.
pub(super) async fn invite(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let form = fields(form, &visitor)?;
    let own = operator(&visitor, &request)?;
    let typed = form.text("email");
    let error = match typed.parse::<Email>() {
        Err(error @ InvalidEmail) => error.to_string(),
        Ok(email) => match identity.invite(&own.user, &email, &visitor.context).await {
            Ok(()) => return Ok(see_other("/operator/invitations?notice=invited")),
            Err(error @ InviteError::Taken) => error.to_string(),
            Err(InviteError::Forbidden) => return Err(Failure::NotFound),
            Err(InviteError::Fault(fault)) => return Err(fault.into()),
        },
    };
    let view = view(&visitor, &identity, Field::of(typed).with_error(error))?;
    html_with(StatusCode::BAD_REQUEST, &view)
}
