use diesel::{
    dsl::exists,
    prelude::*,
    sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    super::{DisabledReason, Endpoint, EndpointUrl, EventType, Settings},
    secrets::is_live,
};
use crate::{
    db::schema::{webhook_endpoints as endpoints_table, webhook_secrets},
    types::{AccountId, AppId, Fault, WebhookEndpointId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = endpoints_table, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    app_id: Uuid,
    url: String,
    description: String,
    event_types: Vec<String>,
    disabled_at: Option<OffsetDateTime>,
    disabled_reason: Option<String>,
    failing_since: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    changed_at: OffsetDateTime,
}

impl TryFrom<Row> for Endpoint {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let id = WebhookEndpointId::from_uuid(row.id);
        let senseless = |column| Fault::inconsistent("webhook_endpoints", column, id);
        let url = EndpointUrl::stored(&row.url).ok_or_else(|| senseless("url"))?;
        let description = Some(row.description.as_str())
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().or(Err(senseless("description"))))
            .transpose()?;
        let event_types = row
            .event_types
            .iter()
            .map(|name| name.parse::<EventType>().or(Err(senseless("event_types"))))
            .collect::<Result<_, _>>()?;
        let reason = row
            .disabled_reason
            .map(|name| DisabledReason::named(&name).ok_or_else(|| senseless("disabled_reason")))
            .transpose()?;
        Ok(Self {
            id,
            app_id: AppId::from_uuid(row.app_id),
            settings: Settings {
                url,
                description,
                event_types,
            },
            disabled: row.disabled_at.zip(reason),
            failing_since: row.failing_since,
            created_at: row.created_at,
            changed_at: row.changed_at,
        })
    }
}

fn description(settings: &Settings) -> &str {
    settings.description.as_ref().map_or("", |line| line.as_str())
}

fn names(settings: &Settings) -> Vec<&'static str> {
    settings.event_types.iter().map(|kind| kind.name()).collect()
}

/// Adds an endpoint; false if there is one of that id.
pub(in crate::webhooks) async fn insert(
    connection: &mut AsyncPgConnection,
    id: WebhookEndpointId,
    app: AppId,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(endpoints_table::table)
        .values((
            endpoints_table::id.eq(id.uuid()),
            endpoints_table::app_id.eq(app.uuid()),
            endpoints_table::url.eq(settings.url.as_str()),
            endpoints_table::description.eq(description(settings)),
            endpoints_table::event_types.eq(names(settings)),
            endpoints_table::created_at.eq(now),
            endpoints_table::changed_at.eq(now),
        ))
        .on_conflict(endpoints_table::id)
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

pub(in crate::webhooks) async fn count(connection: &mut AsyncPgConnection, app: AppId) -> Result<i64, Fault> {
    Ok(endpoints_table::table
        .filter(endpoints_table::app_id.eq(app.uuid()))
        .count()
        .get_result(connection)
        .await?)
}

pub(in crate::webhooks) async fn endpoints(
    connection: &mut AsyncPgConnection,
    app: AppId,
) -> Result<Vec<Endpoint>, Fault> {
    let rows: Vec<Row> = endpoints_table::table
        .filter(endpoints_table::app_id.eq(app.uuid()))
        .order(endpoints_table::id)
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(Endpoint::try_from).collect()
}

pub(in crate::webhooks) async fn endpoint(
    connection: &mut AsyncPgConnection,
    app: AppId,
    id: WebhookEndpointId,
) -> Result<Option<Endpoint>, Fault> {
    let row = endpoints_table::table
        .find(id.uuid())
        .filter(endpoints_table::app_id.eq(app.uuid()))
        .select(Row::as_select())
        .first(connection)
        .await
        .optional()?;
    row.map(Endpoint::try_from).transpose()
}

/// The same, held until the transaction ends.
pub(in crate::webhooks) async fn held(
    connection: &mut AsyncPgConnection,
    app: AppId,
    id: WebhookEndpointId,
) -> Result<Option<Endpoint>, Fault> {
    let row: Option<Row> = endpoints_table::table
        .find(id.uuid())
        .filter(endpoints_table::app_id.eq(app.uuid()))
        .select(Row::as_select())
        .for_no_key_update()
        .first(connection)
        .await
        .optional()?;
    row.map(Endpoint::try_from).transpose()
}

/// Writes what can be changed of an endpoint. With another URL, its failures are another's. (Two changes of one moment must
/// not look like one to whoever compares versions.)
pub(in crate::webhooks) async fn edit(
    connection: &mut AsyncPgConnection,
    id: WebhookEndpointId,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::sql_query(
        "UPDATE webhook_endpoints SET
             failing_since = CASE WHEN url = $2 THEN failing_since END, url = $2, description = $3, event_types = $4,
             changed_at = greatest($5, changed_at + interval '1 microsecond')
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id.uuid())
    .bind::<Text, _>(settings.url.as_str())
    .bind::<Text, _>(description(settings))
    .bind::<diesel::sql_types::Array<Text>, _>(names(settings))
    .bind::<Timestamptz, _>(now)
    .execute(connection)
    .await?;
    Ok(())
}

pub(in crate::webhooks) async fn delete(
    connection: &mut AsyncPgConnection,
    id: WebhookEndpointId,
) -> Result<(), Fault> {
    diesel::delete(endpoints_table::table.find(id.uuid()))
        .execute(connection)
        .await?;
    Ok(())
}

/// An endpoint that was just switched off.
#[derive(QueryableByName)]
pub(in crate::webhooks) struct Switched {
    #[diesel(sql_type = SqlUuid)]
    account_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(in crate::webhooks) app_name: String,
    #[diesel(sql_type = Text)]
    pub(in crate::webhooks) url: String,
}

impl Switched {
    pub(in crate::webhooks) fn account(&self) -> AccountId {
        AccountId::from_uuid(self.account_id)
    }
}

/// What must hold of an endpoint that is switched off.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::webhooks) struct Only<'u> {
    /// It has failed since then, or longer.
    pub(in crate::webhooks) failing_before: Option<OffsetDateTime>,
    /// It still has this URL.
    pub(in crate::webhooks) url: Option<&'u str>,
}

/// Switches an endpoint off that is on.
pub(in crate::webhooks) async fn disable(
    connection: &mut AsyncPgConnection,
    id: WebhookEndpointId,
    reason: DisabledReason,
    only: Only<'_>,
    now: OffsetDateTime,
) -> Result<Option<Switched>, Fault> {
    Ok(diesel::sql_query(
        "UPDATE webhook_endpoints AS endpoint
         SET disabled_at = $2, disabled_reason = $3,
             changed_at = greatest($2, endpoint.changed_at + interval '1 microsecond')
         FROM apps
         WHERE endpoint.id = $1 AND apps.id = endpoint.app_id AND endpoint.disabled_at IS NULL
             AND ($4 IS NULL OR endpoint.failing_since <= $4) AND ($5 IS NULL OR endpoint.url = $5)
         RETURNING apps.account_id, apps.name AS app_name, endpoint.url",
    )
    .bind::<SqlUuid, _>(id.uuid())
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(reason.name())
    .bind::<Nullable<Timestamptz>, _>(only.failing_before)
    .bind::<Nullable<Text>, _>(only.url)
    .get_result(connection)
    .await
    .optional()?)
}

/// Switches an endpoint on that is off; whether it did.
pub(in crate::webhooks) async fn enable(
    connection: &mut AsyncPgConnection,
    id: WebhookEndpointId,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let switched = diesel::sql_query(
        "UPDATE webhook_endpoints SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL,
             changed_at = greatest($2, changed_at + interval '1 microsecond')
         WHERE id = $1 AND disabled_at IS NOT NULL",
    )
    .bind::<SqlUuid, _>(id.uuid())
    .bind::<Timestamptz, _>(now)
    .execute(connection)
    .await?;
    Ok(switched == 1)
}

/// Whether nothing is sent to an endpoint now: it is switched off, or no secret of its signs.
pub(in crate::webhooks) async fn is_silent(
    connection: &mut AsyncPgConnection,
    id: WebhookEndpointId,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let signing = webhook_secrets::table
        .filter(webhook_secrets::endpoint_id.eq(id.uuid()))
        .filter(is_live(now));
    let on = endpoints_table::table
        .find(id.uuid())
        .filter(endpoints_table::disabled_at.is_null())
        .filter(exists(signing));
    let speaks: bool = diesel::select(exists(on)).get_result(connection).await?;
    Ok(!speaks)
}
