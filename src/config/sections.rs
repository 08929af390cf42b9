use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{
    families::{DEFAULT_FAMILY, Families, Tiers},
    key::{Leaf, settings},
    value::{Hidden, Span, leaf_as_string},
};

settings! {
    /// The whole configuration.
    Config {
        /// The address and port that the server listens on.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        /// The URL under which browsers and clients reach this server; the `iss` of every token. Unset: `http://localhost` with the port of `listen`.
        issuer: Option<Url> = None;
        /// The folder for the embedded database, the master key and undelivered mail.
        data_dir: PathBuf = PathBuf::from("data");
        ;
        /// The HTTP side.
        server: Server;
        /// PostgreSQL.
        database: Database;
        /// Where the master key comes from.
        master_key: MasterKeySettings;
        /// How long each credential lives.
        lifetimes: Lifetimes;
        /// The authorization server.
        oauth: OAuth;
        /// Who may sign up.
        sign_up: SignUp;
        /// How passwords are hashed and judged.
        passwords: Passwords;
        /// Delays and limits against abuse.
        limits: Limits;
        /// How mail goes out.
        mail: Mail;
        /// How revocations travel between nodes.
        revocation: Revocation;
        /// API keys.
        keys: Keys;
        /// What is counted of requests, and for how long it is kept.
        usage: Usage;
        /// How webhooks go out.
        webhooks: Webhooks;
        /// Reports of leaked credentials.
        leaks: Leaks;
        /// Background jobs.
        jobs: Jobs;
        /// What is logged, and how.
        log: Log;
    }
}

settings! {
    /// The HTTP side.
    Server {
        /// Worker threads; 0 is one for each processor.
        workers: usize = 0;
        /// Proxies whose `Forwarded` and `X-Forwarded-For` headers are believed, as networks (`10.0.0.0/8`).
        trusted_proxies: Vec<IpNet> = Vec::new();
        /// Serve although the issuer begins with `http` and is not this machine: passwords and tokens then cross the network in clear.
        allow_plain_http: bool = false;
        /// A private address for `/metrics`, `/healthz` and `/readyz`; unset: no metrics are served.
        metrics_listen: Option<SocketAddr> = None;
        /// How long open requests may take to finish when the server is told to stop; then jobs; then mail that waits.
        shutdown_grace: Span = Span::seconds(30);
        ;
        /// TLS, where it ends in this server.
        tls: Tls;
    }
}

settings! {
    /// TLS, where it ends in this server.
    Tls {
        /// PEM file of the certificate and its chain; with `key`, the server speaks HTTPS only.
        certificate: Option<PathBuf> = None;
        /// PEM file of the private key.
        key: Option<PathBuf> = None;
    }
}

settings! {
    /// PostgreSQL. With no URL the server runs a private cluster in `data_dir`.
    Database {
        /// A database of your own; `DATABASE_URL` says the same.
        url: Option<Hidden> = None;
        /// The same database as the role that owns the tables and runs migrations; unset: `url`.
        owner_url: Option<Hidden> = None;
        /// Most connections that one node opens.
        connections: usize = 32;
        /// How long one statement may take before it is given up and its request answered 503. A database that does not answer at all is given up after half as long again.
        statement_timeout: Span = Span::seconds(30);
        /// Run missing migrations at start; false leaves them to `claviger migrate`.
        migrate_on_start: bool = true;
        /// The folder of PostgreSQL's server programs, for the embedded database; unset: PATH and the usual places.
        pg_bin: Option<PathBuf> = None;
    }
}

/// Where the master key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MasterKeySource {
    /// A file in the data folder, made on first start.
    File,
    /// `master_key.value`, as from the environment.
    Env,
}

settings! {
    /// Where the master key comes from.
    MasterKeySettings {
        /// `file` (made on first start, mode 0600) or `env` (`master_key.value`).
        source: MasterKeySource = MasterKeySource::File;
        /// The file; unset: `master.key` in `data_dir`.
        file: Option<PathBuf> = None;
        /// For `env`: 32 random bytes in base64, newest first, older ones after a comma.
        value: Option<Hidden> = None;
    }
}

settings! {
    /// How long each credential lives.
    Lifetimes {
        /// An authorization code, until it must be redeemed.
        authorization_code: Span = Span::minutes(5);
        /// An access token.
        access_token: Span = Span::minutes(15);
        /// An ID token.
        id_token: Span = Span::minutes(15);
        /// A refresh token, counted anew from each use.
        refresh_token: Span = Span::days(30);
        /// A grant, however often it is refreshed; unset: no limit.
        grant: Option<Span> = None;
        /// A sign-in session that is not used.
        session: Span = Span::days(14);
        /// A sign-in session, however much it is used.
        session_absolute: Span = Span::days(90);
        /// An authorization request that waits for sign-in and consent.
        authorization_request: Span = Span::hours(1);
        /// The link that resets a password.
        reset_link: Span = Span::minutes(15);
        /// The links that verify or change an address, and invitations.
        mail_link: Span = Span::days(1);
        /// The link that makes the first operator.
        first_operator_link: Span = Span::days(7);
    }
}

/// A signature algorithm that tokens can have (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    ES256,
    EdDSA,
    RS256,
}

settings! {
    /// The authorization server.
    OAuth {
        /// The signature of access tokens: `ES256`, `EdDSA` or `RS256`.
        access_token_alg: SigningAlgorithm = SigningAlgorithm::ES256;
        /// How long a client that authenticates may repeat a refresh whose answer it lost; 0s to 60s. A client may have its own.
        retry_window: Span = Span::seconds(10);
        /// Ask for consent each time where an app cannot prove who it is: a public client that answers on loopback or by a private-use scheme (RFC 8252 §8.6). False remembers consent for these apps too; PKCE binds their codes either way.
        ask_native_apps_again: bool = false;
        /// How long a signing key signs before the next one takes over.
        signing_key_rotation: Span = Span::days(90);
        /// How long a signing key is published before it signs; longer than clients cache the JWKS.
        signing_key_lead: Span = Span::hours(24);
        /// Requests kept for each client's log in the dashboard.
        request_log: u32 = 100;
    }
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUpMode {
    Open,
    Invitation,
    Closed,
}

settings! {
    /// Who may sign up.
    SignUp {
        /// `open`, `invitation` (by a link that an operator sends) or `closed`.
        mode: SignUpMode = SignUpMode::Open;
    }
}

settings! {
    /// How passwords are hashed (Argon2id) and judged.
    Passwords {
        /// Memory for one hash, in KiB; at least 19456.
        memory_kib: u32 = 19_456;
        /// Passes over that memory; at least 2.
        iterations: u32 = 2;
        /// Lanes; at least 1.
        parallelism: u32 = 1;
        /// Hashes computed at the same time; 0 is one for each processor.
        concurrency: usize = 0;
        /// Requests that may wait for a hash before others are answered 503.
        queue: usize = 256;
        /// The least strength by zxcvbn's count, 0 to 4.
        least_score: u8 = 3;
    }
}

settings! {
    /// Delays and limits against abuse.
    Limits {
        /// Failed sign-ins of one account, or from one address, before delays begin.
        sign_in_free_failures: u32 = 5;
        /// The first delay; each further failure doubles it.
        sign_in_first_delay: Span = Span::seconds(2);
        /// The longest delay.
        sign_in_longest_delay: Span = Span::minutes(15);
        /// Failed authentications a minute of one client from one address before 429.
        client_failures_per_minute: u32 = 30;
        /// Failed client authentications a minute from one address, of whichever clients, before 429 to all clients there but those that have not failed.
        address_failures_per_minute: u32 = 300;
        /// Sign-ups from one address before delays begin, which grow as those of failed sign-ins do. Invitations are not counted.
        sign_ups_per_address: u32 = 20;
        /// Authorization requests a minute from one address that are kept for somebody to sign in or consent, before 429.
        waiting_requests_per_minute: u32 = 600;
        /// Apps that one account may have; those that it has already stay.
        apps_per_account: u32 = 100;
        /// Clients that one app may have; those that it has already stay.
        clients_per_app: u32 = 100;
        /// Team accounts that one person may own and open one more; those that they own already stay.
        teams_per_person: u32 = 20;
        /// Members that one account may have, with those who are invited; those that it has already stay.
        members_per_account: u32 = 100;
        /// Invitations to accounts that one person sends before delays begin, which grow as those of failed sign-ins do.
        invitations_per_person: u32 = 20;
    }
}

settings! {
    /// How mail goes out. With no SMTP server it is written to `data_dir/mail`, and the log says so.
    Mail {
        /// `smtps://user:password@host:465` or `smtp://host:587?tls=required`.
        smtp_url: Option<Hidden> = None;
        /// The sender.
        from: String = "Claviger <no-reply@localhost>".to_owned();
    }
}

settings! {
    /// How revocations travel between nodes.
    Revocation {
        /// How long a node may answer from memory without having heard from the database; a revocation waits at most this long for a node that is cut off.
        lease: Span = Span::seconds(2);
    }
}

settings! {
    /// API keys.
    Keys {
        /// Live keys that one app may have, 2 at the least; those that it has already stay.
        per_app: u32 = 5;
        /// How long the old key lives on when one is rotated, unless the request says otherwise; 0s to 72h.
        rotation_overlap: Span = Span::hours(24);
        /// Forms of keys: name, prefix, characters of the body, environments, scopes. Given here, they stand beside those that are shipped (`default`, `hypersave`, `hypervize`), or in place of the one of that name.
        families: Families = Families::default();
        /// What keys may do whose own limits say nothing, by the tier of their app: requests a second, an hour and a month. Given here, they stand beside `standard`, or in its place.
        tiers: Tiers = Tiers::default();
        /// Requests a calendar month (UTC) of all keys of one account together; unset: no ceiling. An operator may set another one for an account.
        account_monthly_limit: Option<u64> = None;
        /// Every new person gets one key with this scope, made when they first look at it; unset: none.
        default_key_scope: Option<String> = None;
        /// The family of that key.
        default_key_family: String = DEFAULT_FAMILY.to_owned();
        /// Revoke a key that comes in a URL's query, where it is kept in logs and histories; false warns its owner and no more.
        revoke_in_query: bool = false;
    }
}

settings! {
    /// What is counted of requests, and for how long it is kept.
    Usage {
        /// How often what was counted in memory is written.
        flush: Span = Span::seconds(2);
        /// Counts by the minute.
        minutes: Span = Span::days(2);
        /// Counts by the hour.
        hours: Span = Span::days(30);
        /// Counts by the day.
        days: Span = Span::days(396);
        /// The last requests of each key.
        requests: Span = Span::days(7);
        /// How many of them are kept of each key at the most.
        requests_per_key: u32 = 1_000;
    }
}

settings! {
    /// How webhooks go out.
    Webhooks {
        /// Deliver to private, loopback and link-local addresses too, and over plain http: for trying things out.
        allow_private_addresses: bool = false;
        /// How long an endpoint may take to answer.
        timeout: Span = Span::seconds(15);
        /// Endpoints that one app may have; those that it has already stay.
        endpoints_per_app: u32 = 10;
        /// How long an old secret signs beside the new one when it is rotated.
        secret_overlap: Span = Span::hours(24);
        /// Deliveries under way at a time, of one node. Endpoints of one account have an eighth of them at most, on all nodes together.
        concurrency: usize = 32;
        /// How long nothing but failures may come of an endpoint before it is switched off, once a message to it is given up.
        switch_off_after: Span = Span::days(5);
        /// How long messages and their attempts are kept.
        keep: Span = Span::days(30);
    }
}

settings! {
    /// Reports of leaked credentials.
    Leaks {
        /// Where GitHub publishes the keys with which it signs its reports.
        github_keys_url: String = "https://api.github.com/meta/public_keys/secret_scanning".to_owned();
        /// How long those keys are kept before they are asked for again.
        github_keys_for: Span = Span::hours(24);
        /// Revoke publishable keys that are reported, too. Anybody can read them where they are used, and so could put them where scanners look; false records them and no more.
        revoke_publishable: bool = false;
        /// How long reports are kept.
        keep: Span = Span::days(396);
    }
}

settings! {
    /// Background jobs.
    Jobs {
        /// How often rows that nothing needs any more are removed.
        cleanup_interval: Span = Span::minutes(5);
        /// Rows removed in one statement.
        batch: u32 = 1_000;
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

settings! {
    /// What is logged, and how.
    Log {
        /// `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text;
        /// What is logged: a level, or directives such as `info,claviger::oauth=debug`.
        filter: String = "info".to_owned();
    }
}

leaf_as_string!(MasterKeySource, SigningAlgorithm, SignUpMode, LogFormat);

impl Config {
    /// The issuer, without a slash at the end, as it stands in `iss` and before every endpoint.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.issuer.as_ref().map_or_else(
            || format!("http://localhost:{}", self.listen.port()),
            |url| url.as_str().trim_end_matches('/').to_owned(),
        )
    }

    /// Whether people reach this server over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.issuer().starts_with("https:")
    }

    /// Whether people and clients are told to reach this server in clear, over a network.
    #[must_use]
    pub fn is_plain_http_abroad(&self) -> bool {
        let Some(issuer) = self.issuer.as_ref().filter(|issuer| issuer.scheme() == "http") else {
            return false;
        };
        match issuer.host() {
            Some(Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => !address.is_loopback(),
            Some(Host::Ipv6(address)) => !address.is_loopback(),
            None => true,
        }
    }
}
