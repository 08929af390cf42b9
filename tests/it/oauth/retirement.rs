//! Derived keys come to an end: by themselves when nothing needs them, by an operator's word when one has leaked.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use claviger::{
    app::App,
    audit::Actor,
    config::{MasterKeySource, Span},
    crypto::{FileMasterKey, KeyId, KeyState, Purpose},
    keys::Asker,
    oauth::derived_keys::{self, RetireError},
    types::{ApiKeyId, Entropy},
};
use reqwest::StatusCode;

use super::flow::{World, answer, jwt_part, text};
use crate::{
    keys::new_key,
    support::app::{MASTER_KEY, Node, TestApp},
};

const LEAD: Duration = Duration::from_secs(31);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    async fn rotate(&self, purposes: &[Purpose]) {
        derived_keys::rotate(&self.app.authority, purposes, Actor::Operator)
            .await
            .unwrap();
        self.read_keys().await;
        self.app.advance(LEAD);
    }

    async fn read_keys(&self) {
        for node in &self.app.nodes {
            node.app.read_keys().await.unwrap();
        }
    }

    fn current(&self, purpose: Purpose) -> KeyId {
        self.app.keyring.current_id(purpose).unwrap()
    }

    /// Has the jobs run as they do every five minutes, and says which keys are retired.
    async fn jobs(&self) -> Vec<KeyId> {
        for job in ["identity.reseal", "oauth.reseal", "oauth.derived-keys"] {
            self.app.run_job(job).await;
        }
        self.read_keys().await;
        let status = self.app.keyring.status();
        let retired = status.iter().filter(|key| key.state == KeyState::Retired);
        retired.map(|key| key.id).collect()
    }
}

#[tokio::test]
async fn a_key_is_retired_when_nothing_needs_it_any_more() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let idle = world.confidential().await;
    let browser = world.browser().await;
    let first = text(&world.tokens(&browser, &client).await, "refresh_token");
    let old = |purpose| world.current(purpose);
    let [
        code,
        refresh,
        secret,
        signing,
        context,
        print,
        form,
        _known,
        pepper,
        body,
        webhook,
    ] = Purpose::ALL.map(old);
    world.rotate(&Purpose::ALL).await;
    assert_eq!(world.jobs().await, [], "all of them have just been in use");

    // Minutes later: codes, what was sealed anew, what is compared under the current key alone.
    world.app.advance(Duration::from_secs(11 * 60));
    let mut gone = vec![code, signing, context, print, pepper, webhook];
    gone.sort();
    assert_eq!(world.jobs().await, gone);
    let page = browser.get(&format!("/account/apps/{}", client.id)).await;
    assert!(page.text().contains("127.0.0.1"), "{}", page.text());

    // A day later forms; and one client's secret has moved, by being used. The other's has not.
    world.app.advance(DAY);
    gone.extend([form, body]);
    gone.sort();
    let next = text(&world.refresh(&client, &first).await.good(), "refresh_token");
    assert_eq!(world.jobs().await, gone);
    let hanging = async |id| {
        let all = derived_keys::overview(&world.app.authority).await.unwrap();
        all.into_iter().find(|own| own.key.id == id).unwrap().hanging
    };
    assert_eq!((hanging(secret).await, hanging(refresh).await), (1, 0));
    world.introspect(&idle, "x").await;
    gone.push(secret);
    gone.sort();
    assert_eq!(world.jobs().await, gone);
    // Also on a node whose copy of the client still names the old key.
    let told = world
        .post_as_to(&world.app.nodes[1], &idle, "/oauth/introspect", &[("token", "x")])
        .await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text);

    // No live refresh token is under the old key, but copies of used ones are told from forgeries as long as they could
    // have been good.
    world.app.advance(28 * DAY);
    assert_eq!(world.jobs().await, gone);
    let next = text(&world.refresh(&client, &next).await.good(), "refresh_token");
    world.app.advance(DAY);
    gone.push(refresh);
    gone.sort();
    assert_eq!(world.jobs().await, gone);
    let foreign = world.refresh(&client, &first).await;
    assert_eq!(foreign.error(), (400, "invalid_grant".to_owned()));
    world.refresh(&client, &next).await.good();
    assert_eq!(
        world
            .number("SELECT count(*) FROM audit_records WHERE action = 'server_key.retired'")
            .await,
        10
    );
}

#[tokio::test]
async fn configured_lifetimes_are_respected() {
    let world = World::with(|config| {
        config.lifetimes.refresh_token = Span::days(90);
        config.lifetimes.authorization_code = Span::minutes(10);
    })
    .await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let token = text(&world.tokens(&browser, &client).await, "refresh_token");
    let code = world.current(Purpose::AuthorizationCode);
    let login = world.login(&browser, &client).await;
    world
        .rotate(&[Purpose::AuthorizationCode, Purpose::RefreshToken])
        .await;
    world.app.advance(Duration::from_secs(9 * 60));
    assert_eq!(world.jobs().await, []);
    world.redeem(&client, &login).await.good();
    world.app.advance(Duration::from_secs(7 * 60));
    assert_eq!(world.jobs().await, [code]);
    world.app.advance(89 * DAY);
    assert_eq!(world.jobs().await, [code]);
    world.refresh(&client, &token).await.good();
}

#[tokio::test]
async fn an_operator_ends_a_key_and_its_successor_takes_over_in_that_moment() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let token = text(&world.tokens(&browser, &client).await, "refresh_token");
    let leaked = world.current(Purpose::RefreshToken);
    let retired = derived_keys::retire(&world.app.authority, leaked, Actor::Operator)
        .await
        .unwrap();
    assert_eq!(retired.was.hanging, 1);
    world.read_keys().await;

    // Until that moment it is as it was: whatever is exchanged is under the same key.
    world.app.advance(Duration::from_secs(28));
    let exchanged = text(&world.refresh(&client, &token).await.good(), "refresh_token");
    world.app.advance(Duration::from_secs(2));
    assert_ne!(world.current(Purpose::RefreshToken), leaked);
    for node in &world.app.nodes {
        let refused = world.refresh_at(node, &client, &exchanged).await;
        assert_eq!(refused.error(), (400, "invalid_grant".to_owned()));
    }
    // The person is told that the app is not connected any more, and connects it again.
    assert_eq!(world.jobs().await, [leaked]);
    let page = browser.get("/account/apps").await;
    assert!(page.text().contains("not signed in"), "{}", page.text());
    let token = text(&world.tokens(&browser, &client).await, "refresh_token");
    world.refresh(&client, &token).await.good();

    let again = derived_keys::retire(&world.app.authority, leaked, Actor::Operator).await;
    assert!(matches!(again, Err(RetireError::Already(_))), "{again:?}");
    let unknown = derived_keys::retire(&world.app.authority, KeyId(999), Actor::Operator).await;
    assert!(matches!(unknown, Err(RetireError::Unknown(999))), "{unknown:?}");
    // What is sealed at rest would be lost: it moves first.
    let sealing = world.current(Purpose::SigningKey);
    let lost = derived_keys::retire(&world.app.authority, sealing, Actor::Operator).await;
    assert!(matches!(lost, Err(RetireError::StillSeals { .. })), "{lost:?}");
}

#[tokio::test]
async fn a_signing_key_that_has_leaked_is_ended() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let signing = &world.app.authority.signing;
    let signed_by = |tokens: &serde_json::Value| text(&jwt_part(&text(tokens, "access_token"), 0), "kid");
    let tokens = world.tokens(&browser, &client).await;
    let access = text(&tokens, "access_token");
    let leaked = signed_by(&tokens);
    assert!(signing.retire("nobody", Actor::Operator).await.unwrap().is_none());
    signing.retire(&leaked, Actor::Operator).await.unwrap().unwrap();
    world.read_keys().await;
    let other = &world.app.nodes[1];
    let told = async || {
        world
            .post_as_to(other, &client, "/oauth/introspect", &[("token", &access)])
            .await
            .good()["active"]
            .clone()
    };
    assert_eq!(told().await, true);
    world.app.advance(LEAD);
    assert_eq!(
        told().await,
        false,
        "the other node knows it by its signature alone"
    );
    let tokens = world.tokens(&browser, &client).await;
    assert_ne!(signed_by(&tokens), leaked);
    world.read_keys().await;
    let published = world.json("/.well-known/jwks.json").await.to_string();
    assert!(
        !published.contains(&leaked) && published.contains(&signed_by(&tokens)),
        "{published}"
    );
}

fn put(path: &Path, lines: &str) {
    fs::write(path, lines).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

async fn readiness(node: &Node) -> (u16, serde_json::Value) {
    let told = answer(reqwest::Client::new().get(node.url("/readyz"))).await;
    (told.status.as_u16(), told.json()["checks"]["master_key"].clone())
}

#[tokio::test]
async fn a_new_master_key_is_picked_up_by_servers_that_run() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here.key"), folder.path().join("there.key"));
    put(&here, MASTER_KEY);
    put(&there, MASTER_KEY);
    let app = TestApp::with(|config| {
        super::flow::cheap_passwords(config);
        config.master_key.source = MasterKeySource::File;
        config.master_key.file = Some(here.clone());
    })
    .await;
    let mut world = World::of(app).await;
    let mut config = (*world.app.config).clone();
    config.issuer = Some(world.app.config.issuer().parse().unwrap());
    config.master_key.file = Some(there.clone());
    let urls = world.app.urls();
    world.app.add_node(config, urls).await;
    let client = world.confidential().await;
    let unmoved = world
        .register(|registration| registration.scopes = "openid tokens:introspect".parse().unwrap())
        .await;
    let browser = world.browser().await;
    let token = text(&world.tokens(&browser, &client).await, "refresh_token");
    let other = text(&world.tokens(&browser, &client).await, "refresh_token");

    // As the commands do it: a new key into the file, then keys of it.
    FileMasterKey::at(&here).rotate(&Entropy::system()).unwrap();
    let command = App::detached(
        world.app.config.clone(),
        world.app.authority.clock.clone(),
        Entropy::system(),
        &world.app.urls(),
    )
    .await
    .unwrap();
    derived_keys::rotate(&command.authority, &Purpose::ALL, Actor::Operator)
        .await
        .unwrap();
    world.read_keys().await;
    world.app.advance(LEAD);
    let (first, second) = (&world.app.nodes[0], &world.app.nodes[1]);
    assert_eq!(readiness(first).await, (200, true.into()));
    let next = text(&world.refresh(&client, &token).await.good(), "refresh_token");

    // A node that was not given it says so, opens what older keys made, and makes nothing with them.
    assert_eq!(readiness(second).await, (503, false.into()));
    let login = world.login(&browser, &client).await;
    let told = world
        .post_as_to(second, &unmoved, "/oauth/introspect", &[("token", &other)])
        .await;
    assert_eq!(told.good()["active"], true);
    // Not that they were bad: a client would throw them away.
    for token in [&other, &next] {
        let answer = world.refresh_at(second, &client, token).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    }
    let answer = world
        .post_as_to(second, &unmoved, "/oauth/revoke", &[("token", &next)])
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);

    // Once the file is there it needs no restart.
    put(&there, &fs::read_to_string(&here).unwrap());
    world.read_keys().await;
    assert_eq!(readiness(second).await, (200, true.into()));
    world.redeem_at(second, &client, &login).await.good();
    world.refresh_at(second, &client, &next).await.good();
    command.stop().await;
}

#[tokio::test]
async fn a_pepper_stays_while_a_value_that_it_made_can_still_be_reported() {
    let world = World::start().await;
    let ada = world.app.person("ada@keys.example").await;
    let keys = &world.app.keys;
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    keys.create(id, &new_key(ada.opened.app_id), None, Asker::OPERATOR)
        .await
        .unwrap();
    let made = keys.regenerate(id, None, Asker::OPERATOR).await.unwrap();
    let pepper = world.current(Purpose::ApiKey);
    world.rotate(&[Purpose::ApiKey]).await;
    // The value that it has now moves to the next one by being used.
    let value = made.value.unwrap();
    assert!(keys.find(value.expose()).await.unwrap().is_some());
    world.app.advance(Duration::from_secs(11 * 60));
    assert!(!world.jobs().await.contains(&pepper));
    world.app.advance(91 * DAY);
    assert!(world.jobs().await.contains(&pepper));
}
