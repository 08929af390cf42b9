//! What links in mails open: `/verify-email`, `/forgot-password`, `/reset-password`,
//! `/account/email/confirm`. Opening one uses nothing up; the button on its page does.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{
    super::{
        HeldByApps, Identity, Link, LinkError, LinkPurpose, Progress, Reset, ResetError,
        http::{Posted, Visitor},
        links::in_words,
        views::{self, MailReason, OutcomeKind},
    },
    onward::{Onward, bad_link, page, pending, query, secret, signed_out},
};
use crate::{
    crypto::Token,
    types::Email,
    web::{BrowserSettings, Failure, Parameters, Query, html, html_with, page::Field},
};

fn token(parameters: &Parameters) -> Token {
    Token::presented(parameters.text("token"))
}

fn button(
    visitor: &Visitor,
    purpose: LinkPurpose,
    token: &Token,
    link: Option<Link>,
) -> Result<HttpResponse, Failure> {
    let Some(email) = link.and_then(|link| link.email) else {
        return bad_link(visitor, purpose);
    };
    html(&views::ConfirmLink {
        frame: visitor.frame()?,
        purpose,
        action: purpose.path().to_owned(),
        token: token.expose().to_owned(),
        email: email.to_string(),
    })
}

/// The button, or what has to be done before: an address is confirmed for the account that is signed in, never by its
/// mail alone.
fn confirm_signed_in(
    visitor: &Visitor,
    purpose: LinkPurpose,
    token: &Token,
    link: Option<Link>,
) -> Result<HttpResponse, Failure> {
    let signed_in = visitor.signed_in.as_ref().map(|own| own.user.id);
    match link {
        Some(Link {
            user_id: Some(user),
            email: Some(email),
        }) if signed_in != Some(user) => html_with(
            StatusCode::FORBIDDEN,
            &views::SignInToConfirm {
                frame: visitor.frame()?,
                email: email.to_string(),
                return_to: format!("{}?token={}", purpose.path(), token.expose()),
                new_account: purpose == LinkPurpose::VerifyEmail,
            },
        ),
        link => button(visitor, purpose, token, link),
    }
}

fn outcome(visitor: &Visitor, kind: OutcomeKind, onward: Option<String>) -> Result<HttpResponse, Failure> {
    let start = if visitor.signed_in.is_some() {
        "/"
    } else {
        "/sign-in"
    };
    html(&views::Outcome {
        frame: visitor.frame()?,
        kind,
        onward: onward.unwrap_or_else(|| start.to_owned()),
    })
}

fn failed(visitor: &Visitor, purpose: LinkPurpose, error: LinkError) -> Result<HttpResponse, Failure> {
    match error {
        LinkError::BadLink => bad_link(visitor, purpose),
        LinkError::Delayed(retry_after) => Err(Failure::TooManyRequests { retry_after }),
        LinkError::Fault(fault) => Err(fault.into()),
    }
}

/// `GET /verify-email?token=…`.
pub(super) async fn show_verification(
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let token = token(&query(parameters));
    let link = identity.look_at_link(LinkPurpose::VerifyEmail, &token).await?;
    confirm_signed_in(&visitor, LinkPurpose::VerifyEmail, &token, link)
}

/// `POST /verify-email`.
pub(super) async fn verify(
    identity: Data<Identity>,
    Posted { visitor, form }: Posted,
) -> Result<HttpResponse, Failure> {
    let token = token(&form);
    let purpose = LinkPurpose::VerifyEmail;
    let Some(own) = &visitor.signed_in else {
        let link = identity.look_at_link(purpose, &token).await?;
        return confirm_signed_in(&visitor, purpose, &token, link);
    };
    match identity.verify_email(&token, own.user.id, &visitor.context).await {
        Ok(()) => outcome(&visitor, OutcomeKind::EmailVerified, None),
        Err(error) => failed(&visitor, LinkPurpose::VerifyEmail, error),
    }
}

/// `GET /forgot-password`.
pub(super) async fn show_forgotten(
    request: HttpRequest,
    visitor: Visitor,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let onward = Onward::read(&query(parameters));
    let waiting = pending(&request, &visitor, &onward).await?;
    let view = views::ForgottenPassword {
        frame: visitor.frame()?,
        onward: onward.view(waiting.as_ref()),
        email: Field::default(),
    };
    page(StatusCode::OK, &view, None)
}

/// `POST /forgot-password`: the same answer whether or not there is such an account.
pub(super) async fn ask_for_reset(
    request: HttpRequest,
    identity: Data<Identity>,
    Posted { visitor, form }: Posted,
) -> Result<HttpResponse, Failure> {
    let onward = Onward::read(&form);
    let waiting = pending(&request, &visitor, &onward).await?;
    let email: Email = match form.text("email").parse() {
        Ok(email) => email,
        Err(error) => {
            let view = views::ForgottenPassword {
                frame: visitor.frame()?,
                onward: onward.view(waiting.as_ref()),
                email: Field::of(form.text("email")).with_error(format!("{error}")),
            };
            return page(StatusCode::BAD_REQUEST, &view, None);
        }
    };
    let request = onward.request.filter(|_| waiting.is_some());
    match identity.ask_for_reset(&email, request, &visitor.context).await {
        Ok(()) => html(&views::CheckMail {
            frame: visitor.frame()?,
            reason: MailReason::ResetPassword,
            email: email.to_string(),
            good_for: in_words(identity.link_lifetime(LinkPurpose::ResetPassword)),
        }),
        Err(error) => failed(&visitor, LinkPurpose::ResetPassword, error),
    }
}

/// `GET /reset-password?token=…`.
pub(super) async fn show_reset(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let parameters = query(parameters);
    let token = token(&parameters);
    if identity
        .look_at_link(LinkPurpose::ResetPassword, &token)
        .await?
        .is_none()
    {
        return bad_link(&visitor, LinkPurpose::ResetPassword);
    }
    let onward = Onward::read(&parameters);
    let waiting = pending(&request, &visitor, &onward).await?;
    html(&views::ResetPassword {
        frame: visitor.frame()?,
        onward: onward.view(waiting.as_ref()),
        token: token.expose().to_owned(),
        password: Field::default(),
    })
}

/// `POST /reset-password`. An app's request that waits in this browser goes on with the sign-in that follows.
pub(super) async fn reset(
    request: HttpRequest,
    identity: Data<Identity>,
    held: Data<dyn HeldByApps>,
    settings: Data<BrowserSettings>,
    Posted { mut visitor, form }: Posted,
) -> Result<HttpResponse, Failure> {
    let token = token(&form);
    let onward = Onward::read(&form);
    let waiting = pending(&request, &visitor, &onward).await?;
    match identity
        .reset_password(&token, secret(&form, "password"), &**held, &visitor.context)
        .await
    {
        Ok(Reset { user, first_proof }) => {
            let kind = if first_proof {
                OutcomeKind::AccountTaken
            } else {
                OutcomeKind::PasswordReset
            };
            let goes_on = waiting.map(|waiting| format!("/sign-in?request={}", waiting.banner.id));
            // Their session here has ended with all others; somebody else's has not.
            if visitor.signed_in.as_ref().is_some_and(|own| own.user.id == user) {
                visitor.signed_in = None;
                let mut response = outcome(&visitor, kind, goes_on)?;
                for cookie in signed_out(&settings, "/")?.cookies() {
                    response
                        .add_cookie(&cookie)
                        .map_err(crate::types::Fault::internal)?;
                }
                return Ok(response);
            }
            outcome(&visitor, kind, goes_on)
        }
        Err(ResetError::BadLink) => bad_link(&visitor, LinkPurpose::ResetPassword),
        Err(ResetError::BadPassword(words)) => html_with(
            StatusCode::BAD_REQUEST,
            &views::ResetPassword {
                frame: visitor.frame()?,
                onward: onward.view(waiting.as_ref()),
                token: token.expose().to_owned(),
                password: Field::default().with_error(words),
            },
        ),
        Err(ResetError::Fault(fault)) => Err(fault.into()),
    }
}

/// Which of both addresses a link was sent to.
async fn side(identity: &Identity, token: &Token) -> Result<(LinkPurpose, Option<Link>), Failure> {
    let old = identity.look_at_link(LinkPurpose::ConfirmOldEmail, token).await?;
    if old.is_some() {
        return Ok((LinkPurpose::ConfirmOldEmail, old));
    }
    let new = identity.look_at_link(LinkPurpose::ConfirmNewEmail, token).await?;
    Ok((LinkPurpose::ConfirmNewEmail, new))
}

/// `GET /account/email/confirm?token=…`.
pub(super) async fn show_email_change(
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let token = token(&query(parameters));
    match side(&identity, &token).await? {
        (purpose @ LinkPurpose::ConfirmNewEmail, link) => confirm_signed_in(&visitor, purpose, &token, link),
        (purpose, link) => button(&visitor, purpose, &token, link),
    }
}

/// `POST /account/email/confirm`.
pub(super) async fn confirm_email_change(
    identity: Data<Identity>,
    Posted { visitor, form }: Posted,
) -> Result<HttpResponse, Failure> {
    let token = token(&form);
    let (purpose, link) = side(&identity, &token).await?;
    let signed_in = visitor.signed_in.as_ref().map(|own| own.user.id);
    if purpose == LinkPurpose::ConfirmNewEmail && signed_in.is_none() {
        return confirm_signed_in(&visitor, purpose, &token, link);
    }
    match identity
        .confirm_email_change(purpose, &token, signed_in, &visitor.context)
        .await
    {
        Ok(Progress::Half) => outcome(&visitor, OutcomeKind::EmailHalfChanged, None),
        Ok(Progress::Done) => outcome(&visitor, OutcomeKind::EmailChanged, None),
        Err(error) => failed(&visitor, purpose, error),
    }
}
