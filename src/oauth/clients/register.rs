use super::{Client, ClientKind, Registration, RegistrationError, secrets, store};
use crate::{
    audit::{Action, By, Subject},
    crypto::Token,
    oauth::{Authority, scopes},
    types::{AccountId, AppId, ClientId, Fault},
};

/// A new client, with its secret if its kind has one. The secret is here and nowhere else.
#[derive(Debug)]
pub struct Registered {
    pub id: ClientId,
    pub secret: Option<Token>,
}

/// Why a client was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Registers a client of an app.
///
/// # Errors
///
/// If the registration cannot stand.
pub async fn register_client(
    authority: &Authority,
    account: AccountId,
    app: AppId,
    registration: &Registration,
    first_party: bool,
    by: By<'_>,
) -> Result<Registered, RegisterError> {
    let now = authority.clock.now();
    let id = ClientId::new(&authority.clock, &authority.entropy);
    let mut transaction = authority.db.begin().await?;
    registration.check(&scopes::catalogue(&mut transaction).await?, first_party)?;
    store::insert(&mut transaction, id, app, registration, first_party, now).await?;
    let secret = match registration.kind {
        ClientKind::Public => None,
        ClientKind::Confidential => {
            let (token, secret) = secrets::mint(authority, id)?;
            store::insert_secret(&mut transaction, id, &secret).await?;
            Some(token)
        }
    };
    let record = by
        .done(now, Action::ClientCreated, Subject::Client(id))
        .account(account)
        .detail("name", registration.name.as_str())
        .detail("kind", registration.kind.name());
    record.write(&mut transaction).await?;
    transaction.commit().await?;
    Ok(Registered { id, secret })
}

impl Client {
    /// Whether anything that a person agreed to has changed.
    #[must_use]
    pub fn is_presented_as(&self, presentation: &[u8]) -> bool {
        self.presentation().as_slice() == presentation
    }
}
