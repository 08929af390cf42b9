//! `/sign-up`, and `/setup` for the first operator.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{
    super::{
        Identity, LinkPurpose, NewUser, Problems, SignUpError,
        http::{PendingRequest, Posted, Sent, Visitor},
        views,
    },
    onward::{OUT_OF_DATE, Onward, arrive, bad_link, page, pending, query, secret, signed_in, too_early},
};
use crate::{
    config::SignUpMode,
    crypto::Token,
    web::{
        BrowserSettings, Failure, Parameters, Query, html, html_with, page::Field, see_other, wait_in_words,
    },
};

fn presented(parameters: &Parameters, name: &str) -> Option<Token> {
    Some(parameters.text(name))
        .filter(|text| !text.is_empty())
        .map(Token::presented)
}

fn field(value: &str, error: Option<String>) -> Field {
    Field {
        value: value.to_owned(),
        error,
    }
}

fn new_user(form: &Parameters) -> NewUser {
    NewUser {
        name: form.text("name").to_owned(),
        email: form.text("email").to_owned(),
        password: secret(form, "password"),
    }
}

fn closed(visitor: &Visitor, by_invitation: bool) -> Result<HttpResponse, Failure> {
    html_with(
        StatusCode::FORBIDDEN,
        &views::SignUpClosed {
            frame: visitor.frame()?,
            by_invitation,
        },
    )
}

/// `GET /sign-up`.
pub(super) async fn show(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let parameters = query(parameters);
    let (onward, waiting) = arrive(&request, &visitor, &parameters).await?;
    let invitation = presented(&parameters, "invitation");
    if visitor.signed_in.is_some() && invitation.is_none() && !onward.another {
        return Ok(see_other(&onward.path()));
    }
    let mode = identity.config.sign_up.mode;
    let email = match (mode, &invitation) {
        (SignUpMode::Closed, _) => return closed(&visitor, false),
        (SignUpMode::Invitation, None) => return closed(&visitor, true),
        (SignUpMode::Open, None) => waiting
            .as_ref()
            .and_then(|waiting| waiting.login_hint.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        (_, Some(token)) => {
            let link = identity.look_at_link(LinkPurpose::Invitation, token).await?;
            match link.and_then(|link| link.email) {
                Some(email) => email.to_string(),
                None => return bad_link(&visitor, LinkPurpose::Invitation),
            }
        }
    };
    let view = views::SignUp {
        frame: visitor.frame()?,
        onward: onward.view(waiting.as_ref()),
        invitation: invitation.map(|token| token.expose().to_owned()),
        name: Field::default(),
        email: Field::of(email),
        password: Field::default(),
        error: None,
    };
    page(StatusCode::OK, &view, waiting)
}

/// `POST /sign-up`: whoever is new is signed in at once.
pub(super) async fn sign_up(
    request: HttpRequest,
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    sent: Sent,
) -> Result<HttpResponse, Failure> {
    let is_ours = sent.is_ours()?;
    let Sent { visitor, form } = sent;
    let onward = Onward::read(&form);
    let invitation = presented(&form, "invitation");
    let waiting = pending(&request, &visitor, &onward).await?;
    let again = |problems: Problems, error: Option<String>, waiting: Option<PendingRequest>| {
        let view = views::SignUp {
            frame: visitor.frame()?,
            onward: onward.view(waiting.as_ref()),
            invitation: invitation.as_ref().map(|token| token.expose().to_owned()),
            name: field(form.text("name"), problems.name),
            email: field(form.text("email"), problems.email),
            password: field("", problems.password),
            error,
        };
        page(StatusCode::BAD_REQUEST, &view, waiting)
    };
    if !is_ours {
        let mut response = again(Problems::default(), Some(OUT_OF_DATE.to_owned()), waiting)?;
        *response.status_mut() = StatusCode::FORBIDDEN;
        return Ok(response);
    }
    let result = identity
        .sign_up(
            new_user(&form),
            invitation.as_ref(),
            visitor.signed_in.as_ref(),
            &visitor.context,
        )
        .await;
    match result {
        Ok(started) => signed_in(&identity, &settings, &started, &onward.path()),
        Err(SignUpError::Closed) => closed(&visitor, false),
        Err(SignUpError::NoInvitation) if invitation.is_none() => closed(&visitor, true),
        Err(SignUpError::NoInvitation | SignUpError::BadLink) => bad_link(&visitor, LinkPurpose::Invitation),
        Err(SignUpError::Problems(problems)) => again(problems, None, waiting),
        Err(SignUpError::Delayed(wait)) => Ok(too_early(
            again(Problems::default(), Some(wait_in_words(wait)), waiting)?,
            wait,
        )),
        Err(SignUpError::Fault(fault)) => Err(fault.into()),
    }
}

/// `GET /setup?token=…`.
pub(super) async fn show_set_up(
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let token = presented(&query(parameters), "token").unwrap_or_else(|| Token::presented(""));
    if identity
        .look_at_link(LinkPurpose::FirstOperator, &token)
        .await?
        .is_none()
    {
        return bad_link(&visitor, LinkPurpose::FirstOperator);
    }
    html(&views::FirstOperator {
        frame: visitor.frame()?,
        token: token.expose().to_owned(),
        name: Field::default(),
        email: Field::default(),
        password: Field::default(),
        error: None,
    })
}

/// `POST /setup`.
pub(super) async fn set_up(
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    Posted { visitor, form }: Posted,
) -> Result<HttpResponse, Failure> {
    let token = Token::presented(form.text("token"));
    let result = identity
        .set_up(
            &token,
            new_user(&form),
            visitor.signed_in.as_ref(),
            &visitor.context,
        )
        .await;
    match result {
        Ok(started) => signed_in(&identity, &settings, &started, "/"),
        Err(SignUpError::Problems(problems)) => html_with(
            StatusCode::BAD_REQUEST,
            &views::FirstOperator {
                frame: visitor.frame()?,
                token: token.expose().to_owned(),
                name: field(form.text("name"), problems.name),
                email: field(form.text("email"), problems.email),
                password: field("", problems.password),
                error: None,
            },
        ),
        Err(SignUpError::Delayed(retry_after)) => Err(Failure::TooManyRequests { retry_after }),
        Err(SignUpError::BadLink | SignUpError::NoInvitation | SignUpError::Closed) => {
            bad_link(&visitor, LinkPurpose::FirstOperator)
        }
        Err(SignUpError::Fault(fault)) => Err(fault.into()),
    }
}
