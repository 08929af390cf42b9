//! Reports of leaked credentials: who may send them, what becomes of what was found, and what is kept of it.

#![allow(clippy::too_many_lines, reason = "a test reads from top to bottom")]

mod faults;
mod github;
mod kinds;
mod scanners;

use std::time::Duration;

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use claviger::{
    accounts,
    audit::{self, By, Entry, Filter},
    config::Config,
    crypto::{digest, encode_hex},
    keys::{ApiKey, Asker, NewKey},
    oauth::clients::{ClientKind, GrantType},
    types::{ApiKeyId, AppId, WebhookDeliveryId, WebhookEndpointId},
    webhooks::{EndpointUrl, NewSecret, Settings, WebhookError},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    keys::{Answer, add_scope, grant, new_key, set},
    oauth::flow::{Client, World},
    support::app::Node,
    webhooks::receiver::{Receiver, Reply},
};

const WHERE: &str =
    "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt";

/// A server, Ada with an app, and GitHub with a key that it signs by.
struct Scene {
    world: World,
    github: GithubKey,
    list: Receiver,
}

/// A pair of keys under a name.
struct GithubKey {
    id: String,
    pair: EcdsaKeyPair,
}

impl GithubKey {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let id = encode_hex(&digest(pair.public_key().as_ref()));
        Self { id, pair }
    }

    fn entry(&self) -> Value {
        let der = self.pair.public_key().as_der().unwrap();
        entry(&self.id, &STANDARD.encode(der.as_ref()))
    }

    fn sign(&self, body: &str) -> String {
        let signature = self.pair.sign(&SystemRandom::new(), body.as_bytes()).unwrap();
        STANDARD.encode(signature.as_ref())
    }
}

fn entry(id: &str, key: &str) -> Value {
    json!({
        "key_identifier": id,
        "key": format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"),
        "is_current": true,
    })
}

/// What GitHub's list of keys answers.
fn list(entries: &[Value]) -> Reply {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json".to_owned();
    Reply::Whole(head, json!({ "public_keys": entries }).to_string())
}

fn find(token: &str) -> Value {
    json!({"token": token, "type": "claviger_key", "url": WHERE, "source": "content"})
}

fn labels(answer: Answer) -> Vec<bool> {
    answer
        .is(200)
        .as_array()
        .unwrap()
        .iter()
        .map(|own| match own["label"].as_str().unwrap() {
            "true_positive" => true,
            "false_positive" => false,
            other => panic!("{other} is no label"),
        })
        .collect()
}

impl Scene {
    async fn start() -> Self {
        Self::with(1, |_| {}).await
    }

    async fn with(nodes: usize, change: impl FnOnce(&mut Config)) -> Self {
        let (github, receiver) = (GithubKey::new(), Receiver::start().await);
        receiver.always(list(&[github.entry()]));
        let world = World::nodes_with(nodes, |config| {
            config.leaks.github_keys_url = receiver.url("/meta/public_keys/secret_scanning");
            config.webhooks.allow_private_addresses = true;
            config.keys.per_app = 5_000;
            change(config);
        })
        .await;
        add_scope(&world.app, "read:orders", true).await;
        grant(&world.app, world.first_app, "read:orders").await;
        Self {
            world,
            github,
            list: receiver,
        }
    }

    /// A key of Ada's, and its value.
    async fn key(&self, change: impl FnOnce(&mut NewKey)) -> (ApiKey, String) {
        let keys = &self.world.app.keys;
        let mut new = new_key(self.world.first_app);
        change(&mut new);
        let id = ApiKeyId::new(&keys.clock, &keys.entropy);
        let made = keys.create(id, &new, None, Asker::OPERATOR).await.unwrap();
        (made.key, made.value.unwrap().expose().to_owned())
    }

    /// A key with which a scanner may report.
    async fn scanner(&self, scope: &str) -> String {
        let owner = self.world.app.person("scanner@example.com").await;
        grant(&self.world.app, owner.opened.app_id, "leaks:report keys:verify").await;
        let (_, value) = self
            .key(|new| {
                new.app = owner.opened.app_id;
                new.scopes = Some(set(scope));
            })
            .await;
        value
    }

    async fn confidential(&self) -> Client {
        self.world
            .register(|registration| {
                registration.kind = ClientKind::Confidential;
                registration.grant_types = GrantType::ALL.to_vec();
                registration.scopes = "openid profile email offline_access tokens:introspect"
                    .parse()
                    .unwrap();
            })
            .await
    }

    async fn endpoint(&self) -> (WebhookEndpointId, NewSecret) {
        let webhooks = &self.world.app.webhooks;
        let id = WebhookEndpointId::new(&webhooks.clock, &webhooks.entropy);
        let settings = Settings {
            url: EndpointUrl::parse(&self.list.url("/hooks"), true).unwrap(),
            description: None,
            event_types: Vec::new(),
        };
        let home = (self.world.account, self.world.first_app);
        let mut transaction = self.world.app.db.begin().await.unwrap();
        let secret = webhooks
            .add(&mut transaction, id, home, &settings, By::OPERATOR)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        (id, secret)
    }

    /// Whether a node takes a key.
    async fn takes(&self, node: &Node, key: &str) -> bool {
        let answer = Answer::of(self.world.http.get(node.url("/v1/scopes")).bearer_auth(key)).await;
        match answer.status {
            StatusCode::OK => true,
            StatusCode::UNAUTHORIZED => false,
            other => panic!("{other}: {:?}", answer.body),
        }
    }

    /// Whether anything is sent to an endpoint.
    async fn signs(&self, node: &Node, endpoint: WebhookEndpointId) -> bool {
        let home = (self.world.account, self.world.first_app);
        let webhooks = &node.app.webhooks;
        let delivery = WebhookDeliveryId::new(&webhooks.clock, &webhooks.entropy);
        let mut transaction = node.app.db.begin().await.unwrap();
        let sent = webhooks.send_test(&mut transaction, delivery, endpoint, home, By::OPERATOR);
        match sent.await {
            Ok(()) => true,
            Err(WebhookError::Silent) => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn signed(&self, body: &str, id: &str, signature: &str) -> Answer {
        let request = self
            .world
            .http
            .post(self.world.app.url("/v1/leaks/github"))
            .header("Github-Public-Key-Identifier", id)
            .header("Github-Public-Key-Signature", signature)
            .header("content-type", "application/json")
            .body(body.to_owned());
        Answer::of(request).await
    }

    /// GitHub reports.
    async fn report(&self, finds: &[Value]) -> Answer {
        let body = Value::from(finds).to_string();
        self.signed(&body, &self.github.id, &self.github.sign(&body))
            .await
    }

    /// Records of an action, newest first.
    async fn records(&self, action: &str) -> Vec<Entry> {
        let filter = Filter {
            action: Some(action.to_owned()),
            ..Filter::default()
        };
        let mut connection = self.world.app.db.connection().await.unwrap();
        audit::trail(&mut connection, &filter, 2_000)
            .await
            .unwrap()
            .entries
    }

    async fn mails(&self, to: &str) -> Vec<String> {
        crate::identity::mails(&self.world.app, to).await
    }

    /// What an owner sees of it.
    async fn outcomes(&self, app: AppId) -> Vec<(String, String)> {
        let reports = self.world.app.leaks.reports_of_app(app, 100).await.unwrap();
        reports
            .into_iter()
            .map(|own| (own.kind.name().to_owned(), own.outcome.name().to_owned()))
            .collect()
    }

    fn asked(&self) -> usize {
        self.list.received().len()
    }

    fn advance(&self, seconds: u64) {
        self.world.app.advance(Duration::from_secs(seconds));
    }

    async fn delete_app(&self) {
        claviger::oauth::clients::delete_app(&self.world.app.authority, self.world.first_app, By::OPERATOR)
            .await
            .unwrap();
        let mut connection = self.world.app.db.connection().await.unwrap();
        assert!(
            accounts::app(&mut connection, self.world.first_app)
                .await
                .unwrap()
                .is_none()
        );
    }
}
