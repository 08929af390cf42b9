//! Forms of ours, and who sent them. The body is read before anybody asks who it is: a session that ended while the body
//! was on its way is over.

use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use url::form_urlencoded;

use super::{SignedIn, Visitor};
use crate::{
    types::Fault,
    web::{Failure, Form, Parameters},
};

/// A form and its sender. Whether it is from a page of ours is still to be asked: [`Sent::is_ours`]. For pages that know
/// better than to refuse what was open for too long; the others take [`Posted`] or [`SignedPost`].
pub struct Sent {
    pub visitor: Visitor,
    pub form: Parameters,
}

impl Sent {
    /// Of a form that was read already.
    ///
    /// # Errors
    ///
    /// If it cannot be known who sent it.
    pub async fn with(request: &HttpRequest, form: Parameters) -> Result<Self, Failure> {
        let visitor = Visitor::of(request).await?;
        Ok(Self { visitor, form })
    }

    async fn read(request: HttpRequest, mut payload: Payload) -> Result<Self, Failure> {
        let Form(form) = Form::from_request(&request, &mut payload)
            .await
            .map_err(|cause| Fault::internal(cause.to_string()))?;
        Self::with(&request, form?).await
    }

    /// Whether it is from a page that this browser got from us in this session.
    ///
    /// # Errors
    ///
    /// If that cannot be told for now.
    pub fn is_ours(&self) -> Result<bool, Failure> {
        let Visitor { browser, .. } = &self.visitor;
        browser.gave(self.visitor.session_digest(), &self.form)
    }
}

/// A form of ours, from anybody.
pub struct Posted {
    pub visitor: Visitor,
    pub form: Parameters,
}

impl Posted {
    /// # Errors
    ///
    /// [`Failure::Stale`] if the form is not from a page that this browser got from us in this session.
    fn of(sent: Sent, request: &HttpRequest) -> Result<Self, Failure> {
        if !sent.is_ours()? {
            return Err(Failure::Stale {
                page: page_of(request, &sent.form),
            });
        }
        let Sent { visitor, form } = sent;
        Ok(Self { visitor, form })
    }
}

/// Where the form's page is: a link in a mail leads to its page by the token that the form carries on.
fn page_of(request: &HttpRequest, form: &Parameters) -> String {
    let path = request.path();
    match form.text("token") {
        "" => path.to_owned(),
        token => format!(
            "{path}?{}",
            form_urlencoded::Serializer::new(String::new())
                .append_pair("token", token)
                .finish()
        ),
    }
}

/// A form of ours, from somebody who is signed in.
pub struct SignedPost {
    pub own: SignedIn,
    posted: Posted,
}

impl SignedPost {
    /// The sender of a form is asked for before its token, which is void when their session is over.
    ///
    /// # Errors
    ///
    /// [`Failure::SignInNeeded`] if nobody is signed in; [`Failure::Stale`] if the form is not from a page that this
    /// browser got from us in this session.
    pub fn of(sent: Sent, request: &HttpRequest) -> Result<Self, Failure> {
        let own = sent.visitor.require(request)?.clone();
        let posted = Posted::of(sent, request)?;
        Ok(Self { own, posted })
    }
}

impl Deref for SignedPost {
    type Target = Posted;

    fn deref(&self) -> &Posted {
        &self.posted
    }
}

impl From<SignedPost> for Posted {
    fn from(post: SignedPost) -> Self {
        post.posted
    }
}

impl FromRequest for Sent {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        Box::pin(Self::read(request.clone(), payload.take()))
    }
}

impl FromRequest for Posted {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Self::of(Sent::read(request.clone(), payload).await?, &request) })
    }
}

impl FromRequest for SignedPost {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Self::of(Sent::read(request.clone(), payload).await?, &request) })
    }
}
