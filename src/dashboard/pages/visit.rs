//! What handlers take that deal with one thing: somebody at it, as far as they may go, and the form that they sent. What
//! a handler needs of its caller is in its type, so that none can forget to ask: what is not the visitor's to see does
//! not exist for them, and what their role does not reach is refused before the handler runs.

use std::{marker::PhantomData, ops::Deref};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;

use crate::{
    identity::http::{Posted, Sent, SignedPost, Visitor},
    web::{Failure, Parameters},
};

/// A thing that the path names, with the visitor at it.
pub(super) trait Place: Sized + 'static {
    /// What says how far somebody may go there.
    type Standing;

    /// # Errors
    ///
    /// [`Failure::SignInNeeded`], or [`Failure::NotFound`] for what is not there or not the visitor's to see.
    async fn of(request: &HttpRequest, visitor: Visitor) -> Result<Self, Failure>;

    fn visitor(&self) -> &Visitor;

    fn standing(&self) -> &Self::Standing;
}

/// What a handler needs of its caller.
pub(super) trait Needs<S>: 'static {
    /// Whether it goes beyond looking: then the visitor's address must be known to be theirs.
    const CHANGES: bool = true;

    fn met(standing: &S) -> bool;
}

/// To see it, as whoever gets so far does.
pub(super) struct ToView;

impl<S> Needs<S> for ToView {
    const CHANGES: bool = false;

    fn met(_: &S) -> bool {
        true
    }
}

fn check<P: Place, N: Needs<P::Standing>>(place: &P) -> Result<(), Failure> {
    let own = place.visitor().signed_in.as_ref();
    if !N::met(place.standing()) {
        Err(Failure::Forbidden)
    } else if N::CHANGES && !own.is_some_and(|own| own.user.email_verified) {
        // The account may turn out to be another's, who must find nothing planted.
        Err(Failure::AddressUnverified)
    } else {
        Ok(())
    }
}

/// A page of it is asked for.
pub(super) struct View<P, N> {
    place: P,
    _needs: PhantomData<N>,
}

/// A form of one of its pages was sent.
pub(super) struct Act<P, N> {
    pub(super) form: Parameters,
    place: P,
    _needs: PhantomData<N>,
}

impl<P, N> Deref for View<P, N> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.place
    }
}

impl<P, N> Deref for Act<P, N> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.place
    }
}

impl<P: Place, N: Needs<P::Standing>> Act<P, N> {
    /// Of a form that was read already.
    pub(super) async fn of(request: &HttpRequest, sent: Sent) -> Result<Self, Failure> {
        let Posted { visitor, form } = SignedPost::of(sent, request)?.into();
        let place = P::of(request, visitor).await?;
        check::<P, N>(&place)?;
        Ok(Self {
            form,
            place,
            _needs: PhantomData,
        })
    }
}

impl<P: Place, N: Needs<P::Standing>> FromRequest for View<P, N> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let visitor = Visitor::of(&request).await?;
            let place = P::of(&request, visitor).await?;
            check::<P, N>(&place)?;
            Ok(Self {
                place,
                _needs: PhantomData,
            })
        })
    }
}

impl<P: Place, N: Needs<P::Standing>> FromRequest for Act<P, N> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let sent = Sent::from_request(&request, &mut payload).await?;
            Self::of(&request, sent).await
        })
    }
}
