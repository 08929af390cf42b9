//! `/account`: name, address and password.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{
    super::{
        ChangeError, EmailChange, Identity, LinkError, LinkPurpose,
        http::{Posted, SignedIn, SignedPost, Visitor},
        links::in_words,
        views::{self, MailReason},
    },
    onward::{secret, signed_in, too_early},
};
use crate::{
    types::DisplayName,
    web::{
        BrowserSettings, Failure, News, html, html_with,
        page::{Field, Notice},
        wait_in_words,
    },
};

async fn view(visitor: &Visitor, identity: &Identity, own: &SignedIn) -> Result<views::Account, Failure> {
    let pending = identity.email_change(own.user.id).await?.map(
        |EmailChange {
             new_email,
             old_confirmed,
             new_confirmed,
             expires_at,
         }| views::PendingEmail {
            new_email: new_email.to_string(),
            old_confirmed,
            new_confirmed,
            expires: expires_at.into(),
        },
    );
    Ok(views::Account {
        frame: visitor.frame()?,
        email: own.user.email.to_string(),
        since: own.user.created_at.into(),
        name: Field::of(&own.user.name),
        new_email: Field::default(),
        email_password: Field::default(),
        pending,
        password: Field::default(),
        new_password: Field::default(),
    })
}

/// `GET /account`.
pub(super) async fn show(
    request: HttpRequest,
    visitor: Visitor,
    identity: Data<Identity>,
) -> Result<HttpResponse, Failure> {
    let own = visitor.require(&request)?;
    html(&view(&visitor, &identity, own).await?)
}

/// The page has several forms: above them it says that one came back.
fn refused(mut view: views::Account) -> Result<HttpResponse, Failure> {
    view.frame.notice = Some(Notice::danger(
        "Nothing was changed. What is to be mended is marked below.",
    ));
    html_with(StatusCode::BAD_REQUEST, &view)
}

/// `POST /account/name`.
pub(super) async fn rename(identity: Data<Identity>, post: SignedPost) -> Result<HttpResponse, Failure> {
    let Posted { visitor, form } = &*post;
    match form.text("name").parse::<DisplayName>() {
        Ok(name) => {
            identity.rename(&post.own.user, &name, &visitor.context).await?;
            Ok(News::NameChanged.on("/account"))
        }
        Err(error) => {
            let mut view = view(visitor, &identity, &post.own).await?;
            view.name = Field::of(form.text("name")).with_error(format!("{error}"));
            refused(view)
        }
    }
}

/// `POST /account/password`.
pub(super) async fn change_password(
    identity: Data<Identity>,
    settings: Data<BrowserSettings>,
    post: SignedPost,
) -> Result<HttpResponse, Failure> {
    let (own, Posted { visitor, form }) = (&post.own, &*post);
    let result = identity
        .change_password(
            own,
            secret(form, "password"),
            secret(form, "new_password"),
            &visitor.context,
        )
        .await;
    let mut view = view(visitor, &identity, own).await?;
    match result {
        Ok(started) => {
            let answer = signed_in(&identity, &settings, &started, "/account")?;
            Ok(News::PasswordChanged.after(answer))
        }
        Err(ChangeError::BadValue(words)) => {
            view.new_password = Field::default().with_error(words);
            refused(view)
        }
        Err(ChangeError::WrongPassword) => {
            view.password = Field::default().with_error("That is not your password.");
            refused(view)
        }
        Err(ChangeError::Delayed(wait)) => {
            view.password = Field::default().with_error(wait_in_words(wait));
            Ok(too_early(refused(view)?, wait))
        }
        Err(ChangeError::Fault(fault)) => Err(fault.into()),
    }
}

/// `POST /account/email`.
pub(super) async fn change_email(
    identity: Data<Identity>,
    post: SignedPost,
) -> Result<HttpResponse, Failure> {
    let (own, Posted { visitor, form }) = (&post.own, &*post);
    let new_email = form.text("email");
    let result = identity
        .ask_for_email_change(own, new_email, secret(form, "password"), &visitor.context)
        .await;
    let mut view = view(visitor, &identity, own).await?;
    view.new_email = Field::of(new_email);
    match result {
        Ok(change) if change.old_confirmed => Ok(News::ConfirmNewEmail.on("/account")),
        Ok(change) => html(&views::CheckMail {
            frame: visitor.frame()?,
            reason: MailReason::ChangeEmail,
            email: change.new_email.to_string(),
            good_for: in_words(identity.link_lifetime(LinkPurpose::ConfirmNewEmail)),
        }),
        Err(ChangeError::BadValue(words)) => {
            view.new_email = Field::of(new_email).with_error(words);
            refused(view)
        }
        Err(ChangeError::WrongPassword) => {
            view.email_password = Field::default().with_error("That is not your password.");
            refused(view)
        }
        Err(ChangeError::Delayed(wait)) => {
            view.email_password = Field::default().with_error(wait_in_words(wait));
            Ok(too_early(refused(view)?, wait))
        }
        Err(ChangeError::Fault(fault)) => Err(fault.into()),
    }
}

/// `POST /account/email/resend`.
pub(super) async fn resend(identity: Data<Identity>, post: SignedPost) -> Result<HttpResponse, Failure> {
    match identity
        .resend_verification(&post.own.user, &post.visitor.context)
        .await
    {
        Ok(()) => Ok(News::LinkSent.on("/account")),
        Err(LinkError::Delayed(retry_after)) => Err(Failure::TooManyRequests { retry_after }),
        Err(LinkError::BadLink) => Err(Failure::NotFound),
        Err(LinkError::Fault(fault)) => Err(fault.into()),
    }
}

/// `POST /account/email/cancel`.
pub(super) async fn cancel_email(
    identity: Data<Identity>,
    post: SignedPost,
) -> Result<HttpResponse, Failure> {
    identity
        .cancel_email_change(post.own.user.id, &post.visitor.context)
        .await?;
    Ok(News::EmailCancelled.on("/account"))
}
