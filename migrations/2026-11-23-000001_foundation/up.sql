-- People, their accounts, and the apps that an account owns.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    email_key text NOT NULL UNIQUE,
    email_verified_at timestamptz,
    name text NOT NULL,
    password_hash text NOT NULL,
    password_set_at timestamptz NOT NULL,
    operator boolean NOT NULL,
    blocked_at timestamptz,
    created_at timestamptz NOT NULL
);
COMMENT ON COLUMN users.email_key IS 'The address as it is compared: trimmed and in lower case.';

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    personal_user_id uuid UNIQUE REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL
);

CREATE TABLE members (
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX members_user ON members (user_id);

CREATE TABLE apps (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX apps_account ON apps (account_id);

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE,
    context_sealed bytea NOT NULL,
    authenticated_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON COLUMN sessions.context_sealed IS 'Address and user agent at sign-in.';
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE one_time_links (
    id uuid PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN
        ('verify_email', 'reset_password', 'confirm_old_email', 'confirm_new_email', 'first_operator', 'invitation')),
    token_hash bytea NOT NULL UNIQUE,
    user_id uuid REFERENCES users ON DELETE CASCADE,
    email text,
    email_key text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON COLUMN one_time_links.email_key IS 'The address as it is compared, as in users.';
CREATE INDEX one_time_links_user ON one_time_links (user_id, purpose);
CREATE INDEX one_time_links_expiry ON one_time_links (expires_at);

CREATE TABLE email_changes (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    new_email text NOT NULL,
    old_confirmed_at timestamptz,
    new_confirmed_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE sign_in_failures (
    subject bytea PRIMARY KEY,
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    retry_at timestamptz NOT NULL
);
COMMENT ON TABLE sign_in_failures IS 'One row for each account or address that failed to sign in lately; subject is a keyed digest.';
CREATE INDEX sign_in_failures_last ON sign_in_failures (last_at);

-- OAuth 2.0 and OpenID Connect.

CREATE TABLE scopes (
    name text PRIMARY KEY,
    description text NOT NULL,
    sensitive boolean NOT NULL,
    publishable boolean NOT NULL,
    audience text NOT NULL CHECK (audience IN ('any', 'confidential', 'first_party')),
    created_at timestamptz NOT NULL
);
COMMENT ON COLUMN scopes.audience IS 'Which client kinds may ask for it.';

INSERT INTO scopes (name, description, sensitive, publishable, audience, created_at) VALUES
    ('openid', 'Know who you are when you sign in', false, false, 'any', now() - interval '5 seconds'),
    ('profile', 'See your name', false, false, 'any', now() - interval '4 seconds'),
    ('email', 'See your e-mail address', false, false, 'any', now() - interval '3 seconds'),
    ('offline_access', 'Stay connected while you are away', false, false, 'any', now() - interval '2 seconds'),
    ('tokens:introspect', 'Ask whether tokens are valid', true, false, 'confidential', now() - interval '1 seconds');

CREATE TABLE clients (
    id uuid PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('public', 'confidential')),
    first_party boolean NOT NULL,
    publisher text,
    publisher_verified boolean NOT NULL,
    logo bytea,
    logo_type text,
    logo_digest text,
    redirect_uris text[] NOT NULL,
    grant_types text[] NOT NULL,
    scopes text[] NOT NULL,
    optional_scopes text[] NOT NULL,
    id_token_alg text NOT NULL CHECK (id_token_alg IN ('ES256', 'EdDSA', 'RS256')),
    retry_window_seconds integer CHECK (retry_window_seconds BETWEEN 0 AND 60),
    disabled_at timestamptz,
    shut_out_at timestamptz,
    created_at timestamptz NOT NULL,
    CHECK ((logo IS NULL) = (logo_type IS NULL) AND (logo IS NULL) = (logo_digest IS NULL))
);
COMMENT ON COLUMN clients.optional_scopes IS 'Those that a person may leave out when asked for consent.';
COMMENT ON COLUMN clients.disabled_at IS 'When its owner shut it out.';
COMMENT ON COLUMN clients.shut_out_at IS 'When whoever runs the server shut it out; its owner cannot let it in.';
COMMENT ON COLUMN clients.retry_window_seconds IS 'How long a refresh may be repeated; null is the default for the client kind.';
CREATE INDEX clients_app ON clients (app_id);

CREATE TABLE client_secrets (
    id uuid PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
    key_id integer NOT NULL,
    mac bytea NOT NULL UNIQUE,
    hint text NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX client_secrets_client ON client_secrets (client_id);

CREATE TABLE client_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
    at timestamptz NOT NULL,
    endpoint text NOT NULL,
    error text,
    description text,
    request_id text NOT NULL
);
COMMENT ON TABLE client_requests IS 'The last requests of each client, for its developer; trimmed to a fixed number a client.';
CREATE INDEX client_requests_client ON client_requests (client_id, id DESC);

CREATE TABLE authorization_requests (
    id uuid PRIMARY KEY,
    browser_hash bytea NOT NULL,
    client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
    request jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE authorization_requests IS 'Requests that wait for sign-in or consent, each bound to one browser.';
CREATE INDEX authorization_requests_expiry ON authorization_requests (expires_at);

CREATE TABLE consents (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
    scopes text[] NOT NULL,
    declined text[] NOT NULL,
    presentation bytea NOT NULL,
    granted_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
COMMENT ON COLUMN consents.declined IS 'Optional scopes that the person left out.';
COMMENT ON COLUMN consents.presentation IS 'Digest of what the person was shown: name, logo and redirect hosts.';
CREATE INDEX consents_client ON consents (client_id);

CREATE TABLE grants (
    id uuid PRIMARY KEY,
    code_id uuid NOT NULL UNIQUE,
    client_id uuid NOT NULL REFERENCES clients ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    session_id uuid NOT NULL,
    scopes text[] NOT NULL,
    redirect_host text NOT NULL,
    authenticated_at timestamptz NOT NULL,
    generation integer NOT NULL,
    refresh_key_id integer,
    rotated_at timestamptz NOT NULL,
    refreshes bigint NOT NULL,
    context_mac bytea NOT NULL,
    context_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ends_at timestamptz,
    revoked_at timestamptz,
    revoked_reason text,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
) WITH (fillfactor = 50);
COMMENT ON COLUMN grants.generation IS 'The only refresh token that is good now is the one of this generation.';
COMMENT ON COLUMN grants.refresh_key_id IS 'The derived key that made that token; null where none was given.';
COMMENT ON COLUMN grants.ends_at IS 'The absolute limit, where the operator set one; expires_at never passes it.';
CREATE INDEX grants_user_client ON grants (user_id, client_id);
CREATE INDEX grants_client ON grants (client_id);
CREATE INDEX grants_session ON grants (session_id);

CREATE TABLE signing_keys (
    id uuid PRIMARY KEY,
    kid text NOT NULL UNIQUE,
    algorithm text NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
    private_sealed bytea NOT NULL,
    public_jwk jsonb NOT NULL,
    published_at timestamptz NOT NULL,
    signs_from timestamptz NOT NULL,
    signs_until timestamptz,
    expires_at timestamptz
);

-- Keys that are derived from a master key: which there are, never what they are.

CREATE TABLE derived_keys (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purpose text NOT NULL,
    version integer NOT NULL,
    master_key_id text NOT NULL,
    active_from timestamptz NOT NULL,
    retired_at timestamptz,
    UNIQUE (purpose, version)
);
COMMENT ON COLUMN derived_keys.retired_at IS 'From then on nothing opens or verifies with this key.';

-- Revocation: the log, its head, and the nodes that follow it.

CREATE TABLE revocation_head (
    "only" boolean PRIMARY KEY DEFAULT true CHECK ("only"),
    sequence bigint NOT NULL,
    keep_seconds bigint NOT NULL CHECK (keep_seconds >= 0)
);
COMMENT ON COLUMN revocation_head.keep_seconds IS 'The longest that a token of any node ever lives; it only grows.';
INSERT INTO revocation_head (sequence, keep_seconds) VALUES (0, 0);

CREATE TABLE revocations (
    sequence bigint PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    until timestamptz NOT NULL
);
COMMENT ON COLUMN revocations.until IS 'When nothing that this entry takes back can be alive any more.';
CREATE INDEX revocations_until ON revocations (until);

CREATE TABLE nodes (
    id uuid PRIMARY KEY,
    applied bigint NOT NULL,
    lease_ms integer NOT NULL CHECK (lease_ms > 0),
    lease_until timestamptz NOT NULL,
    started_at timestamptz NOT NULL
);
COMMENT ON COLUMN nodes.lease_ms IS 'How long the node answers from memory after it last heard from the database.';

-- Background jobs: when each ran last, on whichever node.

CREATE TABLE jobs (
    name text PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    rows_done bigint,
    error text
);

-- The audit trail. No row ever changes or goes; the server's role may only add and read.

CREATE TABLE audit_records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_id text,
    account_id uuid,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text,
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
    address text,
    user_agent text,
    request_id text,
    policy_ref text,
    details jsonb NOT NULL
);
CREATE INDEX audit_records_account ON audit_records (account_id, id DESC);
CREATE INDEX audit_records_actor ON audit_records (actor_id, id DESC);
CREATE INDEX audit_records_subject ON audit_records (subject_id, id DESC);
-- Whom it happened to, where a client or the server acted.
CREATE INDEX audit_records_user ON audit_records ((details ->> 'user'), id DESC);

CREATE FUNCTION audit_records_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_records is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION audit_records_are_append_only();

-- Whoever owns the tables hands them to the role that serves; with one role for both, that role gives up the right itself.
REVOKE ALL ON audit_records FROM PUBLIC;
REVOKE UPDATE, DELETE, TRUNCATE ON audit_records FROM CURRENT_USER;
DO $$ BEGIN
    IF to_regrole('claviger') IS NOT NULL THEN
        REVOKE UPDATE, DELETE, TRUNCATE ON audit_records FROM claviger;
    END IF;
END $$;
