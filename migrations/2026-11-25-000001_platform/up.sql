-- What the keys of an app may do, and what an account may do altogether.

ALTER TABLE apps
    ADD COLUMN environments text[] NOT NULL DEFAULT '{live,test}',
    ADD COLUMN key_scopes text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tier text NOT NULL DEFAULT 'standard',
    ADD COLUMN allowed_networks text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN apps.key_scopes IS 'The most that its API keys may have.';
COMMENT ON COLUMN apps.allowed_networks IS 'Networks from which its API keys are taken; empty is anywhere.';

ALTER TABLE accounts ADD COLUMN monthly_limit bigint CHECK (monthly_limit > 0);
COMMENT ON COLUMN accounts.monthly_limit IS 'Requests a month of all its API keys, as an operator set it; null is what the configuration says.';

CREATE TABLE account_invitations (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    email text NOT NULL,
    email_key text NOT NULL,
    role text NOT NULL CHECK (role IN ('admin', 'developer', 'viewer')),
    token_hash bytea NOT NULL UNIQUE,
    invited_by uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (account_id, email_key)
);
CREATE INDEX account_invitations_expiry ON account_invitations (expires_at);

INSERT INTO scopes (name, description, sensitive, publishable, audience, created_at) VALUES
    ('keys:verify', 'Ask whether API keys are good, and count their use', true, false, 'first_party', now() - interval '5 seconds'),
    ('keys:manage', 'Make, change and revoke the API keys of an app', true, false, 'confidential', now() - interval '4 seconds'),
    ('usage:read', 'See how much an app is used', false, false, 'confidential', now() - interval '3 seconds'),
    ('webhooks:manage', 'Change where an app is told of events', true, false, 'confidential', now() - interval '2 seconds'),
    ('leaks:report', 'Report leaked credentials', true, false, 'first_party', now() - interval '1 seconds')
ON CONFLICT (name) DO NOTHING;

-- API keys. A revoked one stays as a tombstone, also when its app goes.

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    app_id uuid REFERENCES apps ON DELETE SET NULL,
    account_id uuid NOT NULL,
    family text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('sk', 'pk', 'rk')),
    environment text NOT NULL CHECK (environment IN ('live', 'test')),
    name text NOT NULL,
    scopes text[] NOT NULL,
    pepper_id integer NOT NULL,
    mac bytea NOT NULL UNIQUE,
    hint text NOT NULL,
    per_second integer CHECK (per_second > 0),
    per_hour bigint CHECK (per_hour > 0),
    per_month bigint CHECK (per_month > 0),
    allowed_networks text[] NOT NULL,
    expires_at timestamptz,
    successor_id uuid,
    rotated_at timestamptz,
    revoked_at timestamptz,
    revoked_reason text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    reminded_days integer,
    last_used_at timestamptz,
    last_used_sealed bytea,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL)),
    CHECK (app_id IS NOT NULL OR revoked_at IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON COLUMN api_keys.successor_id IS 'The key that took its place when it was rotated.';
COMMENT ON COLUMN api_keys.mac IS 'HMAC-SHA256 of the key under the pepper; the key itself is nowhere.';
COMMENT ON COLUMN api_keys.hint IS 'What may be shown: the prefix and the first four characters of the body.';
COMMENT ON COLUMN api_keys.last_used_sealed IS 'Address and user agent of the last use.';
COMMENT ON COLUMN api_keys.reminded_days IS 'The last reminder of its end that went out: 14, 3 or 1 days ahead; 0 says that it has ended.';
CREATE INDEX api_keys_app ON api_keys (app_id, id);
CREATE INDEX api_keys_account ON api_keys (account_id, id);
CREATE INDEX api_keys_pepper ON api_keys (pepper_id);
CREATE INDEX api_keys_expiry ON api_keys (expires_at) WHERE revoked_at IS NULL AND reminded_days IS DISTINCT FROM 0;
CREATE INDEX api_keys_successor ON api_keys (successor_id) WHERE successor_id IS NOT NULL;

CREATE TABLE regenerated_values (
    mac bytea PRIMARY KEY,
    pepper_id integer NOT NULL,
    key_id uuid NOT NULL REFERENCES api_keys ON DELETE CASCADE,
    ended_at timestamptz NOT NULL
);
COMMENT ON TABLE regenerated_values IS 'Values that keys had before they were regenerated: good for nothing but to know a leaked one.';

-- One key for everybody who signs up, where a deployment asks for it. The trigger makes the slot, so that no path around
-- the application can miss it; the key is made when its owner first looks at it.

CREATE TABLE default_key_settings (
    "only" boolean PRIMARY KEY DEFAULT true CHECK ("only"),
    scope text,
    family text NOT NULL
);
COMMENT ON TABLE default_key_settings IS 'As the configuration says; without a scope, no slots are made.';
INSERT INTO default_key_settings (scope, family) VALUES (NULL, 'default');

CREATE TABLE default_keys (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    scope text NOT NULL,
    family text NOT NULL,
    created_at timestamptz NOT NULL,
    key_id uuid REFERENCES api_keys
);

CREATE FUNCTION give_default_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO default_keys (user_id, scope, family, created_at)
    SELECT NEW.id, scope, family, NEW.created_at FROM default_key_settings WHERE scope IS NOT NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER give_default_key AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION give_default_key();

-- Requests of the interface that are sent again: which thing the first one made.

CREATE TABLE idempotent_requests (
    caller text NOT NULL,
    idempotency_key text NOT NULL,
    request_digest bytea NOT NULL,
    made text NOT NULL,
    salt bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (caller, idempotency_key)
);
COMMENT ON COLUMN idempotent_requests.salt IS 'Of what this request derives: the same Idempotency-Key, used again when this row is gone, derives something else.';
CREATE INDEX idempotent_requests_age ON idempotent_requests (created_at);

-- Limits: what is used of each allowance, and what each node holds of it beyond that.

CREATE TABLE allowances (
    subject_id uuid NOT NULL,
    span text NOT NULL CHECK (span IN ('second', 'hour', 'month')),
    began_at timestamptz NOT NULL,
    version bigint NOT NULL,
    state jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, span, began_at)
) WITH (fillfactor = 50);
COMMENT ON COLUMN allowances.subject_id IS 'An API key, or an account for the ceiling of all its keys.';
COMMENT ON COLUMN allowances.began_at IS 'The hour or month that is counted; 1970 for seconds, which have no window.';
COMMENT ON COLUMN allowances.version IS 'Grows with each change: whoever changes a row names the version that it has read.';
-- Not what changes with each block (such an update would write both indexes), nor the span: a plan that is made while the table
-- is empty could take this for as good a way to one row as the primary key.
CREATE INDEX allowances_age ON allowances (began_at);

-- Usage. Each node adds what it counted, with the number of its batch in the same transaction: a batch that is sent again,
-- because the answer was lost, is known. What a row holds beyond `rolled` has not been carried on to the next table yet.

CREATE TABLE usage_days (
    key_id uuid NOT NULL,
    app_id uuid NOT NULL,
    at timestamptz NOT NULL,
    scope text NOT NULL,
    outcome text NOT NULL,
    requests bigint NOT NULL,
    cost bigint NOT NULL,
    PRIMARY KEY (key_id, at, scope, outcome)
) WITH (fillfactor = 70);
COMMENT ON COLUMN usage_days.scope IS 'What was asked for; empty where nothing was.';
COMMENT ON COLUMN usage_days.cost IS 'What they took of the limits; nothing where they were refused.';
CREATE INDEX usage_days_app ON usage_days (app_id, at);
CREATE INDEX usage_days_at ON usage_days (at);
CREATE TABLE usage_hours (
    LIKE usage_days INCLUDING ALL,
    rolled_requests bigint NOT NULL,
    rolled_cost bigint NOT NULL,
    due boolean NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN usage_hours.due IS 'Whether there is more than was rolled up: a column of its own, so that counting on changes no index.';
CREATE INDEX usage_hours_due ON usage_hours (at) WHERE due;
CREATE TABLE usage_minutes (LIKE usage_hours INCLUDING ALL) WITH (fillfactor = 50);

CREATE TABLE usage_writers (
    id uuid PRIMARY KEY,
    batch bigint NOT NULL,
    at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE usage_writers IS 'The last batch of counts that each running server has written.';

CREATE TABLE key_notices (
    key_id uuid NOT NULL,
    action text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (key_id, action)
);
COMMENT ON TABLE key_notices IS 'When a record was last left of something that an API key may do without end: one a minute is enough.';
CREATE INDEX key_notices_at ON key_notices (at);

CREATE TABLE key_limits_reached (
    key_id uuid NOT NULL,
    span text NOT NULL,
    began_at timestamptz NOT NULL,
    PRIMARY KEY (key_id, span)
);
COMMENT ON TABLE key_limits_reached IS 'The last period of which an app was told that its key has used up that limit: once is enough.';
CREATE INDEX key_limits_reached_age ON key_limits_reached (began_at);

CREATE TABLE key_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id uuid NOT NULL,
    at timestamptz NOT NULL,
    route text NOT NULL,
    outcome text NOT NULL,
    status smallint NOT NULL,
    address text NOT NULL,
    latency_us integer NOT NULL,
    request_id text NOT NULL
);
COMMENT ON TABLE key_requests IS 'The last requests of each key, for its developer; for a week.';
CREATE INDEX key_requests_key ON key_requests (key_id, id DESC);
CREATE INDEX key_requests_at ON key_requests (at);

-- Webhooks.

CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    url text NOT NULL,
    description text NOT NULL,
    event_types text[] NOT NULL,
    disabled_at timestamptz,
    disabled_reason text CHECK (disabled_reason IN ('owner', 'gone', 'failing')),
    failing_since timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
COMMENT ON COLUMN webhook_endpoints.event_types IS 'Empty is all.';
COMMENT ON COLUMN webhook_endpoints.failing_since IS 'When the first attempt failed since the last one that did not.';
CREATE INDEX webhook_endpoints_app ON webhook_endpoints (app_id, id);

CREATE TABLE webhook_secrets (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    sealed bytea NOT NULL,
    digest bytea NOT NULL,
    hint text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
COMMENT ON COLUMN webhook_secrets.digest IS 'SHA-256, by which a leaked one is known.';
COMMENT ON COLUMN webhook_secrets.hint IS 'What may be shown: its first characters.';
CREATE INDEX webhook_secrets_endpoint ON webhook_secrets (endpoint_id);
CREATE INDEX webhook_secrets_digest ON webhook_secrets (digest);

CREATE TABLE webhook_messages (
    id uuid PRIMARY KEY,
    app_id uuid NOT NULL,
    event_type text NOT NULL,
    payload text NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE webhook_messages IS 'The outbox: written in the transaction of the act that it tells of.';
COMMENT ON COLUMN webhook_messages.app_id IS 'No reference: an act that tells of itself must not wait for the row of its app.';
CREATE INDEX webhook_messages_app ON webhook_messages (app_id, id DESC);
CREATE INDEX webhook_messages_age ON webhook_messages (created_at);

CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY,
    place bigint GENERATED ALWAYS AS IDENTITY,
    message_id uuid NOT NULL REFERENCES webhook_messages ON DELETE CASCADE,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts integer NOT NULL,
    next_at timestamptz NOT NULL,
    claim uuid,
    created_at timestamptz NOT NULL
) WITH (fillfactor = 80);
COMMENT ON COLUMN webhook_deliveries.place IS 'Which came first, of two of one moment.';
COMMENT ON COLUMN webhook_deliveries.attempts IS 'That failed, since it was last sent out or sent again.';
COMMENT ON COLUMN webhook_deliveries.next_at IS 'When it is due; of a claimed one, when nobody can be at it any more.';
COMMENT ON COLUMN webhook_deliveries.claim IS 'Names the attempt that is under way.';
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_queue ON webhook_deliveries (endpoint_id, next_at, place) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_claimed ON webhook_deliveries (endpoint_id) WHERE claim IS NOT NULL;
CREATE INDEX webhook_deliveries_message ON webhook_deliveries (message_id);
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, place DESC);

CREATE TABLE webhook_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id uuid NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    at timestamptz NOT NULL,
    status smallint,
    error text,
    answer text,
    took_ms integer NOT NULL
);
CREATE INDEX webhook_attempts_delivery ON webhook_attempts (delivery_id, id);

-- Reports of leaked credentials. What was reported is known by what it named, never by itself.

CREATE TABLE leak_reports (
    id uuid PRIMARY KEY,
    source text NOT NULL,
    subject_kind text NOT NULL
        CHECK (subject_kind IN ('api_key', 'client_secret', 'refresh_token', 'access_token', 'webhook_secret')),
    subject_id text NOT NULL,
    hint text NOT NULL,
    app_id uuid,
    account_id uuid,
    found_at_url text,
    outcome text NOT NULL CHECK (outcome IN ('revoked', 'over', 'former', 'published')),
    created_at timestamptz NOT NULL
);
COMMENT ON COLUMN leak_reports.source IS 'Who reported it: github, or the caller of the interface.';
COMMENT ON COLUMN leak_reports.hint IS 'What may be shown of it.';
COMMENT ON COLUMN leak_reports.app_id IS 'No reference, as for the account: what was found outlives both.';
COMMENT ON COLUMN leak_reports.found_at_url IS 'Cut before what begins like a credential.';
CREATE INDEX leak_reports_subject ON leak_reports (subject_id);
CREATE INDEX leak_reports_app ON leak_reports (app_id, id DESC);
CREATE INDEX leak_reports_age ON leak_reports (created_at);

CREATE TABLE leak_notices (
    digest bytea PRIMARY KEY,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE leak_notices IS 'Digests of signed reports that have been dealt with: one that comes again is refused.';
CREATE INDEX leak_notices_age ON leak_notices (created_at);

-- A client secret that was taken back is still known for a while when somebody finds it. Its first characters find it.

ALTER TABLE client_secrets ADD COLUMN revoked_at timestamptz;
COMMENT ON COLUMN client_secrets.revoked_at IS 'From then on it is nobody''s but whoever finds it: kept to be known as ours.';
CREATE INDEX client_secrets_hint ON client_secrets (hint);
CREATE INDEX client_secrets_revoked ON client_secrets (revoked_at) WHERE revoked_at IS NOT NULL;
