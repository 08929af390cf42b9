//! `cargo bench --bench inner`: what the server computes for each credential, without the network and the database.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement stops where it goes wrong"
)]

use std::{num::NonZero, path::Path, sync::Arc};

use claviger::{
    app::{App, DatabaseUrls},
    config::Config,
    crypto::Purpose,
    db::embedded::{Cluster, Options},
    keys::{
        Formats, KeyKind, compose,
        limits::{Limiter, Limits},
    },
    oauth::{
        Authority,
        access_token::{self, Principal},
        code::{Binding, Code},
        refresh_token::RefreshToken,
    },
    types::{
        AccountId, ApiKeyId, ClientId, Clock, Entropy, Environment, GrantId, ScopeSet, SessionId, UserId,
    },
};
use criterion::{BatchSize, Criterion};
use futures_util::FutureExt as _;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cluster, app) = runtime.block_on(start(folder.path()));
    let mut criterion = Criterion::default().configure_from_args();
    {
        let _inside = runtime.enter();
        codes(&mut criterion, &app.authority);
        access_tokens(&mut criterion, &app.authority);
        refresh_tokens(&mut criterion, &app.authority);
        keys(&mut criterion, &app);
        limits(&mut criterion, &runtime, &app);
    }
    criterion.final_summary();
    drop(app);
    runtime.block_on(cluster.stop());
}

/// The server's parts on a new database: the keys are read from it once.
async fn start(folder: &Path) -> (Cluster, App) {
    let cluster = Cluster::start(Options {
        durable: false,
        ..Options::new(folder)
    })
    .await
    .unwrap();
    let urls = DatabaseUrls {
        server: cluster.server_url(),
        owner: cluster.owner_url(),
    };
    let config = Config {
        data_dir: folder.to_owned(),
        ..Config::default()
    };
    let app = App::start(Arc::new(config), Clock::system(), Entropy::system(), &urls)
        .await
        .unwrap();
    (cluster, app)
}

fn scopes() -> ScopeSet {
    "openid offline_access email".parse().unwrap()
}

fn codes(criterion: &mut Criterion, authority: &Authority) {
    let (clock, entropy) = (&authority.clock, &authority.entropy);
    let now = clock.now();
    let binding = || Binding {
        client_id: ClientId::new(clock, entropy),
        user_id: UserId::new(clock, entropy),
        session_id: SessionId::new(clock, entropy),
        redirect_uri: "https://app.example/callback".to_owned(),
        redirect_uri_was_sent: true,
        code_challenge: [7; 32],
        scopes: scopes(),
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        id_token_claims: Vec::new(),
        authenticated_at: now,
        consented_at: now,
    };
    criterion.bench_function("seal a code", |bench| {
        bench.iter_batched(
            binding,
            |binding| Code::issue(authority, binding).unwrap(),
            BatchSize::SmallInput,
        );
    });
    let code = Code::issue(authority, binding()).unwrap();
    criterion.bench_function("open a code", |bench| {
        bench.iter(|| Code::open(authority, &code).unwrap().unwrap());
    });
}

fn access_tokens(criterion: &mut Criterion, authority: &Authority) {
    let (clock, entropy) = (&authority.clock, &authority.entropy);
    let client = ClientId::new(clock, entropy);
    let principal = Principal::User {
        user: UserId::new(clock, entropy),
        grant: GrantId::new(clock, entropy),
        session: SessionId::new(clock, entropy),
        authenticated_at: clock.unix(),
        ends_with_session: false,
    };
    let scopes = scopes();
    criterion.bench_function("mint an access token", |bench| {
        bench.iter(|| access_token::mint(authority, client, principal, &scopes).unwrap());
    });
    let (token, _) = access_token::mint(authority, client, principal, &scopes).unwrap();
    criterion.bench_function("inspect an access token of this node", |bench| {
        bench.iter(|| {
            access_token::inspect(authority, token.expose())
                .now_or_never()
                .unwrap()
                .unwrap()
                .unwrap()
        });
    });
}

fn refresh_tokens(criterion: &mut Criterion, authority: &Authority) {
    let keyring = &authority.keyring;
    let key = keyring.current_id(Purpose::RefreshToken).unwrap();
    let token = RefreshToken {
        grant_id: GrantId::new(&authority.clock, &authority.entropy),
        generation: 41,
    };
    let text = token.encode(keyring, key).unwrap();
    criterion.bench_function("rotate a refresh token", |bench| {
        bench.iter(|| {
            let presented = RefreshToken::decode(keyring, text.expose()).unwrap().unwrap();
            let next = RefreshToken {
                generation: presented.generation + 1,
                ..presented
            };
            next.encode(keyring, key).unwrap()
        });
    });
}

/// What is computed of a key; its row and its limits are not in it.
fn keys(criterion: &mut Criterion, app: &App) {
    let families = &app.config.keys.families;
    let family = families.get("default").unwrap();
    let mint = || {
        let body = app.entropy.bytes::<64>();
        let (key, hint) = compose(family, KeyKind::Secret, Environment::Live, &body);
        let mac = app.keyring.mac(Purpose::ApiKey, key.expose().as_bytes()).unwrap();
        (key, hint, mac)
    };
    criterion.bench_function("mint an API key", |bench| bench.iter(mint));
    let formats = Formats::of(families);
    let (key, _, mac) = mint();
    criterion.bench_function("verify an API key", |bench| {
        bench.iter(|| {
            let text = key.expose();
            assert!(formats.read(text).is_some());
            assert_eq!(
                app.keyring.mac(Purpose::ApiKey, text.as_bytes()).unwrap().tag,
                mac.tag
            );
        });
    });
}

fn limits(criterion: &mut Criterion, runtime: &tokio::runtime::Runtime, app: &App) {
    let node = app.revocations.node().unwrap();
    let limiter = runtime
        .block_on(Limiter::join(app.db.clone(), app.clock.clone(), node, || Some(0)))
        .unwrap();
    let key = ApiKeyId::new(&app.clock, &app.entropy);
    let account = AccountId::new(&app.clock, &app.entropy);
    let limits = Limits {
        per_second: NonZero::new(u32::MAX),
        per_hour: NonZero::new(u64::MAX / 8),
        per_month: NonZero::new(u64::MAX / 8),
        account_per_month: NonZero::new(u64::MAX / 8),
    };
    let by_the_hour = Limits {
        per_hour: limits.per_hour,
        ..Limits::default()
    };
    for (name, limits) in [
        ("take of all four limits", limits),
        ("take of the hour's limit", by_the_hour),
    ] {
        criterion.bench_function(name, |bench| {
            bench.iter(|| {
                // In memory, but for a block now and then.
                let taken = limiter.take(key, account, &limits, 1);
                let taken = taken.now_or_never();
                taken.unwrap_or_else(|| runtime.block_on(limiter.take(key, account, &limits, 1)))
            });
        });
    }
}
