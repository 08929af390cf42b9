//! A server with a person, her browser and clients: the steps of the flow, each as one call.

use std::time::Duration;

use claviger::{
    audit::By,
    config::{Config, SigningAlgorithm},
    crypto::{digest, encode_base64url},
    identity::NewUser,
    oauth::clients::{ClientKind, GrantType, Registration, register_client},
    types::{AccountId, AppId, ClientId, UserId},
};
use reqwest::{
    RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::Value;
use tokio_postgres::NoTls;
use url::Url;

use crate::support::{
    app::{Node, TestApp},
    browser::{Browser, Page},
};

pub const CALLBACK: &str = "https://app.example/callback";
pub const PASSWORD: &str = "a lantern over the harbour";
pub const ALL_SCOPES: &str = "openid profile email offline_access";

/// A server, and Ada, who has an account there and an app of her own.
pub struct World {
    pub app: TestApp,
    pub ada: UserId,
    pub account: AccountId,
    pub first_app: AppId,
    pub http: reqwest::Client,
}

#[derive(Clone, Debug)]
pub struct Client {
    pub id: ClientId,
    pub secret: Option<String>,
    pub redirect_uri: String,
}

/// A code, with what redeems it.
#[derive(Clone, Debug)]
pub struct Login {
    pub code: String,
    pub verifier: String,
    pub redirect_uri: String,
}

/// An authorization request as a client writes it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub verifier: String,
    pub parameters: Vec<(String, String)>,
}

/// What a JSON endpoint answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl World {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::nodes_with(1, change).await
    }

    pub async fn nodes_with(number: usize, change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::nodes_with(number, |config| {
            cheap_passwords(config);
            change(config);
        })
        .await;
        Self::of(app).await
    }

    pub async fn of(app: TestApp) -> Self {
        let created = create_user(&app, "Ada", "ada@example.com", false).await;
        Self {
            ada: created.user.id,
            account: created.opened.account_id,
            first_app: created.opened.app_id,
            http: reqwest::Client::new(),
            app,
        }
    }

    // Clients.

    pub async fn register(&self, change: impl FnOnce(&mut Registration)) -> Client {
        self.register_as(false, change).await
    }

    pub async fn register_as(&self, first_party: bool, change: impl FnOnce(&mut Registration)) -> Client {
        let mut registration = Registration {
            name: "Weather Watch".to_owned(),
            kind: ClientKind::Confidential,
            redirect_uris: vec![CALLBACK.parse().unwrap()],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scopes: ALL_SCOPES.parse().unwrap(),
            optional_scopes: "".parse().unwrap(),
            publisher: None,
            id_token_alg: SigningAlgorithm::ES256,
            retry_window: None,
        };
        change(&mut registration);
        let registered = register_client(
            &self.app.authority,
            ClientId::new(&self.app.authority.clock, &self.app.authority.entropy),
            (self.account, self.first_app),
            &registration,
            first_party,
            By::OPERATOR,
        )
        .await
        .unwrap();
        Client {
            id: registered.id,
            secret: registered.secret.map(|secret| secret.expose().to_owned()),
            redirect_uri: registration
                .redirect_uris
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }

    pub async fn confidential(&self) -> Client {
        self.register(|_| {}).await
    }

    pub async fn public(&self) -> Client {
        self.register(|registration| registration.kind = ClientKind::Public)
            .await
    }

    // People.

    /// Ada's browser, in which she is signed in.
    pub async fn browser(&self) -> Browser {
        self.browser_of("ada@example.com").await
    }

    pub async fn browser_of(&self, email: &str) -> Browser {
        let browser = self.app.browser();
        let page = browser.get("/sign-in?return_to=/account/apps").await;
        let page = browser
            .submit(&page, &[("email", email), ("password", PASSWORD)])
            .await;
        assert!(page.status.is_success(), "sign-in failed: {}", page.text());
        self.app.advance(Duration::from_secs(1));
        browser
    }

    // The authorization endpoint.

    pub fn ask(&self, client: &Client) -> Ask {
        let verifier = verifier();
        let parameters = [
            ("response_type", "code"),
            ("client_id", &client.id.to_string()),
            ("redirect_uri", &client.redirect_uri),
            ("scope", ALL_SCOPES),
            ("state", "the state"),
            ("code_challenge", &challenge(&verifier)),
            ("code_challenge_method", "S256"),
        ];
        Ask {
            verifier,
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// Through sign-in that was, and consent where it is asked, to a code.
    pub async fn login(&self, browser: &Browser, client: &Client) -> Login {
        self.login_with(browser, self.ask(client)).await
    }

    pub async fn login_with(&self, browser: &Browser, ask: Ask) -> Login {
        let mut page = browser.get(&ask.path()).await;
        if page.leads_to().is_none() {
            page = browser.submit(&page, &[("decision", "approve")]).await;
        }
        Login {
            code: parameter(&landed(&page), "code").expect("a code"),
            verifier: ask.verifier.clone(),
            redirect_uri: ask.value("redirect_uri").unwrap_or_default(),
        }
    }

    // The endpoints for programs.

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_to(&self.app.nodes[0], path, fields).await
    }

    pub async fn post_to(&self, node: &Node, path: &str, fields: &[(&str, &str)]) -> Answer {
        answer(self.http.post(node.url(path)).form(fields)).await
    }

    /// The same as `client`, which proves that it is.
    pub async fn post_as(&self, client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_as_to(&self.app.nodes[0], client, path, fields).await
    }

    pub async fn post_as_to(
        &self,
        node: &Node,
        client: &Client,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let id = client.id.to_string();
        let mut all = fields.to_vec();
        all.push(("client_id", &id));
        if let Some(secret) = &client.secret {
            all.push(("client_secret", secret));
        }
        self.post_to(node, path, &all).await
    }

    pub async fn redeem(&self, client: &Client, login: &Login) -> Answer {
        self.redeem_at(&self.app.nodes[0], client, login).await
    }

    pub async fn redeem_at(&self, node: &Node, client: &Client, login: &Login) -> Answer {
        let fields = login.fields();
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.post_as_to(node, client, "/oauth/token", &fields).await
    }

    pub async fn refresh(&self, client: &Client, token: &str) -> Answer {
        self.refresh_at(&self.app.nodes[0], client, token).await
    }

    pub async fn refresh_at(&self, node: &Node, client: &Client, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post_as_to(node, client, "/oauth/token", &fields).await
    }

    pub async fn introspect(&self, client: &Client, token: &str) -> Answer {
        self.post_as(client, "/oauth/introspect", &[("token", token)])
            .await
    }

    pub async fn is_active(&self, client: &Client, token: &str) -> bool {
        let answer = self.introspect(client, token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let active = answer.json()["active"].as_bool().unwrap();
        assert!(active || answer.text == r#"{"active":false}"#, "{}", answer.text);
        active
    }

    pub async fn revoke(&self, client: &Client, token: &str) -> Answer {
        self.post_as(client, "/oauth/revoke", &[("token", token)]).await
    }

    pub async fn userinfo(&self, token: &str) -> Answer {
        answer(self.http.get(self.app.url("/oauth/userinfo")).bearer_auth(token)).await
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = answer(self.http.get(self.app.url(path))).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }

    /// A grant with all its tokens.
    pub async fn tokens(&self, browser: &Browser, client: &Client) -> Value {
        let login = self.login(browser, client).await;
        self.redeem(client, &login).await.good()
    }

    // The database, as its owner sees it.

    pub async fn database(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.app.database.owner_url, NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// One number out of the database.
    pub async fn number(&self, sql: &str) -> i64 {
        self.database().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// How many rows each table has, but for what one node writes of itself.
    pub async fn rows(&self) -> Vec<(String, i64)> {
        let database = self.database().await;
        let mut counts = Vec::new();
        for table in tables(&database).await {
            let sql = format!("SELECT count(*) FROM {table}");
            counts.push((table, database.query_one(&sql, &[]).await.unwrap().get(0)));
        }
        counts
    }

    /// Every row of every table as text.
    pub async fn dump(&self) -> String {
        let database = self.database().await;
        let mut text = String::new();
        for table in tables(&database).await {
            let sql = format!("SELECT row_to_json(own)::text FROM {table} own");
            for row in database.query(&sql, &[]).await.unwrap() {
                text.push_str(&table);
                text.push(' ');
                text.push_str(row.get(0));
                text.push('\n');
            }
        }
        text
    }
}

async fn tables(database: &tokio_postgres::Client) -> Vec<String> {
    let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    let rows = database.query(sql, &[]).await.unwrap();
    rows.into_iter().map(|row| row.get(0)).collect()
}

/// Hashing costs what it must in tests of passwords; elsewhere it only takes time.
pub fn cheap_passwords(config: &mut Config) {
    config.passwords.memory_kib = 64;
    config.passwords.iterations = 1;
}

pub async fn create_user(
    app: &TestApp,
    name: &str,
    email: &str,
    operator: bool,
) -> claviger::identity::Created {
    let new = NewUser {
        name: name.to_owned(),
        email: email.to_owned(),
        password: PASSWORD.to_owned().into(),
    };
    app.identity.create_user(new, operator).await.unwrap()
}

impl Ask {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.also(name, value)
    }

    /// Adds a parameter beside one of the same name.
    pub fn also(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|(own, _)| own != name);
        self
    }

    pub fn value(&self, name: &str) -> Option<String> {
        self.parameters
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.clone())
    }

    pub fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.parameters)
            .finish()
    }

    pub fn path(&self) -> String {
        format!("/oauth/authorize?{}", self.query())
    }
}

impl Login {
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", self.code.clone()),
            ("code_verifier", self.verifier.clone()),
        ];
        if !self.redirect_uri.is_empty() {
            fields.push(("redirect_uri", self.redirect_uri.clone()));
        }
        fields
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body of a success.
    pub fn good(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()
    }

    /// The error code, with the status that goes with it.
    pub fn error(&self) -> (u16, String) {
        let code = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), code)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}

/// A request with a body of one's own.
pub fn raw(request: RequestBuilder, body: impl Into<reqwest::Body>) -> RequestBuilder {
    request
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
}

/// Where a browser has landed at the client.
pub fn landed(page: &Page) -> Url {
    page.leads_to()
        .unwrap_or_else(|| panic!("no way to the client, but {} {}", page.status, page.text()))
}

pub fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut values = url.query_pairs().filter(|(own, _)| own == name);
    let value = values.next().map(|(_, value)| value.into_owned());
    assert!(values.next().is_none(), "{name} twice in {url}");
    value
}

pub fn verifier() -> String {
    encode_base64url(uuid::Uuid::now_v7().as_bytes().repeat(2).as_slice())
}

pub fn challenge(verifier: &str) -> String {
    encode_base64url(&digest(verifier.as_bytes()))
}

pub fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

/// A part of a JWT, unverified.
pub fn jwt_part(jwt: &str, part: usize) -> Value {
    let text = jwt.split('.').nth(part).unwrap();
    serde_json::from_slice(&claviger::crypto::decode_base64url(text).unwrap()).unwrap()
}
