// Made from the migrations by `make schema`.

diesel::table! {
    account_invitations (id) {
        id -> Uuid,
        account_id -> Uuid,
        email -> Text,
        email_key -> Text,
        role -> Text,
        token_hash -> Binary,
        invited_by -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    accounts (id) {
        id -> Uuid,
        name -> Text,
        personal_user_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        monthly_limit -> Nullable<BigInt>,
    }
}

diesel::table! {
    allowances (subject_id, span, began_at) {
        subject_id -> Uuid,
        span -> Text,
        began_at -> Timestamptz,
        version -> BigInt,
        state -> Jsonb,
        changed_at -> Timestamptz,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Uuid,
        app_id -> Nullable<Uuid>,
        account_id -> Uuid,
        family -> Text,
        kind -> Text,
        environment -> Text,
        name -> Text,
        scopes -> Array<Text>,
        pepper_id -> Integer,
        mac -> Binary,
        hint -> Text,
        per_second -> Nullable<Integer>,
        per_hour -> Nullable<BigInt>,
        per_month -> Nullable<BigInt>,
        allowed_networks -> Array<Text>,
        expires_at -> Nullable<Timestamptz>,
        successor_id -> Nullable<Uuid>,
        rotated_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        revoked_reason -> Nullable<Text>,
        created_by -> Text,
        created_at -> Timestamptz,
        changed_at -> Timestamptz,
        reminded_days -> Nullable<Integer>,
        last_used_at -> Nullable<Timestamptz>,
        last_used_sealed -> Nullable<Binary>,
    }
}

diesel::table! {
    apps (id) {
        id -> Uuid,
        account_id -> Uuid,
        name -> Text,
        created_at -> Timestamptz,
        environments -> Array<Text>,
        key_scopes -> Array<Text>,
        tier -> Text,
        allowed_networks -> Array<Text>,
    }
}

diesel::table! {
    audit_records (id) {
        id -> BigInt,
        at -> Timestamptz,
        actor_kind -> Text,
        actor_id -> Nullable<Text>,
        account_id -> Nullable<Uuid>,
        action -> Text,
        subject_kind -> Text,
        subject_id -> Nullable<Text>,
        outcome -> Text,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        request_id -> Nullable<Text>,
        policy_ref -> Nullable<Text>,
        details -> Jsonb,
    }
}

diesel::table! {
    authorization_requests (id) {
        id -> Uuid,
        browser_hash -> Binary,
        client_id -> Uuid,
        request -> Jsonb,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    client_requests (id) {
        id -> BigInt,
        client_id -> Uuid,
        at -> Timestamptz,
        endpoint -> Text,
        error -> Nullable<Text>,
        description -> Nullable<Text>,
        request_id -> Text,
    }
}

diesel::table! {
    client_secrets (id) {
        id -> Uuid,
        client_id -> Uuid,
        key_id -> Integer,
        mac -> Binary,
        hint -> Text,
        expires_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    clients (id) {
        id -> Uuid,
        app_id -> Uuid,
        name -> Text,
        kind -> Text,
        first_party -> Bool,
        publisher -> Nullable<Text>,
        publisher_verified -> Bool,
        logo -> Nullable<Binary>,
        logo_type -> Nullable<Text>,
        logo_digest -> Nullable<Text>,
        redirect_uris -> Array<Text>,
        grant_types -> Array<Text>,
        scopes -> Array<Text>,
        optional_scopes -> Array<Text>,
        id_token_alg -> Text,
        retry_window_seconds -> Nullable<Integer>,
        disabled_at -> Nullable<Timestamptz>,
        shut_out_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    consents (user_id, client_id) {
        user_id -> Uuid,
        client_id -> Uuid,
        scopes -> Array<Text>,
        declined -> Array<Text>,
        presentation -> Binary,
        granted_at -> Timestamptz,
        last_used_at -> Timestamptz,
    }
}

diesel::table! {
    default_key_settings (only) {
        only -> Bool,
        scope -> Nullable<Text>,
        family -> Text,
    }
}

diesel::table! {
    default_keys (user_id) {
        user_id -> Uuid,
        scope -> Text,
        family -> Text,
        created_at -> Timestamptz,
        key_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    derived_keys (id) {
        id -> Integer,
        purpose -> Text,
        version -> Integer,
        master_key_id -> Text,
        active_from -> Timestamptz,
        retired_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    email_changes (user_id) {
        user_id -> Uuid,
        new_email -> Text,
        old_confirmed_at -> Nullable<Timestamptz>,
        new_confirmed_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    grants (id) {
        id -> Uuid,
        code_id -> Uuid,
        client_id -> Uuid,
        user_id -> Uuid,
        session_id -> Uuid,
        scopes -> Array<Text>,
        redirect_host -> Text,
        authenticated_at -> Timestamptz,
        generation -> Integer,
        refresh_key_id -> Nullable<Integer>,
        rotated_at -> Timestamptz,
        refreshes -> BigInt,
        context_mac -> Binary,
        context_sealed -> Binary,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        ends_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        revoked_reason -> Nullable<Text>,
    }
}

diesel::table! {
    idempotent_requests (caller, idempotency_key) {
        caller -> Text,
        idempotency_key -> Text,
        request_digest -> Binary,
        made -> Text,
        salt -> Binary,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    jobs (name) {
        name -> Text,
        started_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
        rows_done -> Nullable<BigInt>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    key_limits_reached (key_id, span) {
        key_id -> Uuid,
        span -> Text,
        began_at -> Timestamptz,
    }
}

diesel::table! {
    key_notices (key_id, action) {
        key_id -> Uuid,
        action -> Text,
        at -> Timestamptz,
    }
}

diesel::table! {
    key_requests (id) {
        id -> BigInt,
        key_id -> Uuid,
        at -> Timestamptz,
        route -> Text,
        outcome -> Text,
        status -> SmallInt,
        address -> Text,
        latency_us -> Integer,
        request_id -> Text,
    }
}

diesel::table! {
    leak_notices (digest) {
        digest -> Binary,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    leak_reports (id) {
        id -> Uuid,
        source -> Text,
        subject_kind -> Text,
        subject_id -> Text,
        hint -> Text,
        app_id -> Nullable<Uuid>,
        account_id -> Nullable<Uuid>,
        found_at_url -> Nullable<Text>,
        outcome -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    members (account_id, user_id) {
        account_id -> Uuid,
        user_id -> Uuid,
        role -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    nodes (id) {
        id -> Uuid,
        applied -> BigInt,
        lease_ms -> Integer,
        lease_until -> Timestamptz,
        started_at -> Timestamptz,
    }
}

diesel::table! {
    notifications (id) {
        id -> BigInt,
        user_id -> Uuid,
        subject -> Text,
        text -> Text,
        next_at -> Timestamptz,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    one_time_links (id) {
        id -> Uuid,
        purpose -> Text,
        token_hash -> Binary,
        user_id -> Nullable<Uuid>,
        email -> Nullable<Text>,
        email_key -> Nullable<Text>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    regenerated_values (mac) {
        mac -> Binary,
        pepper_id -> Integer,
        key_id -> Uuid,
        ended_at -> Timestamptz,
    }
}

diesel::table! {
    revocation_head (only) {
        only -> Bool,
        sequence -> BigInt,
        keep_seconds -> BigInt,
    }
}

diesel::table! {
    revocations (sequence) {
        sequence -> BigInt,
        kind -> Text,
        subject -> Text,
        reason -> Text,
        at -> Timestamptz,
        until -> Timestamptz,
    }
}

diesel::table! {
    scopes (name) {
        name -> Text,
        description -> Text,
        sensitive -> Bool,
        publishable -> Bool,
        audience -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        token_hash -> Binary,
        context_sealed -> Binary,
        authenticated_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    sign_in_failures (subject) {
        subject -> Binary,
        failures -> Integer,
        last_at -> Timestamptz,
        retry_at -> Timestamptz,
    }
}

diesel::table! {
    signing_keys (id) {
        id -> Uuid,
        kid -> Text,
        algorithm -> Text,
        private_sealed -> Binary,
        public_jwk -> Jsonb,
        published_at -> Timestamptz,
        signs_from -> Timestamptz,
        signs_until -> Nullable<Timestamptz>,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    usage_days (key_id, at, scope, outcome) {
        key_id -> Uuid,
        app_id -> Uuid,
        at -> Timestamptz,
        scope -> Text,
        outcome -> Text,
        requests -> BigInt,
        cost -> BigInt,
    }
}

diesel::table! {
    usage_hours (key_id, at, scope, outcome) {
        key_id -> Uuid,
        app_id -> Uuid,
        at -> Timestamptz,
        scope -> Text,
        outcome -> Text,
        requests -> BigInt,
        cost -> BigInt,
        rolled_requests -> BigInt,
        rolled_cost -> BigInt,
        due -> Bool,
    }
}

diesel::table! {
    usage_minutes (key_id, at, scope, outcome) {
        key_id -> Uuid,
        app_id -> Uuid,
        at -> Timestamptz,
        scope -> Text,
        outcome -> Text,
        requests -> BigInt,
        cost -> BigInt,
        rolled_requests -> BigInt,
        rolled_cost -> BigInt,
        due -> Bool,
    }
}

diesel::table! {
    usage_writers (id) {
        id -> Uuid,
        batch -> BigInt,
        at -> Timestamptz,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        email -> Text,
        email_key -> Text,
        email_verified_at -> Nullable<Timestamptz>,
        name -> Text,
        password_hash -> Text,
        password_set_at -> Timestamptz,
        operator -> Bool,
        blocked_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_attempts (id) {
        id -> BigInt,
        delivery_id -> Uuid,
        at -> Timestamptz,
        status -> Nullable<SmallInt>,
        error -> Nullable<Text>,
        answer -> Nullable<Text>,
        took_ms -> Integer,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> Uuid,
        place -> BigInt,
        message_id -> Uuid,
        endpoint_id -> Uuid,
        state -> Text,
        attempts -> Integer,
        next_at -> Timestamptz,
        claim -> Nullable<Uuid>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_endpoints (id) {
        id -> Uuid,
        app_id -> Uuid,
        url -> Text,
        description -> Text,
        event_types -> Array<Text>,
        disabled_at -> Nullable<Timestamptz>,
        disabled_reason -> Nullable<Text>,
        failing_since -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        changed_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_messages (id) {
        id -> Uuid,
        app_id -> Uuid,
        event_type -> Text,
        payload -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_secrets (id) {
        id -> Uuid,
        endpoint_id -> Uuid,
        sealed -> Binary,
        digest -> Binary,
        hint -> Text,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(account_invitations -> accounts (account_id));
diesel::joinable!(account_invitations -> users (invited_by));
diesel::joinable!(accounts -> users (personal_user_id));
diesel::joinable!(api_keys -> apps (app_id));
diesel::joinable!(apps -> accounts (account_id));
diesel::joinable!(authorization_requests -> clients (client_id));
diesel::joinable!(client_requests -> clients (client_id));
diesel::joinable!(client_secrets -> clients (client_id));
diesel::joinable!(clients -> apps (app_id));
diesel::joinable!(consents -> clients (client_id));
diesel::joinable!(consents -> users (user_id));
diesel::joinable!(default_keys -> api_keys (key_id));
diesel::joinable!(default_keys -> users (user_id));
diesel::joinable!(email_changes -> users (user_id));
diesel::joinable!(grants -> clients (client_id));
diesel::joinable!(grants -> users (user_id));
diesel::joinable!(members -> accounts (account_id));
diesel::joinable!(members -> users (user_id));
diesel::joinable!(notifications -> users (user_id));
diesel::joinable!(one_time_links -> users (user_id));
diesel::joinable!(regenerated_values -> api_keys (key_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(webhook_attempts -> webhook_deliveries (delivery_id));
diesel::joinable!(webhook_deliveries -> webhook_endpoints (endpoint_id));
diesel::joinable!(webhook_deliveries -> webhook_messages (message_id));
diesel::joinable!(webhook_endpoints -> apps (app_id));
diesel::joinable!(webhook_secrets -> webhook_endpoints (endpoint_id));

diesel::allow_tables_to_appear_in_same_query!(
    account_invitations,
    accounts,
    allowances,
    api_keys,
    apps,
    audit_records,
    authorization_requests,
    client_requests,
    client_secrets,
    clients,
    consents,
    default_key_settings,
    default_keys,
    derived_keys,
    email_changes,
    grants,
    idempotent_requests,
    jobs,
    key_limits_reached,
    key_notices,
    key_requests,
    leak_notices,
    leak_reports,
    members,
    nodes,
    notifications,
    one_time_links,
    regenerated_values,
    revocation_head,
    revocations,
    scopes,
    sessions,
    sign_in_failures,
    signing_keys,
    usage_days,
    usage_hours,
    usage_minutes,
    usage_writers,
    users,
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
    webhook_messages,
    webhook_secrets,
);
