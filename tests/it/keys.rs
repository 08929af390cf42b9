//! API keys: made, judged, rotated, taken back; by the interface, the command line's acts and introspection.

mod bounds;
mod callers;
mod life;
mod nodes;
mod rest;
mod verify;
mod withheld;

use std::sync::atomic::{AtomicUsize, Ordering};

use claviger::{
    accounts,
    audit::By,
    config::Config,
    keys::{ApiKey, Asker, KeyKind, NewKey, OwnLimits},
    scopes::{Audience, Entry},
    types::{AccountId, ApiKeyId, AppId, Environment, ScopeSet},
};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::support::app::{Node, TestApp};

/// A server; Ada, who builds things; the platform, whose service asks about keys.
pub struct World {
    pub app: TestApp,
    pub account: AccountId,
    /// Ada's app, which was granted `read:orders`, `write:orders` and `keys:manage`.
    pub ada_app: AppId,
    pub platform_app: AppId,
    /// A key of the platform with `keys:verify`.
    pub service: String,
    pub http: reqwest::Client,
}

/// What the interface answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl World {
    pub async fn start() -> Self {
        Self::with(1, |_| {}).await
    }

    pub async fn with(nodes: usize, change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::nodes_with(nodes, change).await;
        for (name, publishable) in [
            ("read:orders", true),
            ("write:orders", false),
            ("admin:orders", false),
            ("read:invoices", false),
        ] {
            add_scope(&app, name, publishable).await;
        }
        let ada = app.person("ada@example.com").await;
        let platform = app.person("platform@example.com").await;
        grant(&app, platform.opened.app_id, "keys:verify tokens:introspect").await;
        grant(&app, ada.opened.app_id, "read:orders write:orders keys:manage").await;
        let mut world = Self {
            account: ada.opened.account_id,
            ada_app: ada.opened.app_id,
            platform_app: platform.opened.app_id,
            service: String::new(),
            http: reqwest::Client::new(),
            app,
        };
        let (_, service) = world
            .make(|new| {
                new.app = platform.opened.app_id;
                new.scopes = Some(set("keys:verify"));
            })
            .await;
        world.service = service;
        world
    }

    /// A live secret key of Ada's app with all that the app was granted, but for what a test changes; and its value.
    pub async fn make(&self, change: impl FnOnce(&mut NewKey)) -> (ApiKey, String) {
        let mut new = new_key(self.ada_app);
        change(&mut new);
        let keys = &self.app.keys;
        let id = ApiKeyId::new(&keys.clock, &keys.entropy);
        let made = keys.create(id, &new, None, Asker::OPERATOR).await.unwrap();
        (made.key, made.value.unwrap().expose().to_owned())
    }

    /// Asks node `node` about a key, as the platform's service does.
    pub async fn ask_at(&self, node: &Node, question: Value) -> Value {
        let answer = self
            .call_at(
                node,
                Method::POST,
                "/v1/keys/verify",
                Some(&self.service),
                Some(question),
            )
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        answer.body
    }

    pub async fn ask(&self, question: Value) -> Value {
        self.ask_at(&self.app.nodes[0], question).await
    }

    /// What is said of a key by itself.
    pub async fn code_of(&self, key: &str) -> String {
        code(&self.ask(json!({ "key": key })).await)
    }

    pub async fn call_at(
        &self,
        node: &Node,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = self.http.request(method, node.url(path));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    pub async fn call(&self, method: Method, path: &str, key: Option<&str>, body: Option<Value>) -> Answer {
        self.call_at(&self.app.nodes[0], method, path, key, body).await
    }

    /// How many records of the trail tell of `action`.
    pub async fn records(&self, action: &str) -> usize {
        let filter = claviger::audit::Filter {
            action: Some(action.to_owned()),
            ..Default::default()
        };
        let mut connection = self.app.db.connection().await.unwrap();
        claviger::audit::trail(&mut connection, &filter, 1_000)
            .await
            .unwrap()
            .entries
            .len()
    }
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        Self {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        }
    }

    /// Whether it refuses with that status and word, in the one shape that refusals have.
    #[track_caller]
    pub fn refuses(&self, status: u16, error: &str) {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.body["success"], false);
        assert_eq!(self.body["error"], error, "{:?}", self.body);
        assert!(self.body["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(
            self.body["request_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("req_"))
        );
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self.body
    }
}

pub fn new_key(app: AppId) -> NewKey {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);

    NewKey {
        app,
        family: "default".to_owned(),
        kind: KeyKind::Secret,
        environment: Environment::Live,
        name: format!("Key {}", NUMBER.fetch_add(1, Ordering::Relaxed))
            .parse()
            .unwrap(),
        scopes: None,
        limits: OwnLimits::default(),
        expires_at: None,
        networks: Vec::new(),
    }
}

pub fn set(scopes: &str) -> ScopeSet {
    scopes.parse().unwrap()
}

pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

pub fn code(answer: &Value) -> String {
    answer["code"].as_str().unwrap().to_owned()
}

pub async fn add_scope(app: &TestApp, name: &str, publishable: bool) {
    let entry = Entry {
        scope: name.parse().unwrap(),
        description: format!("May {name}").parse().unwrap(),
        sensitive: false,
        publishable,
        audience: Audience::Any,
    };
    claviger::oauth::scopes::add_scope(&app.authority, &entry, claviger::audit::Actor::Operator, None)
        .await
        .unwrap();
}

pub async fn grant(app: &TestApp, id: AppId, scopes: &str) {
    app.keys
        .change_policy(id, |policy| policy.scopes = set(scopes), Asker::OPERATOR)
        .await
        .unwrap();
}

/// What only the database can do, as whoever owns it.
pub async fn execute(world: &World, statement: &str) {
    let (client, connection) = tokio_postgres::connect(&world.app.database.owner_url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client.batch_execute(statement).await.unwrap();
}

/// One more app of Ada's account.
pub async fn another_app(world: &World, name: &str) -> AppId {
    let keys = &world.app.keys;
    let id = AppId::new(&keys.clock, &keys.entropy);
    let mut transaction = keys.db.begin().await.unwrap();
    accounts::create_app(
        &mut transaction,
        &keys.clock,
        id,
        (world.account, 100),
        &name.parse().unwrap(),
        By::OPERATOR,
    )
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    id
}
