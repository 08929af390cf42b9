use diesel::{dsl::sql, prelude::*, sql_types};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::model::place;
use crate::{
    crypto::{Keyring, Purpose},
    db::schema::grants,
    types::{Fault, GrantId},
};

/// Removes up to `batch` grants after the one `after`, by id, that ended before `before`: their codes and tokens are dead
/// by their own expiry, and a replay of them is refused without the row. Returns how many they were, and the last. Whoever
/// goes on from there looks at each row once, by the primary key: an index over what a refresh changes would cost every
/// refresh more than that.
pub(in crate::oauth) async fn delete_ended(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    after: Option<GrantId>,
    batch: i64,
) -> Result<(usize, Option<GrantId>), Fault> {
    let ids: Vec<Uuid> = grants::table
        .filter(grants::id.gt(after.map_or_else(Uuid::nil, GrantId::uuid)))
        .filter(
            grants::expires_at
                .lt(before)
                .or(grants::revoked_at.lt(before).assume_not_null()),
        )
        .order(grants::id)
        .select(grants::id)
        .limit(batch)
        .load(connection)
        .await?;
    let last = ids.last().copied().map(GrantId::from_uuid);
    let gone = diesel::delete(grants::table.filter(grants::id.eq_any(ids)))
        .execute(connection)
        .await?;
    Ok((gone, last))
}

/// Seals anew those of up to `batch` contexts after the one `after`, by id, that are still under an older key. Returns how
/// many, and the last that was looked at, if there was any.
pub(in crate::oauth) async fn reseal_contexts(
    connection: &mut AsyncPgConnection,
    keyring: &Keyring,
    after: Option<GrantId>,
    batch: i64,
) -> Result<(usize, Option<GrantId>), Fault> {
    let current = keyring.current_id(Purpose::ClientContext)?.to_bytes();
    let rows: Vec<(Uuid, Vec<u8>)> = grants::table
        .filter(grants::id.gt(after.map_or_else(Uuid::nil, GrantId::uuid)))
        .filter(
            sql::<sql_types::Bool>("substring(context_sealed from 1 for 4) <> ")
                .bind::<sql_types::Binary, _>(current.to_vec()),
        )
        .order(grants::id)
        .select((grants::id, grants::context_sealed))
        .limit(batch)
        .load(connection)
        .await?;
    let last = rows.last().map(|(id, _)| GrantId::from_uuid(*id));
    let mut done = 0;
    for (id, sealed) in rows {
        let place = place(GrantId::from_uuid(id));
        let Some(plain) = keyring.open(Purpose::ClientContext, &place, &sealed) else {
            // One row that makes no sense must not keep all others from being sealed anew.
            tracing::error!(grant = %GrantId::from_uuid(id), "the context of a grant does not open");
            continue;
        };
        let anew = keyring.seal(Purpose::ClientContext, &place, &plain)?;
        // A use in between has sealed it anew already.
        done += diesel::update(grants::table.find(id).filter(grants::context_sealed.eq(sealed)))
            .set(grants::context_sealed.eq(anew))
            .execute(connection)
            .await?;
    }
    Ok((done, last))
}
