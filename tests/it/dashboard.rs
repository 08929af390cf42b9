//! The pages of developers and operators, as a browser sees them.

mod activity;
mod apps;
mod catalogue;
mod clients;
mod keys;
mod operators;
mod overtaken;
mod roles;
mod secrets;

use std::time::Duration;

use claviger::{
    audit::{self, Filter},
    identity::NewUser,
    types::UserId,
};
use reqwest::{Method, StatusCode};
use scraper::{Html, Selector};
use serde_json::Value;
use tokio_postgres::NoTls;

use crate::support::{
    app::TestApp,
    browser::{Browser, Form, Page},
};

pub const PASSWORD: &str = "correct horse battery staple";
/// Those of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://fieldnotes.example/callback";

/// Makes a person and signs them in.
pub async fn person(app: &TestApp, email: &str, operator: bool) -> (UserId, Browser) {
    let new = NewUser {
        name: email.split('@').next().unwrap().to_owned(),
        email: email.to_owned(),
        password: PASSWORD.to_owned().into(),
    };
    let id = app.identity.create_user(new, operator).await.unwrap().user.id;
    let browser = app.browser();
    let page = browser.get("/sign-in").await;
    let page = browser
        .submit(&page, &[("email", email), ("password", PASSWORD)])
        .await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    (id, browser)
}

/// Makes an app in the personal account, and gives its path.
pub async fn new_app(browser: &Browser, name: &str) -> String {
    let page = browser.get("/apps/new").await;
    let page = browser.submit(&page, &[("name", name)]).await;
    assert_eq!(page.heading(), name, "{}", page.text());
    page.url.path().to_owned()
}

/// A client as the page that shows its secret gave it.
pub struct NewClient {
    id: String,
    secret: Option<String>,
    pub path: String,
}

/// What a confidential client is registered with that people sign in to and that acts for itself.
pub const CONFIDENTIAL: &[(&str, &str)] = &[
    ("name", "Fieldnotes web"),
    ("type", "confidential"),
    ("redirect_uris", CALLBACK),
    ("scope", "openid"),
    ("scope", "email"),
    ("scope", "offline_access"),
    ("scope", "tokens:introspect"),
    ("grant", "authorization_code"),
    ("grant", "refresh_token"),
    ("grant", "client_credentials"),
    ("publisher", "Marsh & Daughters Ltd"),
];
const PUBLIC: &[(&str, &str)] = &[
    ("name", "Fieldnotes for iPhone"),
    ("type", "public"),
    ("redirect_uris", "com.example.fieldnotes:/callback"),
    ("scope", "openid"),
    ("grant", "authorization_code"),
];

pub async fn register(browser: &Browser, app: &str, fields: &[(&str, &str)]) -> NewClient {
    let page = browser.get(&format!("{app}/clients/new")).await;
    let page = browser.submit(&page, fields).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let id = words(&page, "#client-id").unwrap();
    NewClient {
        secret: words(&page, "#client-secret"),
        path: format!("{app}/clients/{id}"),
        id,
    }
}

/// The text of the first element of that kind.
pub fn words(page: &Page, selector: &str) -> Option<String> {
    let document = Html::parse_document(&page.html);
    let found = document.select(&Selector::parse(selector).unwrap()).next();
    found.map(|element| element.text().collect::<String>().trim().to_owned())
}

/// Posts to a path with the form token of the page that the browser sees at `from`.
pub async fn post(browser: &Browser, from: &str, path: &str, fields: &[(&str, &str)]) -> Page {
    let page = browser.get(from).await;
    let mut form = page.forms().into_iter().next().expect("a form with a token");
    let token = form.value("csrf_token").unwrap().to_owned();
    post_with(browser, &mut form, &token, path, fields).await
}

async fn post_with(
    browser: &Browser,
    form: &mut Form,
    token: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Page {
    form.method = Method::POST;
    form.action = form.action.join(path).unwrap();
    form.fields = [("csrf_token", token)]
        .iter()
        .chain(fields)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    if path.ends_with("/logo") {
        let fields = form.fields.iter();
        let parts: Vec<_> = fields
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        return post_parts(browser, form.action.as_str(), &parts).await;
    }
    browser.send(form).await
}

/// Posts as the one form does that carries a file.
async fn post_parts(browser: &Browser, url: &str, parts: &[(&str, &[u8])]) -> Page {
    let mut body = Vec::new();
    for (name, value) in parts {
        let head = format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), *value, b"\r\n"].concat());
    }
    body.extend(b"--cut--\r\n");
    let request = browser
        .client
        .post(url)
        .header("content-type", "multipart/form-data; boundary=cut")
        .body(body);
    browser.go(request.build().unwrap()).await
}

/// The form of a page that goes to a path ending so.
pub fn form_to(page: &Page, end: &str) -> Form {
    let mut forms = page.forms().into_iter();
    forms
        .find(|form| form.action.path().ends_with(end))
        .unwrap_or_else(|| panic!("no form to …{end} on {}:\n{}", page.url, page.html))
}

/// Asks the token endpoint for a token of the client's own.
async fn token(app: &TestApp, id: &str, secret: &str) -> (StatusCode, Value) {
    token_with(
        app,
        id,
        secret,
        &[
            ("grant_type", "client_credentials"),
            ("scope", "tokens:introspect"),
        ],
    )
    .await
}

async fn token_with(app: &TestApp, id: &str, secret: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    let answer = reqwest::Client::new()
        .post(app.url("/oauth/token"))
        .basic_auth(id, Some(secret))
        .form(fields)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Signs the browser's person in to a client, and gives its tokens.
async fn tokens_of(app: &TestApp, browser: &Browser, client: &NewClient) -> Value {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", CALLBACK),
            ("scope", "openid offline_access"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "xyz"),
        ])
        .finish();
    let page = browser.get(&format!("/oauth/authorize?{query}")).await;
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    let back = page
        .leads_to()
        .unwrap_or_else(|| panic!("no redirect: {}", page.text()));
    let code = back
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap_or_else(|| panic!("no code in {back}"))
        .1
        .into_owned();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let (status, tokens) = token_with(app, &client.id, client.secret.as_deref().unwrap(), &fields).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    tokens
}

async fn userinfo(app: &TestApp, tokens: &Value) -> StatusCode {
    reqwest::Client::new()
        .get(app.url("/oauth/userinfo"))
        .bearer_auth(tokens["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .status()
}

/// Says something to the database as its owner, and how many rows that touched.
pub async fn execute(app: &TestApp, sql: &str) -> u64 {
    connect(app).await.execute(sql, &[]).await.unwrap()
}

/// A connection to the database, as its owner.
async fn connect(app: &TestApp) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&app.database.owner_url, NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// Makes somebody a member of another's personal account.
pub async fn join(app: &TestApp, owner: UserId, member: UserId, role: &str) {
    let statement = format!(
        "INSERT INTO members (account_id, user_id, role, created_at) \
         SELECT id, '{}', '{role}', now() FROM accounts WHERE personal_user_id = '{}'",
        member.uuid(),
        owner.uuid()
    );
    assert_eq!(execute(app, &statement).await, 1);
}

/// Whether the trail has that action, done by that person from a browser.
pub async fn trail_has(app: &TestApp, user: UserId, action: &str) -> bool {
    let mut connection = app.db.connection().await.unwrap();
    let page = audit::trail(&mut connection, &Filter::default(), 500)
        .await
        .unwrap();
    page.entries.iter().any(|entry| {
        entry.action == action
            && entry.actor_id.as_deref() == Some(user.to_string().as_str())
            && entry.user_agent.as_deref() == Some("Browser of the tests")
            && entry.request_id.is_some()
    })
}
