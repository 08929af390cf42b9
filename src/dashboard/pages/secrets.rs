//! The secrets of a client: one more, shown once, and one less.

use std::time::Duration;

use actix_web::HttpResponse;

use super::{
    act::{ClientAct, ToWriteClients},
    views,
};
use crate::{
    oauth::clients::{SecretError, add_secret, revoke_secret},
    types::ClientSecretId,
    web::{Failure, News, html},
};

/// For how long the other secrets stay good when one is added: seconds, or until somebody revokes them.
pub(super) const OVERLAPS: [(&str, &str); 4] = [
    ("0", "End now"),
    ("86400", "Stay good for 24 hours"),
    ("604800", "Stay good for 7 days"),
    (NEVER, "Stay good until I revoke them"),
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
pub(super) async fn add(act: ClientAct<ToWriteClients>) -> Result<HttpResponse, Failure> {
    let overlap = overlap(act.form.text("expire_in"))?;
    let id = act.visitor.id_in(&act.form).map_or_else(
        || ClientSecretId::new(&act.authority.clock, &act.authority.entropy),
        ClientSecretId::from_uuid,
    );
    match add_secret(&act.authority, &act.client, id, overlap, act.by()).await {
        Ok((secret, _)) => html(&views::SecretShown {
            frame: act.visitor.frame()?,
            app: act.seen.app_ref(),
            client_id: act.client.id.to_string(),
            client_name: act.client.registration.name.clone(),
            secret: Some(secret.expose().to_owned()),
            new_client: false,
        }),
        Err(SecretError::Again) => Ok(act.back(News::DoneAlready)),
        Err(SecretError::TooMany) => Ok(act.back(News::ManySecrets)),
        Err(SecretError::PublicClient) => {
            Err(Failure::BadRequest("A public client has no secret.".to_owned()))
        }
        Err(SecretError::Last | SecretError::Unknown) => Err(Failure::NotFound),
        Err(SecretError::Fault(fault)) => Err(fault.into()),
    }
}

/// `POST /apps/{app}/clients/{client}/secrets/revoke`
pub(super) async fn revoke(act: ClientAct<ToWriteClients>) -> Result<HttpResponse, Failure> {
    let id = act.form.text("id").parse().or(Err(Failure::NotFound))?;
    let news = match revoke_secret(&act.authority, &act.client, id, act.by()).await {
        Ok(()) => News::SecretRevoked,
        Err(SecretError::Last) => News::LastSecret,
        Err(SecretError::Unknown | SecretError::PublicClient | SecretError::TooMany | SecretError::Again) => {
            News::NoSecret
        }
        Err(SecretError::Fault(fault)) => return Err(fault.into()),
    };
    Ok(act.back(news))
}
