use super::{Client, ClientKind, Registration, RegistrationError, secrets, store};
use crate::{
    accounts::{self, Permission},
    audit::{Action, By, Subject},
    crypto::Token,
    oauth::Authority,
    scopes,
    types::{AccountId, AppId, ClientId, ClientSecretId, Fault},
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
    /// Somebody else was faster: it is decided anew by what is there now.
    #[error("it was changed meanwhile: look at it again")]
    Changed,
    #[error("it is there no more")]
    Gone,
    #[error(
        "the app has {0} clients already, the most that limits.clients_per_app allows: delete one, or raise it"
    )]
    TooMany(u32),
    /// That registration was made already; this is the same one again.
    #[error("it was registered already")]
    Again,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Registers a client of an app under an id that is new, or was meant for this one registration.
///
/// # Errors
///
/// If the registration cannot stand.
pub async fn register_client(
    authority: &Authority,
    id: ClientId,
    (account, app): (AccountId, AppId),
    registration: &Registration,
    first_party: bool,
    by: By<'_>,
) -> Result<Registered, RegisterError> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    // Held, so that the app is not deleted under it, and of two who add the last client at once, one does.
    if !accounts::lock_app(&mut transaction, app).await? {
        return Err(RegisterError::Gone);
    }
    if !accounts::still_may(&mut transaction, account, Permission::WriteClients, by).await? {
        return Err(RegisterError::Gone);
    }
    registration.check(
        &scopes::held(&mut transaction, &registration.scopes).await?,
        first_party,
    )?;
    if !store::insert(&mut transaction, id, app, registration, first_party, now).await? {
        return Err(RegisterError::Again);
    }
    let most = authority.config.limits.clients_per_app;
    if store::count(&mut transaction, app).await? > i64::from(most) {
        return Err(RegisterError::TooMany(most));
    }
    let secret = match registration.kind {
        ClientKind::Public => None,
        ClientKind::Confidential => {
            let secret_id = ClientSecretId::new(&authority.clock, &authority.entropy);
            let (token, secret) = secrets::mint(authority, id, secret_id)?;
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
