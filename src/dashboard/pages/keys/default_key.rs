//! The key that everybody gets where the configuration says so: made and shown when its owner first asks for it.

use actix_web::{HttpResponse, web::Data};

use super::{super::views, refused, shown};
use crate::{
    accounts,
    audit::By,
    identity::http::SignedPost,
    keys::{KeyError, Keys},
    oauth::Authority,
    web::{Failure, News},
};

/// `POST /default-key`
pub(in super::super) async fn reveal(
    keys: Data<Keys>,
    authority: Data<Authority>,
    post: SignedPost,
) -> Result<HttpResponse, Failure> {
    let (user, visitor) = (&post.own.user, &post.visitor);
    if !user.email_verified {
        return Err(Failure::AddressUnverified);
    }
    match keys
        .reveal_default_key(user.id, By::user(user.id, &visitor.context))
        .await
    {
        Ok(made) => {
            let id = made.key.app_id.ok_or(Failure::NotFound)?;
            let app = accounts::app(&mut *keys.db.connection().await?, id)
                .await?
                .ok_or(Failure::NotFound)?;
            let app = views::AppRef {
                id: app.id.to_string(),
                name: app.name,
            };
            let lead = format!("It is a key of {}, and can be used at once.", app.name);
            shown(
                (visitor, &authority),
                app,
                made,
                "Your default key".to_owned(),
                &lead,
            )
        }
        Err(KeyError::Again) => {
            let slot = keys.default_key(user.id).await?.ok_or(Failure::NotFound)?;
            let path = match keys.revealed(&slot).await? {
                Some(key) => key.app_id.map(|app| format!("/apps/{app}/keys/{}", key.id)),
                None => None,
            };
            Ok(News::KeyShownAlready.on(path.as_deref().unwrap_or("/apps")))
        }
        Err(KeyError::TooMany(_)) => Ok(News::ManyKeys.on("/apps")),
        Err(KeyError::NoApp) => Ok(News::NoAppForKey.on("/apps")),
        Err(error) => Err(refused(error)),
    }
}
