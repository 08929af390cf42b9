//! The account of the house: what the command line makes for nobody in particular belongs to it.

use diesel_async::AsyncPgConnection;

use super::{model::Account, store};
use crate::types::{AccountId, Clock, Entropy, Fault};

/// The name of the account that nobody is a member of.
const HOUSE: &str = "Operator";

/// The account of the house, for what belongs to no person; made where there is none yet.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn house_account(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<AccountId, Fault> {
    store::lock_house(connection).await?;
    if let Some(account) = store::account_without_members(connection, HOUSE).await? {
        return Ok(account);
    }
    let account = Account {
        id: AccountId::new(clock, entropy),
        name: HOUSE.to_owned(),
        personal: false,
        monthly_limit: None,
        created_at: clock.now(),
    };
    store::insert_account(connection, &account, None).await?;
    Ok(account.id)
}
