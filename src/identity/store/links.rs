use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::model::{EmailChange, Invitation, Link, LinkPurpose};
use crate::{
    db::schema::{email_changes, one_time_links},
    types::{Email, Fault, InvalidEmail, LinkId, UserId},
};

/// A link that is to be.
pub(in super::super) struct NewLink<'a> {
    pub(in super::super) id: LinkId,
    pub(in super::super) purpose: LinkPurpose,
    pub(in super::super) token_hash: [u8; 32],
    pub(in super::super) user_id: Option<UserId>,
    pub(in super::super) email: Option<&'a Email>,
    pub(in super::super) created_at: OffsetDateTime,
    pub(in super::super) expires_at: OffsetDateTime,
}

pub(in super::super) async fn insert_link(
    connection: &mut AsyncPgConnection,
    link: &NewLink<'_>,
) -> Result<(), Fault> {
    diesel::insert_into(one_time_links::table)
        .values((
            one_time_links::id.eq(link.id.uuid()),
            one_time_links::purpose.eq(link.purpose.name()),
            one_time_links::token_hash.eq(link.token_hash.as_slice()),
            one_time_links::user_id.eq(link.user_id.map(UserId::uuid)),
            one_time_links::email.eq(link.email.map(Email::as_str)),
            one_time_links::email_key.eq(link.email.map(Email::key)),
            one_time_links::created_at.eq(link.created_at),
            one_time_links::expires_at.eq(link.expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

fn link(row: (Uuid, Option<Uuid>, Option<String>)) -> Result<Link, Fault> {
    let (id, user, email) = row;
    Ok(Link {
        user_id: user.map(UserId::from_uuid),
        email: email
            .map(|email| email.parse::<Email>())
            .transpose()
            .map_err(|InvalidEmail| Fault::inconsistent("one_time_links", "email", id))?,
    })
}

/// A link that is good now. It stays good.
pub(in super::super) async fn find_link(
    connection: &mut AsyncPgConnection,
    purpose: LinkPurpose,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<Link>, Fault> {
    one_time_links::table
        .filter(one_time_links::token_hash.eq(token_hash.as_slice()))
        .filter(one_time_links::purpose.eq(purpose.name()))
        .filter(one_time_links::expires_at.gt(now))
        .select((one_time_links::id, one_time_links::user_id, one_time_links::email))
        .first(connection)
        .await
        .optional()?
        .map(link)
        .transpose()
}

/// Uses a link up, if it is good now: whoever comes second finds none.
pub(in super::super) async fn consume_link(
    connection: &mut AsyncPgConnection,
    purpose: LinkPurpose,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<Link>, Fault> {
    diesel::delete(one_time_links::table)
        .filter(one_time_links::token_hash.eq(token_hash.as_slice()))
        .filter(one_time_links::purpose.eq(purpose.name()))
        .filter(one_time_links::expires_at.gt(now))
        .returning((one_time_links::id, one_time_links::user_id, one_time_links::email))
        .get_result(connection)
        .await
        .optional()?
        .map(link)
        .transpose()
}

/// Uses up every link for a first operator with the one that was given: of several servers that started
/// on one database each has printed its own, and only one may succeed.
pub(in super::super) async fn consume_first_operator_links(
    connection: &mut AsyncPgConnection,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let good: Vec<Vec<u8>> = diesel::delete(one_time_links::table)
        .filter(one_time_links::purpose.eq(LinkPurpose::FirstOperator.name()))
        .filter(one_time_links::expires_at.gt(now))
        .returning(one_time_links::token_hash)
        .get_results(connection)
        .await?;
    Ok(good.iter().any(|hash| hash == token_hash))
}

/// Makes a person's links of some purposes void.
pub(in super::super) async fn delete_links(
    connection: &mut AsyncPgConnection,
    user: UserId,
    purposes: &[LinkPurpose],
) -> Result<(), Fault> {
    diesel::delete(one_time_links::table)
        .filter(one_time_links::user_id.eq(user.uuid()))
        .filter(one_time_links::purpose.eq_any(purposes.iter().map(|purpose| purpose.name())))
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes all links of a person void, whatever they are for.
pub(in super::super) async fn delete_every_link(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<(), Fault> {
    diesel::delete(one_time_links::table)
        .filter(one_time_links::user_id.eq(user.uuid()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes earlier invitations of an address void.
pub(in super::super) async fn delete_invitations(
    connection: &mut AsyncPgConnection,
    email: &Email,
) -> Result<(), Fault> {
    diesel::delete(one_time_links::table)
        .filter(one_time_links::purpose.eq(LinkPurpose::Invitation.name()))
        .filter(one_time_links::email_key.eq(email.key()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes one invitation void; false if there is none any more.
pub(in super::super) async fn delete_invitation(
    connection: &mut AsyncPgConnection,
    id: LinkId,
) -> Result<bool, Fault> {
    let deleted = diesel::delete(one_time_links::table.find(id.uuid()))
        .filter(one_time_links::purpose.eq(LinkPurpose::Invitation.name()))
        .execute(connection)
        .await?;
    Ok(deleted == 1)
}

/// The invitations that are good now, the last sent first.
pub(in super::super) async fn invitations(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
) -> Result<Vec<Invitation>, Fault> {
    let rows: Vec<(Uuid, Option<String>, OffsetDateTime, OffsetDateTime)> = one_time_links::table
        .filter(one_time_links::purpose.eq(LinkPurpose::Invitation.name()))
        .filter(one_time_links::expires_at.gt(now))
        .order((one_time_links::created_at.desc(), one_time_links::id))
        .select((
            one_time_links::id,
            one_time_links::email,
            one_time_links::created_at,
            one_time_links::expires_at,
        ))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(id, email, sent_at, expires_at)| {
            let id = LinkId::from_uuid(id);
            Ok(Invitation {
                id,
                email: email
                    .and_then(|email| email.parse().ok())
                    .ok_or_else(|| Fault::inconsistent("one_time_links", "email", id))?,
                sent_at,
                expires_at,
            })
        })
        .collect()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = email_changes, check_for_backend(diesel::pg::Pg))]
struct EmailChangeRow {
    user_id: Uuid,
    new_email: String,
    old_confirmed_at: Option<OffsetDateTime>,
    new_confirmed_at: Option<OffsetDateTime>,
    expires_at: OffsetDateTime,
}

impl TryFrom<EmailChangeRow> for EmailChange {
    type Error = Fault;

    fn try_from(row: EmailChangeRow) -> Result<Self, Fault> {
        Ok(Self {
            new_email: row.new_email.parse().map_err(|InvalidEmail| {
                Fault::inconsistent("email_changes", "new_email", UserId::from_uuid(row.user_id))
            })?,
            old_confirmed: row.old_confirmed_at.is_some(),
            new_confirmed: row.new_confirmed_at.is_some(),
            expires_at: row.expires_at,
        })
    }
}

/// Begins a change of address, in place of one that was under way.
pub(in super::super) async fn begin_email_change(
    connection: &mut AsyncPgConnection,
    user: UserId,
    change: &EmailChange,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let values = (
        email_changes::user_id.eq(user.uuid()),
        email_changes::new_email.eq(change.new_email.as_str()),
        email_changes::old_confirmed_at.eq(change.old_confirmed.then_some(now)),
        email_changes::new_confirmed_at.eq(change.new_confirmed.then_some(now)),
        email_changes::created_at.eq(now),
        email_changes::expires_at.eq(change.expires_at),
    );
    diesel::insert_into(email_changes::table)
        .values(values)
        .on_conflict(email_changes::user_id)
        .do_update()
        .set(values)
        .execute(connection)
        .await?;
    Ok(())
}

pub(in super::super) async fn email_change(
    connection: &mut AsyncPgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> Result<Option<EmailChange>, Fault> {
    email_changes::table
        .find(user.uuid())
        .filter(email_changes::expires_at.gt(now))
        .select(EmailChangeRow::as_select())
        .first(connection)
        .await
        .optional()?
        .map(EmailChange::try_from)
        .transpose()
}

/// Notes that one of both addresses has confirmed the change to `new_email`; none if no such change is under
/// way any more.
pub(in super::super) async fn confirm_email_change(
    connection: &mut AsyncPgConnection,
    user: UserId,
    new_email: &Email,
    from_new: bool,
    now: OffsetDateTime,
) -> Result<Option<EmailChange>, Fault> {
    let target = email_changes::table
        .find(user.uuid())
        .filter(email_changes::new_email.eq(new_email.as_str()))
        .filter(email_changes::expires_at.gt(now));
    let returning = EmailChangeRow::as_returning();
    let row = if from_new {
        diesel::update(target)
            .set(email_changes::new_confirmed_at.eq(now))
            .returning(returning)
            .get_result(connection)
            .await
    } else {
        diesel::update(target)
            .set(email_changes::old_confirmed_at.eq(now))
            .returning(returning)
            .get_result(connection)
            .await
    };
    row.optional()?.map(EmailChange::try_from).transpose()
}

pub(in super::super) async fn delete_email_change(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<bool, Fault> {
    let deleted = diesel::delete(email_changes::table.find(user.uuid()))
        .execute(connection)
        .await?;
    Ok(deleted == 1)
}
