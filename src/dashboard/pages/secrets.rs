//! The secrets of a client: one more, shown once, and one less.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};

use super::{
    Seen,
    client::back,
    notices::{LAST_SECRET, MANY_SECRETS, NO_SECRET},
    posted, views,
};
use crate::{
    accounts::Permission,
    identity::http::Visitor,
    oauth::{
        Authority,
        clients::{SecretError, add_secret, revoke_secret},
    },
    web::{Failure, Form, html},
};

/// For how long the other secrets stay good when one is added: seconds, or until somebody revokes them.
pub(super) const OVERLAPS: [(&str, &str); 4] = [
    ("0", "They end now"),
    ("86400", "24 hours"),
    ("604800", "7 days"),
    (NEVER, "Until I revoke them"),
];
const NEVER: &str = "never";

fn overlap(text: &str) -> Result<Option<Duration>, Failure> {
    let known = OVERLAPS.iter().any(|(value, _)| *value == text);
    match text {
        "" | NEVER => Ok(None),
        seconds => match seconds.parse() {
            Ok(seconds) if known => Ok(Some(Duration::from_secs(seconds))),
            _ => Err(Failure::BadRequest(
                "Choose from the list how long the others stay good.".to_owned(),
            )),
        },
    }
}

/// `POST /apps/{app}/clients/{client}/secrets`
pub(super) async fn add(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<(String, String)>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    let form = posted(form, &visitor)?;
    seen.require(Permission::WriteClients)?;
    let overlap = overlap(form.text("expire_in"))?;
    match add_secret(&authority, &client, overlap, seen.actor(), Some(&visitor.context)).await {
        Ok((secret, _)) => html(&views::SecretShown {
            frame: visitor.frame()?,
            app: seen.app_ref(),
            client_id: client.id.to_string(),
            client_name: client.registration.name.clone(),
            secret: Some(secret.expose().to_owned()),
            new_client: false,
        }),
        Err(SecretError::TooMany) => Ok(back(&seen, &client, MANY_SECRETS)),
        Err(SecretError::PublicClient) => {
            Err(Failure::BadRequest("A public client has no secret.".to_owned()))
        }
        Err(SecretError::Last | SecretError::Unknown) => Err(Failure::NotFound),
        Err(SecretError::Fault(fault)) => Err(fault.into()),
    }
}

/// `POST /apps/{app}/clients/{client}/secrets/revoke`
pub(super) async fn revoke(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<(String, String)>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    let form = posted(form, &visitor)?;
    seen.require(Permission::WriteClients)?;
    let id = form.text("id").parse().or(Err(Failure::NotFound))?;
    let code = match revoke_secret(&authority, &client, id, seen.actor(), Some(&visitor.context)).await {
        Ok(()) => "secret-revoked",
        Err(SecretError::Last) => LAST_SECRET,
        Err(SecretError::Unknown | SecretError::PublicClient | SecretError::TooMany) => NO_SECRET,
        Err(SecretError::Fault(fault)) => return Err(fault.into()),
    };
    Ok(back(&seen, &client, code))
}
