//! `/sign-in`, `/sign-out`, and `/confirm` (the password once more).

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{
    super::{
        Identity, SignInError,
        http::{PendingRequest, Visitor},
        views,
    },
    notices::notice,
    onward::{
        Onward, banner, fields, page, pending, query, secret, signed_in, signed_out, too_early, wait_in_words,
    },
};
use crate::{
    config::SignUpMode,
    web::{BrowserSettings, Failure, Form, Parameters, Query, page::Field, see_other},
};

const REFUSED: &str = "E-mail address and password do not match. Check both and try again.";

/// `GET /sign-in`. Who is signed in sees it only if an app asks for another account or for the password once
/// more.
pub(super) async fn show(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let parameters = query(parameters);
    let mut onward = Onward::read(&parameters);
    let waiting = pending(&request, &visitor, &onward).await?;
    if waiting.is_none() {
        onward.request = None;
    }
    let another = parameters.text("another") == "1";
    match (&visitor.signed_in, &waiting) {
        (Some(_), None) if !another => return Ok(see_other(&onward.path())),
        (Some(_), Some(waiting)) if waiting.reauthenticate && !another => {
            return confirmation(
                StatusCode::OK,
                &visitor,
                &onward,
                Some(waiting.clone()),
                Field::default(),
            );
        }
        _ => {}
    }
    let email = waiting
        .as_ref()
        .and_then(|waiting| waiting.login_hint.as_ref())
        .map_or_else(Field::default, |email| Field::of(email.as_str()));
    let view = views::SignIn {
        frame: visitor.frame_with_notice(notice(&parameters))?,
        request: banner(waiting.as_ref()),
        return_to: onward.return_to,
        email,
        password: Field::default(),
        error: None,
        sign_up_open: identity.config.sign_up.mode == SignUpMode::Open,
    };
    page(StatusCode::OK, &view, waiting)
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let form = fields(form, &visitor)?;
    let onward = Onward::read(&form);
    let email = form.text("email");
    let (error, wait) = match identity
        .sign_in(
            email,
            secret(&form, "password"),
            visitor.signed_in.as_ref(),
            visitor.known.as_ref(),
            &visitor.context,
        )
        .await
    {
        Ok(started) => return signed_in(&identity, &settings, &started, &onward.path()),
        Err(SignInError::Refused) => (REFUSED.to_owned(), None),
        Err(SignInError::Delayed(wait)) => (wait_in_words(wait), Some(wait)),
        Err(SignInError::Fault(fault)) => return Err(fault.into()),
    };
    let waiting = pending(&request, &visitor, &onward).await?;
    let view = views::SignIn {
        frame: visitor.frame()?,
        request: banner(waiting.as_ref()),
        return_to: onward.return_to,
        email: Field::of(email),
        password: Field::default(),
        error: Some(error),
        sign_up_open: identity.config.sign_up.mode == SignUpMode::Open,
    };
    let response = page(StatusCode::BAD_REQUEST, &view, waiting)?;
    Ok(match wait {
        Some(wait) => too_early(response, wait),
        None => response,
    })
}

/// `POST /sign-out`.
pub(super) async fn sign_out(
    visitor: Visitor,
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    fields(form, &visitor)?;
    if let Some(signed_in) = &visitor.signed_in {
        identity.sign_out(signed_in, &visitor.context).await?;
    }
    signed_out(&settings, "/sign-in?notice=signed-out")
}

/// `GET /confirm`.
pub(super) async fn show_confirmation(
    request: HttpRequest,
    visitor: Visitor,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    visitor.require(&request)?;
    let parameters: Parameters = query(parameters);
    let onward = Onward::read(&parameters);
    let waiting = pending(&request, &visitor, &onward).await?;
    confirmation(StatusCode::OK, &visitor, &onward, waiting, Field::default())
}

/// `POST /confirm`: the session gets a new cookie, and a new time of authentication.
pub(super) async fn confirm(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let form = fields(form, &visitor)?;
    let own = visitor.require(&request)?;
    let onward = Onward::read(&form);
    let (error, wait) = match identity
        .sign_in(
            own.user.email.as_str(),
            secret(&form, "password"),
            Some(own),
            visitor.known.as_ref(),
            &visitor.context,
        )
        .await
    {
        Ok(started) => return signed_in(&identity, &settings, &started, &onward.path()),
        Err(SignInError::Refused) => ("That is not your password.".to_owned(), None),
        Err(SignInError::Delayed(wait)) => (wait_in_words(wait), Some(wait)),
        Err(SignInError::Fault(fault)) => return Err(fault.into()),
    };
    let waiting = pending(&request, &visitor, &onward).await?;
    let password = Field::default().with_error(error);
    let response = confirmation(StatusCode::BAD_REQUEST, &visitor, &onward, waiting, password)?;
    Ok(match wait {
        Some(wait) => too_early(response, wait),
        None => response,
    })
}

fn confirmation(
    status: StatusCode,
    visitor: &Visitor,
    onward: &Onward,
    waiting: Option<PendingRequest>,
    password: Field,
) -> Result<HttpResponse, Failure> {
    let view = views::Reauthenticate {
        frame: visitor.frame()?,
        request: banner(waiting.as_ref()),
        return_to: onward.return_to.clone(),
        password,
    };
    page(status, &view, waiting)
}
