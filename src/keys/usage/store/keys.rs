use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::report::Of;
use crate::{
    db::schema::api_keys,
    types::{ApiKeyId, Fault},
};

/// A key as it was before what is being written of it.
pub(in super::super) struct KeyNow {
    pub(in super::super) name: String,
    pub(in super::super) hint: String,
    pub(in super::super) last_used_at: Option<OffsetDateTime>,
    pub(in super::super) last_used_sealed: Option<Vec<u8>>,
}

/// Those of these keys that there are, locked in their order.
pub(in super::super) async fn lock(
    connection: &mut AsyncPgConnection,
    keys: &[ApiKeyId],
) -> Result<HashMap<ApiKeyId, KeyNow>, Fault> {
    type Row = (Uuid, String, String, Option<OffsetDateTime>, Option<Vec<u8>>);
    let rows: Vec<Row> = api_keys::table
        .filter(api_keys::id.eq_any(keys.iter().map(|key| key.uuid()).collect::<Vec<_>>()))
        .order(api_keys::id)
        .select((
            api_keys::id,
            api_keys::name,
            api_keys::hint,
            api_keys::last_used_at,
            api_keys::last_used_sealed,
        ))
        .for_no_key_update()
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, name, hint, last_used_at, last_used_sealed)| {
            let now = KeyNow {
                name,
                hint,
                last_used_at,
                last_used_sealed,
            };
            (ApiKeyId::from_uuid(id), now)
        })
        .collect())
}

/// A key as tables of usage name it.
#[derive(Clone, Debug)]
pub struct KeyName {
    pub id: ApiKeyId,
    pub name: String,
    pub hint: String,
    pub revoked: bool,
    pub successor: Option<ApiKeyId>,
    pub last_used_at: Option<OffsetDateTime>,
}

/// The keys of an account or an app, revoked ones among them, oldest first; or one.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn names_of_keys(connection: &mut AsyncPgConnection, of: Of) -> Result<Vec<KeyName>, Fault> {
    type Row = (
        Uuid,
        String,
        String,
        Option<OffsetDateTime>,
        Option<Uuid>,
        Option<OffsetDateTime>,
    );
    let all = api_keys::table.order(api_keys::id).select((
        api_keys::id,
        api_keys::name,
        api_keys::hint,
        api_keys::revoked_at,
        api_keys::successor_id,
        api_keys::last_used_at,
    ));
    let rows: Vec<Row> = match of {
        Of::Account(account) => {
            let own = all.filter(api_keys::account_id.eq(account.uuid()));
            own.load(connection).await?
        }
        Of::App(app) => {
            all.filter(api_keys::app_id.eq(app.uuid()))
                .load(connection)
                .await?
        }
        Of::Key(key) => all.filter(api_keys::id.eq(key.uuid())).load(connection).await?,
    };
    Ok(rows
        .into_iter()
        .map(|(id, name, hint, revoked_at, successor, last_used_at)| KeyName {
            id: ApiKeyId::from_uuid(id),
            name,
            hint,
            revoked: revoked_at.is_some(),
            successor: successor.map(ApiKeyId::from_uuid),
            last_used_at,
        })
        .collect())
}
