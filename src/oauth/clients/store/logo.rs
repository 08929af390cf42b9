//! The picture of a client: written, taken away, read.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    db::schema::clients,
    oauth::clients::Logo,
    types::{ClientId, Fault},
};

pub(in crate::oauth::clients) async fn set_logo(
    connection: &mut AsyncPgConnection,
    id: ClientId,
    logo: Option<&Logo>,
) -> Result<(), Fault> {
    diesel::update(clients::table.find(id.uuid()))
        .set((
            clients::logo.eq(logo.map(|logo| logo.bytes.as_slice())),
            clients::logo_type.eq(logo.map(|logo| logo.content_type)),
            clients::logo_digest.eq(logo.map(|logo| Logo::digest_of(&logo.bytes))),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// The logo of a client.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn logo(connection: &mut AsyncPgConnection, id: ClientId) -> Result<Option<Logo>, Fault> {
    let row: Option<(Option<Vec<u8>>, Option<String>)> = clients::table
        .find(id.uuid())
        .select((clients::logo, clients::logo_type))
        .first(connection)
        .await
        .optional()?;
    let Some((Some(bytes), Some(content_type))) = row else {
        return Ok(None);
    };
    let content_type =
        Logo::known_type(&content_type).ok_or_else(|| Fault::inconsistent("clients", "logo_type", id))?;
    Ok(Some(Logo { content_type, bytes }))
}
