use diesel::{
    prelude::*,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::model::{Invitation, Role};
use crate::{
    db::schema::account_invitations,
    types::{AccountId, Email, Fault, InvalidEmail, LinkId, UserId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = account_invitations, check_for_backend(diesel::pg::Pg))]
struct InvitationRow {
    id: Uuid,
    email: String,
    role: String,
    invited_by: Uuid,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl TryFrom<InvitationRow> for Invitation {
    type Error = Fault;

    fn try_from(row: InvitationRow) -> Result<Self, Fault> {
        let id = LinkId::from_uuid(row.id);
        let wrong = |column| Fault::inconsistent("account_invitations", column, id);
        Ok(Self {
            id,
            email: row.email.parse().map_err(|InvalidEmail| wrong("email"))?,
            role: Role::named(&row.role).ok_or_else(|| wrong("role"))?,
            invited_by: UserId::from_uuid(row.invited_by),
            sent_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

/// Adds an invitation, in the place of one to the same address, whose link is void then.
pub(in super::super) async fn put_invitation(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    invitation: &Invitation,
    token_hash: &[u8; 32],
) -> Result<(), Fault> {
    let values = (
        account_invitations::email.eq(invitation.email.as_str()),
        account_invitations::role.eq(invitation.role.name()),
        account_invitations::token_hash.eq(token_hash.as_slice()),
        account_invitations::invited_by.eq(invitation.invited_by.uuid()),
        account_invitations::created_at.eq(invitation.sent_at),
        account_invitations::expires_at.eq(invitation.expires_at),
    );
    diesel::insert_into(account_invitations::table)
        .values((
            account_invitations::id.eq(invitation.id.uuid()),
            account_invitations::account_id.eq(account.uuid()),
            account_invitations::email_key.eq(invitation.email.key()),
            values,
        ))
        .on_conflict((account_invitations::account_id, account_invitations::email_key))
        .do_update()
        .set(values)
        .execute(connection)
        .await?;
    Ok(())
}

/// An invitation of an account that is good now.
pub(in super::super) async fn invitation(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    id: LinkId,
    now: OffsetDateTime,
) -> Result<Option<Invitation>, Fault> {
    account_invitations::table
        .find(id.uuid())
        .filter(account_invitations::account_id.eq(account.uuid()))
        .filter(account_invitations::expires_at.gt(now))
        .select(InvitationRow::as_select())
        .first(connection)
        .await
        .optional()?
        .map(Invitation::try_from)
        .transpose()
}

/// The invitation with that link, if it is good now. It stays so.
pub(in super::super) async fn invitation_by_link(
    connection: &mut AsyncPgConnection,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<(AccountId, Invitation)>, Fault> {
    let row: Option<(Uuid, InvitationRow)> = account_invitations::table
        .filter(account_invitations::token_hash.eq(token_hash.as_slice()))
        .filter(account_invitations::expires_at.gt(now))
        .select((account_invitations::account_id, InvitationRow::as_select()))
        .first(connection)
        .await
        .optional()?;
    row.map(|(account, invitation)| Ok((AccountId::from_uuid(account), invitation.try_into()?)))
        .transpose()
}

/// Uses an invitation up, if it is good now and was sent to that address: whoever comes second finds none.
pub(in super::super) async fn consume_invitation(
    connection: &mut AsyncPgConnection,
    token_hash: &[u8; 32],
    email: &Email,
    now: OffsetDateTime,
) -> Result<Option<Invitation>, Fault> {
    diesel::delete(account_invitations::table)
        .filter(account_invitations::token_hash.eq(token_hash.as_slice()))
        .filter(account_invitations::email_key.eq(email.key()))
        .filter(account_invitations::expires_at.gt(now))
        .returning(InvitationRow::as_returning())
        .get_result(connection)
        .await
        .optional()?
        .map(Invitation::try_from)
        .transpose()
}

/// Makes an invitation void, and says which it was; none if it was used or void already.
pub(in super::super) async fn delete_invitation(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    id: LinkId,
) -> Result<Option<Invitation>, Fault> {
    diesel::delete(account_invitations::table.find(id.uuid()))
        .filter(account_invitations::account_id.eq(account.uuid()))
        .returning(InvitationRow::as_returning())
        .get_result(connection)
        .await
        .optional()?
        .map(Invitation::try_from)
        .transpose()
}

/// Makes what somebody sent in the name of an account void.
pub(in super::super) async fn delete_invitations_by(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    sender: UserId,
) -> Result<(), Fault> {
    diesel::delete(account_invitations::table)
        .filter(account_invitations::account_id.eq(account.uuid()))
        .filter(account_invitations::invited_by.eq(sender.uuid()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Those that somebody has sent from any account.
pub(in super::super) async fn delete_all_invitations_by(
    connection: &mut AsyncPgConnection,
    sender: UserId,
) -> Result<(), Fault> {
    diesel::delete(account_invitations::table)
        .filter(account_invitations::invited_by.eq(sender.uuid()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Those of an account that are good now, the last sent first.
pub(in super::super) async fn invitations(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    now: OffsetDateTime,
) -> Result<Vec<Invitation>, Fault> {
    let rows = account_invitations::table
        .filter(account_invitations::account_id.eq(account.uuid()))
        .filter(account_invitations::expires_at.gt(now))
        .order((account_invitations::created_at.desc(), account_invitations::id))
        .select(InvitationRow::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(Invitation::try_from).collect()
}

pub(in super::super) async fn count_invitations(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    now: OffsetDateTime,
) -> Result<i64, Fault> {
    Ok(account_invitations::table
        .filter(account_invitations::account_id.eq(account.uuid()))
        .filter(account_invitations::expires_at.gt(now))
        .count()
        .get_result(connection)
        .await?)
}

/// Removes up to `most` of all accounts' that are good no more.
pub(in super::super) async fn delete_expired_invitations(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
    most: u32,
) -> Result<u64, Fault> {
    let deleted = diesel::sql_query(
        "DELETE FROM account_invitations WHERE id IN
         (SELECT id FROM account_invitations WHERE expires_at <= $1 LIMIT $2) AND expires_at <= $1",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(i64::from(most))
    .execute(connection)
    .await?;
    u64::try_from(deleted).map_err(Fault::internal)
}
