//! Whose something is, that is made on the command line.

use diesel_async::AsyncPgConnection;

use super::Refused;
use crate::{
    accounts,
    app::App,
    identity,
    types::{AccountId, Email},
};

/// The personal account of that user; of nobody in particular, the first operator's, or else that of the house.
pub(super) async fn owned_account(
    app: &App,
    connection: &mut AsyncPgConnection,
    owner: Option<&Email>,
) -> Result<AccountId, Refused> {
    let user = match owner {
        Some(email) => Some(
            identity::user_by_email(connection, email)
                .await?
                .ok_or_else(|| Refused::Because(format!("there is no user {email}")))?,
        ),
        None => identity::operators(connection).await?.into_iter().next(),
    };
    let personal = match &user {
        Some(user) => accounts::personal_account_of(connection, user.id).await?,
        None => None,
    };
    match personal {
        Some(account) => Ok(account),
        None => Ok(accounts::house_account(connection, &app.clock, &app.entropy).await?),
    }
}
