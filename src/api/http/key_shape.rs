//! A key as it is shown.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    keys::{ApiKey, KeyState},
    types::{AccountId, ApiKeyId, AppId, Environment, ScopeSet},
};

/// A key, without its value.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyAnswer {
    #[schema(value_type = String, example = "key_01m892s83efe5t0103dmrmhman")]
    pub(super) key_id: ApiKeyId,
    #[schema(value_type = Option<String>)]
    app_id: Option<AppId>,
    #[schema(value_type = String)]
    account_id: AccountId,
    name: String,
    /// `sk` (secret), `pk` (publishable) or `rk` (restricted).
    kind: &'static str,
    environment: Environment,
    family: String,
    /// What it begins with, by which its owner knows it.
    #[schema(example = "sk_live_3Xzp")]
    display_hint: String,
    scopes: Vec<String>,
    /// Those of its scopes that are kept for old keys alone, and that new ones should not have.
    deprecated_scopes: Vec<String>,
    /// `live`, `overlapping` (its successor is there), `expired` or `revoked`.
    state: &'static str,
    /// Requests a second; null is what its app's tier says.
    per_second: Option<u32>,
    /// Requests a clock hour; null is what its app's tier says.
    rate_limit_per_hour: Option<u64>,
    /// Requests a calendar month (UTC); null is what its app's tier says.
    monthly_limit: Option<u64>,
    /// Networks that it may be used from; empty is anywhere.
    allowed_ips: Vec<String>,
    #[schema(value_type = Option<String>)]
    successor_id: Option<ApiKeyId>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<OffsetDateTime>,
    /// Why it was revoked.
    revoked_reason: Option<&'static str>,
}

impl KeyAnswer {
    pub(super) fn of(key: &ApiKey, now: OffsetDateTime, legacy: &ScopeSet) -> Self {
        let settings = &key.settings;
        let state = key.state(now);
        Self {
            key_id: key.id,
            app_id: key.app_id,
            account_id: key.account_id,
            name: settings.name.to_string(),
            kind: key.kind.name(),
            environment: key.environment,
            family: key.family.clone(),
            display_hint: key.hint.clone(),
            scopes: settings.scopes.to_strings(),
            deprecated_scopes: settings.scopes.common_with(legacy).to_strings(),
            state: state.name(),
            per_second: settings.limits.per_second.map(std::num::NonZeroU32::get),
            rate_limit_per_hour: settings.limits.per_hour.map(std::num::NonZeroU64::get),
            monthly_limit: settings.limits.per_month.map(std::num::NonZeroU64::get),
            allowed_ips: settings.networks.iter().map(ToString::to_string).collect(),
            successor_id: key.successor_id,
            created_at: key.created_at,
            expires_at: settings.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: match state {
                KeyState::Revoked(at) => Some(at),
                KeyState::Live | KeyState::Overlapping(_) | KeyState::Expired(_) => None,
            },
            revoked_reason: key.revoked.map(|(_, reason)| reason.name()),
        }
    }
}

/// A key that was made, or given a new value.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeAnswer {
    /// The value: in this answer alone. Null where the request came again and the key has another value by now.
    #[schema(example = "sk_live_3XzphNCmUxF0v5jzl4J2XhkzWNqKL2HkghOwSBW1qE01HkzSh")]
    pub(super) key: Option<String>,
    #[serde(flatten)]
    pub(super) of: KeyAnswer,
}
