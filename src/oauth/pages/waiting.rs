use futures_util::future::BoxFuture;
use time::OffsetDateTime;

use crate::{
    identity::http::{PendingRequest, PendingRequests},
    oauth::{Authority, authorize},
    types::{AuthorizationRequestId, Fault},
    web::{FormAction, page::RequestBanner},
};

/// What the sign-in page learns of the request that waits behind it.
pub struct WaitingRequests(pub Authority);

impl PendingRequests for WaitingRequests {
    fn pending(
        &self,
        id: AuthorizationRequestId,
        browser: [u8; 32],
        authenticated_at: Option<OffsetDateTime>,
    ) -> BoxFuture<'_, Result<Option<PendingRequest>, Fault>> {
        Box::pin(async move {
            let Some(waiting) = authorize::resume(&self.0, id, browser).await? else {
                return Ok(None);
            };
            let incoming = &waiting.incoming;
            let request = incoming.request.as_ref().ok();
            Ok(Some(PendingRequest {
                banner: RequestBanner {
                    id: id.to_string(),
                    app_name: incoming.client.registration.name.clone(),
                    logo: incoming.client.logo_path(),
                },
                form_action: FormAction(
                    incoming
                        .reply
                        .destination()
                        .map(|uri| uri.form_action())
                        .unwrap_or_default(),
                ),
                login_hint: request.and_then(|request| request.login_hint.as_deref()?.parse().ok()),
                reauthenticate: request.zip(authenticated_at).is_some_and(|(request, at)| {
                    let now = self.0.clock.now();
                    authorize::must_sign_in_again(request, at, Some(waiting.arrived_at), now)
                }),
            }))
        })
    }
}
