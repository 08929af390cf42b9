//! `/sign-in`, `/sign-out`, and `/confirm` (the password once more).

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{
    super::{
        Identity, SignInError,
        http::{PendingRequest, Sent, Visitor},
        views,
    },
    onward::{OUT_OF_DATE, Onward, arrive, page, pending, query, secret, signed_in, signed_out, too_early},
};
use crate::{
    config::SignUpMode,
    web::{BrowserSettings, Failure, News, Parameters, Query, page::Field, see_other, wait_in_words},
};

const REFUSED: &str = "E-mail address and password do not match. Check both and try again.";

/// `GET /sign-in`. Who is signed in goes on as themselves, unless they would rather be somebody else, or an app asks for
/// the password once more.
pub(super) async fn show(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
    parameters: Query,
) -> Result<HttpResponse, Failure> {
    let parameters = query(parameters);
    let (onward, waiting) = arrive(&request, &visitor, &parameters).await?;
    if visitor.signed_in.is_some() && !onward.another {
        return if waiting.as_ref().is_some_and(|waiting| waiting.reauthenticate) {
            confirmation(StatusCode::OK, &visitor, &onward, waiting, Field::default())
        } else {
            Ok(see_other(&onward.path()))
        };
    }
    let email = waiting
        .as_ref()
        .and_then(|waiting| waiting.login_hint.as_ref())
        .map_or_else(Field::default, |email| Field::of(email.as_str()));
    let view = views::SignIn {
        frame: visitor.frame()?,
        onward: onward.view(waiting.as_ref()),
        email,
        password: Field::default(),
        error: None,
        sign_up_open: identity.config.sign_up.mode == SignUpMode::Open,
    };
    page(StatusCode::OK, &view, waiting)
}

/// `POST /sign-in`. Whoever has signed in meanwhile in another tab goes on; a page that was open for too long is shown
/// afresh.
pub(super) async fn sign_in(
    request: HttpRequest,
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    sent: Sent,
) -> Result<HttpResponse, Failure> {
    let is_ours = sent.is_ours()?;
    let Sent { visitor, form } = sent;
    let onward = Onward::read(&form);
    let email = form.text("email");
    if !is_ours && visitor.signed_in.is_some() {
        return Ok(see_other(&onward.path()));
    }
    let (status, error, wait) = if is_ours {
        let by = visitor.signed_in.as_ref();
        let password = secret(&form, "password");
        let known = visitor.known.as_ref();
        match identity
            .sign_in(email, password, by, known, &visitor.context)
            .await
        {
            Ok(started) => return signed_in(&identity, &settings, &started, &onward.path()),
            Err(SignInError::Refused) => (StatusCode::BAD_REQUEST, REFUSED.to_owned(), None),
            Err(SignInError::Delayed(wait)) => (StatusCode::BAD_REQUEST, wait_in_words(wait), Some(wait)),
            Err(SignInError::Fault(fault)) => return Err(fault.into()),
        }
    } else {
        (StatusCode::FORBIDDEN, OUT_OF_DATE.to_owned(), None)
    };
    let waiting = pending(&request, &visitor, &onward).await?;
    let view = views::SignIn {
        frame: visitor.frame()?,
        onward: onward.view(waiting.as_ref()),
        email: Field::of(email),
        password: Field::default(),
        error: Some(error),
        sign_up_open: identity.config.sign_up.mode == SignUpMode::Open,
    };
    let response = page(status, &view, waiting)?;
    Ok(match wait {
        Some(wait) => too_early(response, wait),
        None => response,
    })
}

/// `POST /sign-out`.
pub(super) async fn sign_out(
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    sent: Sent,
) -> Result<HttpResponse, Failure> {
    // Nobody seems to be signed in in what another site sends: it is no reason to take the cookie away.
    let Some(signed_in) = &sent.visitor.signed_in else {
        return Ok(News::SignedOut.on("/sign-in"));
    };
    if !sent.is_ours()? {
        return Err(Failure::Stale { page: "/".to_owned() });
    }
    identity.sign_out(signed_in, &sent.visitor.context).await?;
    Ok(News::SignedOut.after(signed_out(&settings, "/sign-in")?))
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
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    sent: Sent,
) -> Result<HttpResponse, Failure> {
    let is_ours = sent.is_ours()?;
    let Sent { visitor, form } = sent;
    let onward = Onward::read(&form);
    let Some(own) = &visitor.signed_in else {
        // Signing in shows as well that it is they.
        let waiting = pending(&request, &visitor, &onward).await?;
        let query = onward.view(waiting.as_ref()).query();
        return Ok(see_other(&format!("/sign-in{query}")));
    };
    let (status, error, wait) = if is_ours {
        let password = secret(&form, "password");
        let email = own.user.email.as_str();
        match identity
            .sign_in(
                email,
                password,
                Some(own),
                visitor.known.as_ref(),
                &visitor.context,
            )
            .await
        {
            Ok(started) => return signed_in(&identity, &settings, &started, &onward.path()),
            Err(SignInError::Refused) => (
                StatusCode::BAD_REQUEST,
                "That is not your password.".to_owned(),
                None,
            ),
            Err(SignInError::Delayed(wait)) => (StatusCode::BAD_REQUEST, wait_in_words(wait), Some(wait)),
            Err(SignInError::Fault(fault)) => return Err(fault.into()),
        }
    } else {
        (StatusCode::FORBIDDEN, OUT_OF_DATE.to_owned(), None)
    };
    let waiting = pending(&request, &visitor, &onward).await?;
    let password = Field::default().with_error(error);
    let response = confirmation(status, &visitor, &onward, waiting, password)?;
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
        onward: onward.view(waiting.as_ref()),
        password,
    };
    page(status, &view, waiting)
}
